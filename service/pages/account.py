"""The reader's own account: API tokens, active sessions and password."""

from datetime import timedelta
from typing import Annotated, Any, Final

from litestar import Controller, get, post
from litestar.params import FromQuery, PathParameter
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import accounts, authentication, sessions, tokens
from service.clock import now
from service.exceptions import Invalid, Problem
from service.models import LARGEST_ID, TokenScope
from service.pages.forms import Form, read_form
from service.pages.rendering import confirmed, page
from service.pages.visitors import require_someone
from service.permissions import Actor
from service.questions.dependencies import AggregatorDep
from service.scoring import forecasters
from service.web import security
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession

LISTED: Final = 100
LIFETIMES: Final = {"30": "30 days", "90": "90 days", "365": "a year", "": "until revoked"}
CONFIRMATIONS: Final = {
    "revoked": "The token has been revoked.",
    "ended": "That browser has been signed out.",
    "shown": "Everyone can now see how the model weighs your forecasts.",
    "kept": "Only you and curators can now see how the model weighs your forecasts.",
    "password": "Your password has been changed, and every other browser has been signed out.",
}
RowId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


class Account(Controller):
    """Credentials and visibility of the reader's own account."""

    path = "/account"

    @get()
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show the reader's record, tokens, sessions and password."""
        require_someone(actor)
        record = await forecasters.get(reading, aggregator, actor, actor.id)
        shown = await _shown(reading, actor) | {"record": record, "told": CONFIRMATIONS.get(done)}
        return page(request, actor, "account.html", form=Form(), secret=None, **shown)

    @post("/tokens", status_code=200)
    async def issue(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        aggregator: AggregatorDep,
    ) -> Template:
        """Create a token and show its secret once."""
        require_someone(actor)
        form = await read_form(request)
        secret, status = None, 200
        try:
            async with writing.begin_nested():
                secret = await issue(writing, actor, actor.id, form)
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
        record = await forecasters.get(writing, aggregator, actor, actor.id)
        shown = await _shown(writing, actor) | {"record": record}
        return page(
            request, actor, "account.html", status=status, form=form, secret=secret, **shown
        )

    @post("/tokens/{token_id:int}/revocation", status_code=303)
    async def revoke(self, actor: CurrentActor, writing: WriteSession, token_id: RowId) -> Redirect:
        """Revoke a token."""
        require_someone(actor)
        await tokens.revoke(writing, actor, actor.id, token_id)
        return confirmed("/account", "revoked")

    @post("/sessions/{session_id:int}/end", status_code=303)
    async def end(self, actor: CurrentActor, writing: WriteSession, session_id: RowId) -> Redirect:
        """Sign a browser out."""
        require_someone(actor)
        await sessions.revoke(writing, actor, session_id)
        return confirmed("/account", "ended")

    @post("/showing", status_code=303)
    async def show(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Redirect:
        """Make the reader's record public, or restrict it to the reader and curators."""
        require_someone(actor)
        shown = bool((await read_form(request)).text("shown"))
        await forecasters.show(writing, actor, actor.id, shown=shown)
        return confirmed("/account", "shown" if shown else "kept")

    @post("/password", status_code=303)
    async def change_password(
        self, request: AppRequest, actor: CurrentActor, aggregator: AggregatorDep
    ) -> Redirect | Template:
        """Change the password, end every session and start a new one for this browser."""
        require_someone(actor)
        form = await read_form(request)
        state = request.app.state
        try:
            await authentication.change_password(
                state.database,
                state.settings,
                actor,
                form.text("current"),
                form.text("new"),
                address=security.address(request, state.settings.client_address_header),
                revoke_tokens=bool(form.text("revoke_tokens")),
            )
        except Problem as problem:
            form.refuse(problem)
            async with state.database.read() as session:
                record = await forecasters.get(session, aggregator, actor, actor.id)
                shown = await _shown(session, actor) | {"record": record}
            return page(
                request,
                actor,
                "account.html",
                status=problem.status,
                form=form,
                secret=None,
                **shown,
            )
        secret = await sessions.begin(
            state.database, actor.id, browser=request.headers.get("user-agent", "")
        )
        cookie = sessions.cookie(secret, secure=security.is_secure(request))
        answer = confirmed("/account", "password")
        answer.cookies.append(cookie)
        return answer


async def issue(writing: AsyncSession, actor: Actor, account_id: int, form: Form) -> str:
    """Create the token described by a form and return its secret."""
    if not form.text("label").strip():
        raise Invalid("enter what the token is for", field="label")
    days = form.text("lifetime")
    if days not in LIFETIMES or form.text("scope") not in set(TokenScope):
        raise Invalid("choose one of the options", field="scope")
    expires_at = now() + timedelta(days=int(days)) if days else None
    scope = TokenScope(form.text("scope"))
    _, secret = await tokens.create(
        writing, actor, account_id, form.text("label"), scope, expires_at
    )
    return secret


async def _shown(session: AsyncSession, actor: Actor) -> dict[str, Any]:
    return {
        "tokens": await tokens.listing(session, actor, actor.id, before=None, limit=LISTED),
        "sessions": await sessions.listing(session, actor, limit=LISTED),
        "bots": await accounts.listing(session, actor, after=0, limit=LISTED, owner_id=actor.id),
        "scopes": list(TokenScope),
        "lifetimes": LIFETIMES,
        "now": now(),
    }
