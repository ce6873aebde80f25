"""Draft review: generate candidate questions from a document, lint, edit and load them."""

from litestar import Controller, get, post
from litestar.datastructures import UploadFile
from litestar.response import Redirect, Template

from service.curation import drafting
from service.exceptions import Problem
from service.models import Role
from service.pages.forms import ByField, Form, read_form
from service.pages.rendering import confirmed, page
from service.questions import questions
from service.web.dependencies import AppRequest, CurrentActor


class Drafting(Controller):
    """The draft review workflow."""

    path = "/curate/draft"

    @get()
    async def ask(self, request: AppRequest, actor: CurrentActor) -> Template:
        """Show the form for a document."""
        actor.require(Role.curator, "draft a set")
        return page(request, actor, "draft.html", form=Form(), examined=None)

    @post(status_code=200)
    async def propose(self, request: AppRequest, actor: CurrentActor) -> Template:
        """Generate candidate questions from the document for editing."""
        actor.require(Role.curator, "draft a set")
        form = await read_form(request)
        sent = (await request.form()).get("file")
        name, content = "document.md", form.text("document").encode()
        if isinstance(sent, UploadFile) and sent.filename:
            name, content = sent.filename, await sent.read()
        try:
            toml = await drafting.propose(
                request.app.state.turns, actor, content, name, form.text("slug")
            )
        except Problem as problem:
            form.refuse(problem)
            return page(
                request, actor, "draft.html", status=problem.status, form=form, examined=None
            )
        return await self._edited(request, actor, Form(ByField(toml=toml)))

    @post("/check", status_code=200)
    async def check(self, request: AppRequest, actor: CurrentActor) -> Template:
        """Lint the candidates as edited."""
        actor.require(Role.curator, "draft a set")
        form = await read_form(request)
        if request.headers.get("accept", "").startswith("text/x-findings"):
            examined = await drafting.validate(request.app.state.turns, actor, form.text("toml"))
            return page(request, actor, "examined.html", examined=examined)
        return await self._edited(request, actor, form)

    @post("/load", status_code=303)
    async def load(self, request: AppRequest, actor: CurrentActor) -> Redirect | Template:
        """Load the reviewed set into the database."""
        actor.require(Role.curator, "draft a set")
        form = await read_form(request)
        state = request.app.state
        try:
            # Validated before the transaction starts, so that other writers do not wait.
            written = await drafting.require_ready(state.turns, actor, form.text("toml"))
            async with state.database.write() as session:
                loaded = await questions.load(session, written, by=actor)
        except Problem as problem:
            form.refuse(problem)
            return await self._edited(request, actor, form, problem.status)
        return confirmed(f"/sets/{loaded.slug}", "loaded")

    async def _edited(
        self, request: AppRequest, actor: CurrentActor, form: Form, status: int = 200
    ) -> Template:
        examined = await drafting.validate(request.app.state.turns, actor, form.text("toml"))
        return page(request, actor, "draft.html", status=status, form=form, examined=examined)
