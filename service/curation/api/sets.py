"""Curators' edits of a set: visibility, archiving, new questions, export."""

from litestar import Controller, Response, delete, get, post
from litestar.params import JSONBody, SkipValidation

from service.curation import editing
from service.curation.api.questions import edited
from service.curation.schemas import EditedQuestion, NewQuestion, NewVisibility
from service.implications.schemas import SetOut, VisibilityOut
from service.questions import questions
from service.questions.dependencies import AggregatorDep
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.openapi import MAY_CONFLICT, MAY_REFUSE
from service.web.parameters import (
    Slug,
    decode_body,
    utc,
)


class SetEditing(Controller):
    """Curators' edits of a set."""

    path = "/sets"
    tags = ("Sets",)

    @post("/{slug:str}/visibility", summary="Decide what forecasters see (curators)")
    async def decide_visibility(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        slug: Slug,
        data: JSONBody[SkipValidation[NewVisibility]],
    ) -> VisibilityOut:
        """Show others' forecasts and aggregates always, after the viewer's own, or from a set time.

        A question's own `reveal_at` takes precedence. Curators always see everything, and everyone
        sees resolved questions.
        """
        data = await decode_body(request, NewVisibility)
        row = await editing.decide_visibility(
            writing,
            actor,
            slug,
            visibility=data.visibility,
            reveal_at=utc(data.reveal_at),
            reason=data.reason,
        )
        return VisibilityOut.of(row)

    @post("/{slug:str}/archive", status_code=200, summary="Archive a set (curators)")
    async def archive(self, actor: CurrentActor, writing: WriteSession, slug: Slug) -> SetOut:
        """Remove a set from lists and leaderboards; its address and questions remain active.

        Repeating this changes nothing.
        """
        found = await editing.archive(writing, actor, slug, archived=True)
        return SetOut.of(found, await questions.count(writing, found.id))

    @delete("/{slug:str}/archive", status_code=200, summary="Put a set back into lists (curators)")
    async def unarchive(self, actor: CurrentActor, writing: WriteSession, slug: Slug) -> SetOut:
        """Restore an archived set; repeating this changes nothing."""
        found = await editing.archive(writing, actor, slug, archived=False)
        return SetOut.of(found, await questions.count(writing, found.id))

    @post("/{slug:str}/questions", summary="Add a question (curators)")
    async def ask(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
        slug: Slug,
        data: JSONBody[SkipValidation[NewQuestion]],
    ) -> EditedQuestion:
        """Add a question in the format of a set's file.

        `findings` lists the lint's findings for the question; they do not block it.
        """
        data = await decode_body(request, NewQuestion)
        view = await editing.ask(writing, actor, slug, data.question, data.reason)
        return await edited(writing, aggregator, actor, view)

    @get(
        "/{slug:str}/export",
        media_type="application/toml",
        summary="Export a set (curators)",
        responses=MAY_REFUSE | MAY_CONFLICT,
    )
    async def export(self, actor: CurrentActor, reading: ReadSession, slug: Slug) -> Response[str]:
        """The set as one TOML file that can be loaded again, with drafts."""
        return Response(
            await editing.export(reading, actor, slug),
            media_type="application/toml",
            headers={"Content-Disposition": f'attachment; filename="{slug}.toml"'},
        )
