"""The audit log: complete for curators, and per question for everyone who can see it."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.audit import audit_log
from service.audit.audit_log import Entry, Place
from service.audit.schemas import EntryOut
from service.models import LARGEST_ID, Role
from service.questions import questions
from service.questions.dependencies import QuestionId
from service.web.dependencies import WITHOUT_NUL, CurrentActor, ReadSession
from service.web.openapi import MAY_REFUSE
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    SetSlug,
    decode_cursor,
    paginate,
    utc,
)
from service.web.schemas import Page


class Audit(Controller):
    """Who did what, when and why."""

    path = "/"
    tags = ("Audit",)

    @get("/audit", summary="List the audit log (curators)", responses=MAY_REFUSE)
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        set_slug: SetSlug = None,
        question: Annotated[
            int | None,
            QueryParameter(ge=1, le=LARGEST_ID, description="filter by question id"),
        ] = None,
        by: Annotated[
            int | None,
            QueryParameter(ge=1, le=LARGEST_ID, description="filter by account id"),
        ] = None,
        action: Annotated[
            str | None,
            QueryParameter(
                max_length=50,
                pattern=WITHOUT_NUL,
                description="filter by action, such as `question.resolved`",
            ),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[EntryOut]:
        """Every action on sets, questions, comments and accounts, newest first."""
        actor.require(Role.curator, "read the audit log")
        found = await questions.find_set(reading, set_slug) if set_slug is not None else None
        entries = await audit_log.listing(
            reading,
            set_id=found.id if found else None,
            question_id=question,
            account_id=by,
            action=action,
            before=_before(cursor),
            limit=limit + 1,
        )
        return _page(entries, limit)

    @get("/questions/{question_id:int}/audit", summary="List a question's audit log")
    async def of_question(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[EntryOut]:
        """Who added, revised, closed or resolved the question, and why, newest first."""
        view = await questions.get(reading, question_id, actor=actor)
        entries = await audit_log.listing(
            reading,
            question_id=view.id,
            public=not actor.may(Role.curator),
            before=_before(cursor),
            limit=limit + 1,
        )
        return _page(entries, limit)


def _before(cursor: str | None) -> Place | None:
    found: Place | None = decode_cursor(cursor, Place)
    at = utc(found.at) if found else None
    return found._replace(at=at) if found and at else None


def _page(entries: list[Entry], limit: int) -> Page[EntryOut]:
    return paginate(entries, limit, EntryOut.of, lambda entry: entry.place)
