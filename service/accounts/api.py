"""API of accounts: registration, own tokens and sessions, and administration."""

from typing import Annotated

from litestar import Controller, Router, delete, get, patch, post
from litestar.params import JSONBody, PathParameter, SkipValidation

from service.accounts import accounts, authentication, invitations, sessions, tokens
from service.accounts.schemas import (
    AccountChange,
    AccountOut,
    EndedSession,
    InvitationOut,
    IssuedInvitation,
    IssuedToken,
    NewAccount,
    NewInvitation,
    NewToken,
    NewTokenByPassword,
    PasswordChange,
    Registration,
    Renewal,
    SessionOut,
    TokenOut,
)
from service.exceptions import Invalid
from service.models import LARGEST_ID
from service.web import security
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.openapi import MAY_REFUSE
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Imported,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
    utc,
)
from service.web.schemas import Page, PeoplePage

AccountId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the account's id")]
TokenId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the token's id")]
SessionId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the session's id")]
InvitationId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the invitation's id")]


def _address(request: AppRequest) -> str:
    return security.address(request, request.app.state.settings.client_address_header)


@post("/registrations", tags=["Accounts"], summary="Register")
async def register(request: AppRequest, data: JSONBody[SkipValidation[Registration]]) -> AccountOut:
    """Register an account, by invitation or, if registration is open, without one."""
    data = await decode_body(request, Registration)
    state = request.app.state
    actor = await authentication.register(
        state.database,
        state.settings,
        data.name,
        data.password,
        address=_address(request),
        invitation=data.invitation,
    )
    async with state.database.read() as session:
        return AccountOut.of(await accounts.get(session, actor.id))


@post("/renewals", tags=["Accounts"], summary="Set a password by invitation")
async def renew(request: AppRequest, data: JSONBody[SkipValidation[Renewal]]) -> AccountOut:
    """Set the password of the invited account and end its sessions."""
    data = await decode_body(request, Renewal)
    state = request.app.state
    actor = await authentication.renew_password(
        state.database,
        state.settings,
        data.invitation,
        data.password,
        address=_address(request),
        name=data.name or "",
        revoke_tokens=data.revoke_tokens,
    )
    async with state.database.read() as session:
        return AccountOut.of(await accounts.get(session, actor.id))


@post("/tokens", tags=["Accounts"], summary="Get a token for a password")
async def exchange(
    request: AppRequest, data: JSONBody[SkipValidation[NewTokenByPassword]]
) -> IssuedToken:
    """Issue a token in exchange for an account's name and password."""
    data = await decode_body(request, NewTokenByPassword)
    state = request.app.state
    actor = await authentication.identify(
        state.database, state.settings, data.name, data.password, address=_address(request)
    )
    async with state.database.write() as session:
        token, secret = await tokens.create(
            session, actor, actor.id, data.label, data.scope, utc(data.expires_at)
        )
    return IssuedToken(TokenOut.of(token), secret)


class Mine(Controller):
    """The caller's own account."""

    path = "/account"
    tags = ("Accounts",)

    @get(summary="Get my account")
    async def me(self, actor: CurrentActor, reading: ReadSession) -> AccountOut:
        """Return the account of the token."""
        return AccountOut.of(await accounts.get(reading, actor.id))

    @post("/password", status_code=200, summary="Change my password")
    async def change_password(
        self,
        request: AppRequest,
        actor: CurrentActor,
        data: JSONBody[SkipValidation[PasswordChange]],
    ) -> AccountOut:
        """Change the password, given the current one, and end every session."""
        data = await decode_body(request, PasswordChange)
        state = request.app.state
        await authentication.change_password(
            state.database,
            state.settings,
            actor,
            data.current,
            data.new,
            address=_address(request),
            revoke_tokens=data.revoke_tokens,
        )
        async with state.database.read() as session:
            return AccountOut.of(await accounts.get(session, actor.id))

    @get("/bots", summary="List my bots")
    async def bots(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[AccountOut]:
        """List the caller's bots; their tokens are at /accounts/{id}/tokens."""
        rows = await accounts.listing(
            reading, actor, owner_id=actor.id, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, AccountOut.of, lambda row: row.id)

    @get("/tokens", summary="List my tokens")
    async def tokens(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[TokenOut]:
        """List the caller's tokens, newest first, with their last use."""
        rows = await tokens.listing(
            reading, actor, actor.id, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, TokenOut.of, lambda row: row.id)

    @post("/tokens", summary="Create a token of mine")
    async def create_token(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[NewToken]],
    ) -> IssuedToken:
        """Issue a token whose scope and lifetime do not exceed those of the requesting token."""
        data = await decode_body(request, NewToken)
        token, secret = await tokens.create(
            writing, actor, actor.id, data.label, data.scope, utc(data.expires_at)
        )
        return IssuedToken(TokenOut.of(token), secret)

    @delete("/tokens/{token_id:int}", status_code=200, summary="Revoke a token of mine")
    async def revoke_token(
        self, actor: CurrentActor, writing: WriteSession, token_id: TokenId
    ) -> TokenOut:
        """Revoke a token; idempotent."""
        return TokenOut.of(await tokens.revoke(writing, actor, actor.id, token_id))

    @get("/sessions", summary="List my sessions")
    async def sessions(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[SessionOut]:
        """List the caller's active browser sessions, newest first."""
        rows = await sessions.listing(
            reading, actor, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, SessionOut.of, lambda row: row.id)

    @delete("/sessions/{session_id:int}", status_code=200, summary="End a session of mine")
    async def end_session(
        self, actor: CurrentActor, writing: WriteSession, session_id: SessionId
    ) -> EndedSession:
        """End a browser session."""
        await sessions.revoke(writing, actor, session_id)
        return EndedSession(session_id)


class Accounts(Controller):
    """Accounts, for administrators; tokens of bots, also for their owners."""

    path = "/accounts"
    tags = ("Accounts",)

    @get(summary="List accounts (administrators)", responses=MAY_REFUSE)
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        imported: Imported = False,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> PeoplePage[AccountOut]:
        """List every account in order of id."""
        rows = await accounts.listing(
            reading, actor, after=decode_id_cursor(cursor) or 0, limit=limit + 1, imported=imported
        )
        found = paginate(rows, limit, AccountOut.of, lambda row: row.id)
        left_out = 0 if imported else await accounts.count_imported(reading)
        return PeoplePage(found.items, found.next, left_out)

    @post(summary="Create an account (administrators)")
    async def create(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[NewAccount]],
    ) -> AccountOut:
        """Create an account without credentials; then invite its owner or issue a bot's token."""
        data = await decode_body(request, NewAccount)
        made = await accounts.add(
            writing, actor, data.name, data.role, bot=data.bot, owner_id=data.owner_id
        )
        return AccountOut.of(await accounts.get(writing, made.id))

    @patch("/{account_id:int}", summary="Change a role (administrators)")
    async def change_role(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        account_id: AccountId,
        data: JSONBody[SkipValidation[AccountChange]],
    ) -> AccountOut:
        """Change an account's role; its bots never keep a higher one."""
        data = await decode_body(request, AccountChange)
        return AccountOut.of(await accounts.change_role(writing, actor, account_id, data.role))

    @post("/{account_id:int}/deactivation", status_code=200, summary="Deactivate (administrators)")
    async def deactivate(
        self, actor: CurrentActor, writing: WriteSession, account_id: AccountId
    ) -> AccountOut:
        """End an account's sessions and tokens and its bots' tokens; its forecasts remain."""
        return AccountOut.of(await accounts.deactivate(writing, actor, account_id))

    @delete(
        "/{account_id:int}/deactivation", status_code=200, summary="Reactivate (administrators)"
    )
    async def reactivate(
        self, actor: CurrentActor, writing: WriteSession, account_id: AccountId
    ) -> AccountOut:
        """Reactivate an account; its earlier sessions and tokens stay revoked."""
        return AccountOut.of(await accounts.reactivate(writing, actor, account_id))

    @get(
        "/{account_id:int}/tokens",
        summary="List an account's tokens (owner, administrators)",
        responses=MAY_REFUSE,
    )
    async def tokens(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        account_id: AccountId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[TokenOut]:
        """List the tokens of the caller's bot or, for administrators, of any account."""
        rows = await tokens.listing(
            reading, actor, account_id, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, TokenOut.of, lambda row: row.id)

    @post("/{account_id:int}/tokens", summary="Create a bot's token (owner, administrators)")
    async def create_token(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        account_id: AccountId,
        data: JSONBody[SkipValidation[NewToken]],
    ) -> IssuedToken:
        """Issue a token for a bot; only people themselves issue their own tokens."""
        data = await decode_body(request, NewToken)
        token, secret = await tokens.create(
            writing, actor, account_id, data.label, data.scope, utc(data.expires_at)
        )
        return IssuedToken(TokenOut.of(token), secret)

    @delete(
        "/{account_id:int}/tokens/{token_id:int}",
        status_code=200,
        summary="Revoke an account's token (owner, administrators)",
    )
    async def revoke_token(
        self, actor: CurrentActor, writing: WriteSession, account_id: AccountId, token_id: TokenId
    ) -> TokenOut:
        """Revoke a token; idempotent."""
        return TokenOut.of(await tokens.revoke(writing, actor, account_id, token_id))


class Invitations(Controller):
    """Invitations, for administrators."""

    path = "/invitations"
    tags = ("Accounts",)

    @get(summary="List invitations (administrators)", responses=MAY_REFUSE)
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[InvitationOut]:
        """List invitations, newest first, without their secrets."""
        rows = await invitations.listing(
            reading, actor, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, InvitationOut.of, lambda row: row.id)

    @post(summary="Invite (administrators)")
    async def invite(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[NewInvitation]],
    ) -> IssuedInvitation:
        """Invite people to register with a role, or an account's owner to set its password."""
        data = await decode_body(request, NewInvitation)
        ending = utc(data.expires_at)
        if data.account_id is not None and data.role is None and data.uses == 1:
            made, secret = await invitations.invite_back(
                writing, actor, data.account_id, expires_at=ending
            )
        elif data.role is not None and data.account_id is None:
            made, secret = await invitations.invite(
                writing, actor, data.role, uses=data.uses, expires_at=ending
            )
        else:
            raise Invalid("give role (and uses), or account_id alone", field="role")
        return IssuedInvitation(
            InvitationOut.of(made), secret, invitations.link(security.site(request), secret)
        )

    @delete(
        "/{invitation_id:int}", status_code=200, summary="Revoke an invitation (administrators)"
    )
    async def revoke(
        self, actor: CurrentActor, writing: WriteSession, invitation_id: InvitationId
    ) -> InvitationOut:
        """Revoke an invitation; idempotent."""
        return InvitationOut.of(await invitations.revoke(writing, actor, invitation_id))


doors = Router(path="/api/v1", route_handlers=[register, renew, exchange])
"""Handlers that need no token."""


router = Router(path="/", route_handlers=[Mine, Accounts, Invitations])
