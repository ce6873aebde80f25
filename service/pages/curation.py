"""Curation: resolve, unresolve, close, reopen and revise questions; and the audit log."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit import audit_log
from service.audit.audit_log import Place
from service.clock import now
from service.curation import editing, resolutions
from service.exceptions import Invalid, NotFound, Problem
from service.models import Outcome, Question, Role, Visibility
from service.pages.forms import Form, read_form
from service.pages.questions import QuestionId
from service.pages.rendering import confirmed, page
from service.pages.sets import Slug
from service.permissions import Actor
from service.questions import questions, search
from service.questions.aggregates import Aggregator
from service.questions.dependencies import AggregatorDep
from service.questions.questions import State, View
from service.questions.search import Order
from service.web.dependencies import (
    WITHOUT_NUL,
    AppRequest,
    CurrentActor,
    ReadSession,
    WriteSession,
)

LISTED: Final = 40
MOST_QUESTIONS: Final = 500
MOST_SETS: Final = 200
TEXTS: Final = ("title", "background", "criteria", "fine_print", "why")
SEEN: Final = {
    Visibility.always: "always",
    Visibility.after_forecast: "after they forecast, or after the question closes",
    Visibility.reveal_at: "from a given date",
}
MOMENTS: Final = ("opens_at", "closes_at", "resolves_by")
ANSWERS: Final = (Outcome.yes, Outcome.no, Outcome.ambiguous, Outcome.annulled)
CONFIRMATIONS: Final = {
    "resolve": "The question is resolved, and every forecaster on it has been scored.",
    "unresolve": "The resolution has been withdrawn; its scores no longer count.",
    "close": "The question is closed to new forecasts.",
    "reopen": "The question is open for forecasts again.",
    "revise": "The revision is in force.",
    "visibility": "The visibility setting has been saved.",
    "archived": "The set is archived: hidden from lists, but still at its address.",
    "unarchived": "The set is back in lists and leaderboards.",
}


class Curation(Controller):
    """The pages and actions of curators."""

    path = "/curate"

    @get()
    async def desk(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession
    ) -> Template:
        """Show questions awaiting resolution, drafts and recent audit entries."""
        actor.require(Role.curator, "curate")
        closed, drafts = [
            await search.page(reading, actor, state=state, order=Order.closes_at, limit=LISTED)
            for state in (State.closed, State.draft)
        ]
        return page(
            request,
            actor,
            "desk.html",
            at=now(),
            closed=closed,
            drafts=drafts,
            sets=await questions.sets(reading, after=0, limit=MOST_SETS, archived=None),
            entries=await audit_log.listing(reading, limit=8),
        )

    @get("/audit")
    async def log(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        in_set: Annotated[
            str, QueryParameter(name="set", max_length=100, pattern=WITHOUT_NUL)
        ] = "",
        before: Annotated[str, QueryParameter(max_length=200, pattern=WITHOUT_NUL)] = "",
    ) -> Template:
        """Show the audit log."""
        actor.require(Role.curator, "read the audit log")
        found = await questions.find_set(reading, in_set) if in_set else None
        entries = await audit_log.listing(
            reading,
            set_id=found.id if found else None,
            before=_place(before) if before else None,
            limit=LISTED + 1,
        )
        shown = entries[:LISTED]
        return page(
            request,
            actor,
            "audit.html",
            entries=shown,
            following=msgspec.json.encode(shown[-1].place).decode() if entries[LISTED:] else "",
            in_set=in_set,
            sets=await questions.sets(reading, after=0, limit=MOST_SETS, archived=None),
        )

    @get("/sets/{slug:str}")
    async def set_(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        slug: Slug,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show a set's questions and its visibility policy."""
        actor.require(Role.curator, "curate")
        return await _set(request, actor, reading, slug, Form(), told=CONFIRMATIONS.get(done))

    @get("/sets/{slug:str}/set.toml", media_type="application/toml")
    async def export(self, actor: CurrentActor, reading: ReadSession, slug: Slug) -> Response[str]:
        """Export the set as a TOML file that can be loaded again."""
        told = await editing.export(reading, actor, slug)
        headers = {"Content-Disposition": f'attachment; filename="{slug}.toml"'}
        return Response(told, media_type="application/toml", headers=headers)

    @post("/sets/{slug:str}/visibility", status_code=303)
    async def decide(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession, slug: Slug
    ) -> Redirect | Template:
        """Set when forecasters may see the community forecast on a set's questions."""
        actor.require(Role.curator, "curate")
        form = await read_form(request)
        try:
            if form.text("visibility") not in set(Visibility):
                raise Invalid("choose one of the options", field="visibility")
            async with writing.begin_nested():
                await editing.decide_visibility(
                    writing,
                    actor,
                    slug,
                    visibility=Visibility(form.text("visibility")),
                    reveal_at=_moment(form, "reveal_at"),
                    reason=form.text("reason"),
                )
        except Problem as problem:
            form.refuse(problem)
            return await _set(request, actor, writing, slug, form, status=problem.status)
        return confirmed(f"/curate/sets/{slug}", "visibility")

    @post("/sets/{slug:str}/archive", status_code=303)
    async def archive(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession, slug: Slug
    ) -> Redirect:
        """Archive a set, or restore it to lists and leaderboards."""
        archived = bool((await read_form(request)).text("archived"))
        await editing.archive(writing, actor, slug, archived=archived)
        done = "archived" if archived else "unarchived"
        return confirmed(f"/curate/sets/{slug}", done)

    @get("/questions/{question_id:int}")
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        question_id: QuestionId,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show a question with the curation actions available in its state."""
        actor.require(Role.curator, "curate")
        view = await questions.get(reading, question_id, actor=actor)
        return await _desk_of(request, actor, reading, view, Form(), told=CONFIRMATIONS.get(done))

    @post("/questions/{question_id:int}/{act:str}", status_code=303)
    async def act(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        act: Annotated[str, QueryParameter(pattern=WITHOUT_NUL)],
    ) -> Redirect | Template:
        """Perform an action on a question; on failure, show the form with its errors."""
        actor.require(Role.curator, "curate")
        if act not in ACTS:
            raise NotFound(f"unknown question action {act!r}")
        form = await read_form(request)
        form.given["act"] = act
        try:
            async with writing.begin_nested():
                await ACTS[act](writing, aggregator, actor, question_id, form)
        except Problem as problem:
            form.refuse(problem)
            view = await questions.get(writing, question_id, actor=actor)
            return await _desk_of(request, actor, writing, view, form, status=problem.status)
        return confirmed(f"/curate/questions/{question_id}", act)


Doing = Callable[[AsyncSession, Aggregator, Actor, int, Form], Awaitable[View]]


async def _resolve(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, question_id: int, form: Form
) -> View:
    if form.text("outcome") not in set(ANSWERS):
        raise Invalid("choose the outcome", field="outcome")
    return await resolutions.resolve(
        session,
        aggregator,
        actor,
        question_id,
        outcome=Outcome(form.text("outcome")),
        occurred_at=_moment(form, "occurred_at"),
        evidence_url=form.text("evidence_url").strip(),
        note=form.text("note"),
    )


async def _unresolve(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, question_id: int, form: Form
) -> View:
    if not form.text("reason").strip():
        raise Invalid("enter a reason for forecasters to read", field="reason")
    return await resolutions.unresolve(
        session, aggregator, actor, question_id, reason=form.text("reason")
    )


async def _close(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, question_id: int, form: Form
) -> View:
    return await editing.close(
        session,
        aggregator,
        actor,
        question_id,
        based_on=_based_on(form),
        reason=form.text("reason"),
    )


async def _reopen(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, question_id: int, form: Form
) -> View:
    closes_at = _moment(form, "closes_at")
    if closes_at is None:
        raise Invalid("enter the new closing time", field="closes_at")
    return await editing.reopen(
        session,
        aggregator,
        actor,
        question_id,
        based_on=_based_on(form),
        reason=form.text("reason"),
        closes_at=closes_at,
    )


async def _revise(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, question_id: int, form: Form
) -> View:
    view = await questions.get(session, question_id, actor=actor)
    changes: dict[str, Any] = {
        name: form.text(name)
        for name in TEXTS
        if name in form.given and form.text(name).strip() != getattr(view.revision, name).strip()
    }
    for name in MOMENTS:
        given = _moment(form, name)
        held = getattr(view.revision, name)
        if given is not None and given != (held.replace(second=0, microsecond=0) if held else None):
            changes[name] = given
    if view.revision.draft and form.text("publish"):
        changes["draft"] = False
    return await editing.revise(
        session,
        aggregator,
        actor,
        question_id,
        based_on=_based_on(form),
        reason=form.text("reason"),
        changes=changes,
    )


ACTS: Final[dict[str, Doing]] = {
    "resolve": _resolve,
    "unresolve": _unresolve,
    "close": _close,
    "reopen": _reopen,
    "revise": _revise,
}


async def _set(
    request: AppRequest,
    actor: Actor,
    session: AsyncSession,
    slug: str,
    form: Form,
    *,
    status: int = 200,
    told: str | None = None,
) -> Template:
    found = await questions.find_set(session, slug)
    query = questions.views_query(None).where(Question.set_id == found.id).order_by(Question.id)
    return page(
        request,
        actor,
        "curated_set.html",
        status=status,
        at=now(),
        set=found,
        views=await questions.views(session, query.limit(MOST_QUESTIONS)),
        policy=await questions.policy(session, found.id),
        seen=SEEN,
        entries=await audit_log.listing(session, set_id=found.id, limit=8),
        form=form,
        told=told,
    )


async def _desk_of(
    request: AppRequest,
    actor: Actor,
    session: AsyncSession,
    view: View,
    form: Form,
    *,
    status: int = 200,
    told: str | None = None,
) -> Template:
    return page(
        request,
        actor,
        "curate.html",
        status=status,
        at=now(),
        view=view,
        revision=view.revision,
        state=view.state(now()),
        form=form,
        answers=ANSWERS,
        texts=TEXTS,
        moments=MOMENTS,
        findings=await editing.findings(session, view),
        entries=await audit_log.listing(session, question_id=view.id, limit=LISTED),
        told=told,
    )


def _based_on(form: Form) -> int:
    """Return the revision number that the form was based on; 0 if the form omits it."""
    text = form.text("based_on")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _moment(form: Form, name: str) -> datetime | None:
    """Parse a date and time field as UTC; None if it is empty."""
    text = form.text(name).strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(
            "enter a date and time in UTC, such as 2027-01-31T12:00", field=name
        ) from None


def _place(text: str) -> Place:
    try:
        return msgspec.json.decode(text, type=Place)
    except msgspec.DecodeError:
        raise Invalid("before must be a cursor from a page of the log", field="before") from None
