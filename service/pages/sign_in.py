"""Sign-in by password, invitation or API token, sign-out and registration."""

from functools import partial
from typing import Annotated, Final

from litestar import Controller, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from service.accounts import authentication, invitations, sessions, tokens
from service.accounts.invitations import Invited
from service.exceptions import Invalid, Problem
from service.pages.forms import CARRIED, TARGET, ByField, Form, carried_on, read_form
from service.pages.rendering import page
from service.pages.visitors import VISITOR
from service.web import security
from service.web.dependencies import WITHOUT_NUL, AppRequest

GONE: Final = 410
LABELS: Final = {
    "probability": "Probability of yes, in per cent",
    "rationale": "Why",
    "text": "Comment",
    "reason": "Why (forecasters read it)",
    "toml": "The set, in TOML",
    "url": "Address",
    "stands": "",
    "key": "",
    "based_on": "",
    "parent_id": "",
}
"""Labels of resumed fields; fields without a label are hidden."""

Next = Annotated[str, QueryParameter(name="next", max_length=2000, pattern=WITHOUT_NUL)]
Code = Annotated[str, QueryParameter(max_length=2000, pattern=WITHOUT_NUL)]


class SignIn(Controller):
    """Pages for visitors without a session."""

    @get("/sign-in")
    async def ask(self, request: AppRequest, following: Next = "/") -> Template:
        """Show the sign-in form for a password, an invitation or a token."""
        form = Form(ByField(next=_local(following)))
        return _asking(request, form)

    @post("/sign-in", status_code=303)
    async def sign_in(self, request: AppRequest) -> Redirect | Template:
        """Start a session and return to the requested page, or accept an invitation."""
        form = await read_form(request)
        if invitation := invitations.CODE.search(form.text("password")):
            form.given["invitation"] = invitation[0]
            return await _joining(request, form)
        try:
            secret = await _signed_in(request, form)
        except Problem as problem:
            form.refuse(problem)
            return _asking(request, form, problem.status)
        if form.text(TARGET):
            return await _resumed(request, secret, form)
        return _entered(request, secret, _local(form.text("next")))

    @post("/sign-out", status_code=303)
    async def sign_out(self, request: AppRequest) -> Redirect:
        """End the session."""
        if held := _presented(request):
            async with request.app.state.database.write() as session:
                await sessions.sign_out(session, held)
        return _entered(request, None, "/sign-in")

    @get("/join")
    async def join(self, request: AppRequest, invitation: Code = "") -> Template:
        """Show the registration form, without using up the invitation."""
        return await _joining(request, Form(ByField(invitation=invitation.strip())))

    @post("/join", status_code=303)
    async def register(self, request: AppRequest) -> Redirect | Template:
        """Create an account, or set the password of the invited one."""
        form = await read_form(request)
        state = request.app.state
        invitation = form.text("invitation").strip()
        try:
            actor = await authentication.join(
                state.database,
                state.settings,
                invitation,
                form.text("name"),
                form.text("password"),
                address=security.address(request, state.settings.client_address_header),
            )
        except Problem as problem:
            form.refuse(problem)
            return await _joining(request, form, problem.status)
        secret = await sessions.begin(
            state.database,
            actor.id,
            browser=request.headers.get("user-agent", ""),
            instead_of=_presented(request),
        )
        return _entered(request, secret, "/welcome")


async def _signed_in(request: AppRequest, form: Form) -> str:
    """Start a session from a name and password or an API token and return its secret."""
    state = request.app.state
    name, given = form.text("name"), form.text("password")
    token = tokens.SECRET.search(given)
    cut_off = given.strip().startswith((tokens.PREFIX, invitations.PREFIX))
    if not token and not name:
        if cut_off:
            raise Invalid("the code is incomplete; copy all of it", field="password")
        raise Invalid("enter the name of your account with the password", field="name")
    begin = (
        partial(sessions.sign_in_by_token, token=token[0])
        if token
        else partial(sessions.sign_in, name=name, password=given)
    )
    return await begin(
        state.database,
        state.settings,
        address=security.address(request, state.settings.client_address_header),
        browser=request.headers.get("user-agent", ""),
        instead_of=_presented(request),
    )


def _asking(request: AppRequest, form: Form, status: int = 200) -> Template:
    registration = request.app.state.settings.registration
    return page(
        request,
        VISITOR,
        "sign_in.html",
        status=status,
        form=form,
        registration=registration,
        carried=carried_on(form),
    )


async def _joining(request: AppRequest, form: Form, status: int = 200) -> Template:
    """Show what an invitation permits, or that it is no longer valid."""
    state = request.app.state
    invited: Invited | None = None
    ended = False
    if form.text("invitation"):
        async with state.database.read() as session:
            try:
                invited = await invitations.look_up(session, form.text("invitation"))
            except Invalid:
                ended = True
    if invited and invited.account and "name" not in form.given:
        form.given["name"] = invited.account.name
    return page(
        request,
        VISITOR,
        "join.html",
        status=GONE if ended else status,
        form=form,
        invited=invited,
        ended=ended,
        registration=state.settings.registration,
    )


async def _resumed(request: AppRequest, secret: str, form: Form) -> Template:
    """Show the form that was submitted before sign-in, for review and resubmission."""
    async with request.app.state.database.read() as session:
        actor = await sessions.authenticate(session, secret)
    typed = {name.removeprefix(CARRIED): text for name, text in carried_on(form).items()}
    target = _local(typed.pop(TARGET))
    named = [*LABELS, *typed]
    answer = page(
        request,
        actor,
        "resume.html",
        target=target,
        typed={name: typed[name] for name in sorted(typed, key=named.index)},
        back=_local(form.text("next")),
        labels=LABELS,
    )
    answer.cookies.append(sessions.cookie(secret, secure=security.is_secure(request)))
    return answer


def _presented(request: AppRequest) -> str | None:
    return sessions.presented(request.cookies, secure=security.is_secure(request))


def _entered(request: AppRequest, secret: str | None, path: str) -> Redirect:
    """Redirect, with the session cookie if there is one."""
    cookie = sessions.cookie(secret, secure=security.is_secure(request))
    return Redirect(path, status_code=303, cookies=[cookie])


def _local(path: str) -> str:
    """Return a path on this site, or the home page for anything else (no open redirects)."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
