"""Background tasks: the reader's exports, and every task for administrators."""

from typing import Annotated, Final

from litestar import Controller, get, post
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Redirect, Template

from service.background import heartbeats, tasks
from service.background.schemas.tasks import TaskOut
from service.clock import now
from service.exceptions import Invalid, Problem
from service.exchange.exports import Export, Format, PersonalExport
from service.models import LARGEST_ID
from service.pages.forms import Form, read_form
from service.pages.rendering import confirmed, page
from service.pages.visitors import require_someone
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.downloads import Download

LISTED: Final = 25
FORMATS: Final = {Format.csv: "CSV", Format.excel: "CSV for Excel", Format.parquet: "Parquet"}
CONFIRMATIONS: Final = {
    "asked": "A worker will start within seconds; reload this page to see its progress.",
    "removed": "The file has been removed.",
}
TaskId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
Before = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)]


class Tasks(Controller):
    """Background tasks and their files."""

    path = "/tasks"

    @get()
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        before: Before = None,
        done: FromQuery[str] = "",
    ) -> Template:
        """List tasks, newest first, with the form for an export."""
        return await self._shown(
            request, actor, reading, Form(), before, told=CONFIRMATIONS.get(done)
        )

    @post("/exports", status_code=303)
    async def export(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Redirect | Template:
        """Request an export of the reader's own data."""
        require_someone(actor)
        form = await read_form(request)
        try:
            async with writing.begin_nested():
                what, how = form.text("what"), form.text("format")
                if what not in set(PersonalExport) or how not in set(Format):
                    raise Invalid("choose one of the options", field="what")
                wanted = Export(what=PersonalExport(what), form=Format(how), account_id=actor.id)
                await tasks.ask_for_export(writing, actor, wanted)
        except Problem as problem:
            form.refuse(problem)
            return await self._shown(request, actor, writing, form, status=problem.status)
        return confirmed("/tasks", "asked")

    @post("/scores", status_code=303)
    async def rebuild_scores(self, actor: CurrentActor, writing: WriteSession) -> Redirect:
        """Request a rebuild of the scores."""
        require_someone(actor)
        await tasks.ask_for_scores(writing, actor)
        return confirmed("/tasks", "asked")

    @get("/{task_id:int}/file")
    async def file(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession, task_id: TaskId
    ) -> Download:
        """Download the file of an export."""
        require_someone(actor)
        task = await tasks.finished(reading, actor, task_id)
        return tasks.download(request.app.state.database, task)

    @post("/{task_id:int}/removal", status_code=303)
    async def remove(self, actor: CurrentActor, writing: WriteSession, task_id: TaskId) -> Redirect:
        """Remove the file of an export."""
        require_someone(actor)
        await tasks.remove(writing, actor, task_id)
        return confirmed("/tasks", "removed")

    async def _shown(
        self,
        request: AppRequest,
        actor: CurrentActor,
        session: ReadSession,
        form: Form,
        before: int | None = None,
        *,
        told: str | None = None,
        status: int = 200,
    ) -> Template:
        require_someone(actor)
        rows = await tasks.listing(session, actor, before=before, limit=LISTED + 1)
        patience = heartbeats.patience(request.app.state.settings)
        return page(
            request,
            actor,
            "tasks.html",
            status=status,
            told=told,
            form=form,
            tasks=[TaskOut.of(*row) for row in rows[:LISTED]],
            following=rows[LISTED - 1][0].id if rows[LISTED:] else None,
            alive=await heartbeats.alive(session, patience),
            kinds=list(PersonalExport),
            formats=FORMATS,
            at=now(),
        )
