"""Account administration: accounts, roles and invitations.

The owner of a bot may also open its account, but sees only its tokens.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from litestar import Controller, get, post
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import accounts, invitations, tokens
from service.clock import now
from service.exceptions import Invalid, NotFound, Problem
from service.models import LARGEST_ID, Account, Invitation, Role, TokenScope
from service.pages.account import LIFETIMES, issue
from service.pages.forms import Form, read_form
from service.pages.rendering import confirmed, page
from service.permissions import Actor
from service.web import security
from service.web.dependencies import (
    WITHOUT_NUL,
    AppRequest,
    CurrentActor,
    ReadSession,
    WriteSession,
)

LISTED: Final = 30
INVITATIONS: Final = 10
CONFIRMATIONS: Final = {
    "created": "Account created. It has no credentials yet: invite its owner or create a token.",
    "role": "The role has been changed.",
    "deactivated": "Account deactivated: its sessions and tokens have ended. Its forecasts remain.",
    "reactivated": "Account reactivated. Its earlier sessions and tokens stay revoked.",
    "revoked": "The token has been revoked.",
    "withdrawn": "The invitation has been withdrawn.",
}
AccountId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
RowId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


class Accounts(Controller):
    """Administration of accounts and invitations."""

    path = "/accounts"

    @get()
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        name: Annotated[str, QueryParameter(max_length=100, pattern=WITHOUT_NUL)] = "",
        imported: FromQuery[bool] = False,
        after: Annotated[int, QueryParameter(ge=0, le=LARGEST_ID)] = 0,
        done: FromQuery[str] = "",
    ) -> Template:
        """List accounts and invitations, with search and the forms to add more."""
        actor.require(Role.administrator, "list accounts")
        shown = await _listed(reading, actor, name.strip(), after, imported=imported)
        return page(
            request,
            actor,
            "accounts.html",
            form=Form(),
            link=None,
            told=CONFIRMATIONS.get(done),
            **shown,
        )

    @post(status_code=303)
    async def create(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Redirect | Template:
        """Create an account without credentials."""
        actor.require(Role.administrator, "create an account")
        form = await read_form(request)
        try:
            async with writing.begin_nested():
                made = await accounts.add(
                    writing,
                    actor,
                    form.text("name").strip(),
                    _role(form),
                    bot=bool(form.text("bot")),
                    owner_id=await _owner(writing, form.text("owner").strip()),
                )
        except Problem as problem:
            form.refuse(problem)
            shown = await _listed(writing, actor)
            return page(
                request,
                actor,
                "accounts.html",
                status=problem.status,
                form=form,
                link=None,
                **shown,
            )
        return confirmed(f"/accounts/{made.id}", "created")

    @post("/invitations", status_code=200)
    async def invite(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Template:
        """Create an invitation to register with a role and show its link once."""
        actor.require(Role.administrator, "invite")
        form = await read_form(request)
        link, status = None, 200
        try:
            async with writing.begin_nested():
                _, secret = await invitations.invite(
                    writing, actor, _role(form), uses=_whole(form, "uses"), expires_at=None
                )
            link = invitations.link(security.site(request), secret)
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
        shown = await _listed(writing, actor)
        return page(request, actor, "accounts.html", status=status, form=form, link=link, **shown)

    @post("/invitations/{invitation_id:int}/revocation", status_code=303)
    async def withdraw(
        self, actor: CurrentActor, writing: WriteSession, invitation_id: RowId
    ) -> Redirect:
        """Withdraw an invitation."""
        await invitations.revoke(writing, actor, invitation_id)
        return confirmed("/accounts", "withdrawn")

    @get("/{account_id:int}")
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        account_id: AccountId,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show an account with the actions available on it."""
        return await _one(request, actor, reading, account_id, Form(), told=CONFIRMATIONS.get(done))

    @post("/{account_id:int}/tokens", status_code=200)
    async def issue(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession, account_id: AccountId
    ) -> Template:
        """Create a token for a bot and show its secret once."""
        form = await read_form(request)
        secret, status = None, 200
        try:
            async with writing.begin_nested():
                secret = await issue(writing, actor, account_id, form)
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
        return await _one(request, actor, writing, account_id, form, status=status, secret=secret)

    @post("/{account_id:int}/tokens/{token_id:int}/revocation", status_code=303)
    async def revoke(
        self, actor: CurrentActor, writing: WriteSession, account_id: AccountId, token_id: RowId
    ) -> Redirect:
        """Revoke a token of an account."""
        await tokens.revoke(writing, actor, account_id, token_id)
        return confirmed(f"/accounts/{account_id}", "revoked")

    @post("/{account_id:int}/invitation", status_code=200)
    async def invite_back(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession, account_id: AccountId
    ) -> Template:
        """Create a single-use link to set the account's password and show it once."""
        form, link, status = await read_form(request), None, 200
        form.given["act"] = "invitation"
        try:
            async with writing.begin_nested():
                _, secret = await invitations.invite_back(writing, actor, account_id)
            link = invitations.link(security.site(request), secret)
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
        return await _one(request, actor, writing, account_id, form, status=status, link=link)

    @post("/{account_id:int}/{act:str}", status_code=303)
    async def act(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        account_id: AccountId,
        act: Annotated[str, PathParameter(max_length=100, pattern=WITHOUT_NUL)],
    ) -> Redirect | Template:
        """Change the role, deactivate or reactivate the account, or explain why not."""
        if act not in ACTS:
            raise NotFound(f"unknown account action {act!r}")
        form = await read_form(request)
        form.given["act"] = act
        try:
            async with writing.begin_nested():
                await ACTS[act](writing, actor, account_id, form)
        except Problem as problem:
            form.refuse(problem)
            return await _one(request, actor, writing, account_id, form, status=problem.status)
        return confirmed(f"/accounts/{account_id}", act)


Doing = Callable[[AsyncSession, Actor, int, Form], Awaitable[Account]]


async def _change_role(session: AsyncSession, actor: Actor, account_id: int, form: Form) -> Account:
    return await accounts.change_role(session, actor, account_id, _role(form))


async def _deactivate(session: AsyncSession, actor: Actor, account_id: int, _: Form) -> Account:
    return await accounts.deactivate(session, actor, account_id)


async def _reactivate(session: AsyncSession, actor: Actor, account_id: int, _: Form) -> Account:
    return await accounts.reactivate(session, actor, account_id)


ACTS: Final[dict[str, Doing]] = {
    "role": _change_role,
    "deactivated": _deactivate,
    "reactivated": _reactivate,
}


async def _listed(
    session: AsyncSession, actor: Actor, name: str = "", after: int = 0, *, imported: bool = False
) -> dict[str, Any]:
    rows = await accounts.listing(
        session, actor, after=after, limit=LISTED + 1, name=name, imported=imported
    )
    invited: list[Invitation] = list(
        await invitations.listing(session, actor, before=None, limit=INVITATIONS)
    )
    return {
        "accounts": rows[:LISTED],
        "following": rows[LISTED - 1].id if rows[LISTED:] else None,
        "name": name,
        "imported": imported,
        "imported_count": await accounts.count_imported(session, name),
        "roles": list(Role),
        "invitations": invited,
        "now": now(),
    }


async def _one(
    request: AppRequest,
    actor: Actor,
    session: AsyncSession,
    account_id: int,
    form: Form,
    *,
    status: int = 200,
    told: str | None = None,
    secret: str | None = None,
    link: str | None = None,
) -> Template:
    held = await tokens.listing(session, actor, account_id, before=None, limit=LISTED)
    account = await accounts.get(session, account_id)
    owner = await accounts.get(session, account.owner_id) if account.owner_id else None
    governs = actor.may(Role.administrator)
    owned = (
        await accounts.listing(session, actor, after=0, limit=LISTED, owner_id=account.id)
        if governs
        else []
    )
    return page(
        request,
        actor,
        "person.html",
        status=status,
        person=account,
        owner=owner,
        owned=owned,
        governs=governs,
        tokens=held,
        roles=list(Role),
        scopes=list(TokenScope),
        lifetimes=LIFETIMES,
        form=form,
        told=told,
        secret=secret,
        link=link,
        now=now(),
    )


def _role(form: Form) -> Role:
    if form.text("role") not in set(Role):
        raise Invalid("choose one of the options", field="role")
    return Role(form.text("role"))


async def _owner(session: AsyncSession, name: str) -> int | None:
    if not name:
        return None
    try:
        return (await accounts.named(session, name)).id
    except NotFound as missing:
        raise Invalid(missing.detail, field="owner") from None


def _whole(form: Form, name: str) -> int:
    text = form.text(name).strip()
    if not (text.isascii() and text.isdecimal()):
        raise Invalid("enter a whole number", field=name)
    return min(int(text), LARGEST_ID)
