"""Signing in and out, and joining by an invitation."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from service import identity, origin, sessions
from service.accounts import Actor
from service.dependencies import WITHOUT_NUL, AppRequest
from service.errors import Problem
from service.pages.forms import ByField, Form, read_form
from service.pages.rendering import page
from service.pages.visitors import VISITOR

Next = Annotated[str, QueryParameter(name="next", max_length=2000, pattern=WITHOUT_NUL)]


class SignIn(Controller):
    """What someone may ask for who has not signed in."""

    @get("/sign-in")
    async def ask(self, request: AppRequest, following: Next = "/") -> Template:
        """The form for name and password."""
        form = Form(ByField(next=_local(following)))
        return page(request, VISITOR, "sign_in.html", form=form)

    @post("/sign-in", status_code=303)
    async def sign_in(self, request: AppRequest) -> Redirect | Template:
        """Begin a session, and go where one was about to go."""
        form = await read_form(request)
        state = request.app.state
        try:
            secret = await sessions.sign_in(
                state.database,
                state.settings,
                form.text("name"),
                form.text("password"),
                address=origin.address(request, state.settings.client_address_header),
                browser=request.headers.get("user-agent", ""),
                instead_of=_presented(request),
            )
        except Problem as problem:
            form.refuse(problem)
            return page(request, VISITOR, "sign_in.html", status=problem.status, form=form)
        return _entered(request, secret, _local(form.text("next")))

    @post("/sign-out", status_code=303)
    async def sign_out(self, request: AppRequest) -> Redirect:
        """End the session."""
        if held := _presented(request):
            async with request.app.state.database.write() as session:
                await sessions.sign_out(session, held)
        return _entered(request, None, "/sign-in")

    @get("/join")
    async def join(self, request: AppRequest) -> Template:
        """The form for those who have an invitation, or may come without one."""
        return _joining(request, Form())

    @post("/join", status_code=303)
    async def register(self, request: AppRequest) -> Redirect | Template:
        """Make an account, or set the password of the one that the invitation is for."""
        form = await read_form(request)
        try:
            actor = await _joined(request, form)
        except Problem as problem:
            form.refuse(problem)
            return _joining(request, form, problem.status)
        secret = await sessions.begin(
            request.app.state.database,
            actor.id,
            browser=request.headers.get("user-agent", ""),
            instead_of=_presented(request),
        )
        return _entered(request, secret, "/")


async def _joined(request: AppRequest, form: Form) -> Actor:
    state = request.app.state
    address = origin.address(request, state.settings.client_address_header)
    invitation, password = form.text("invitation").strip(), form.text("password")
    if invitation and not form.text("name"):
        return await identity.renew_password(
            state.database, state.settings, invitation, password, address=address
        )
    return await identity.register(
        state.database,
        state.settings,
        form.text("name"),
        password,
        address=address,
        invitation=invitation or None,
    )


def _joining(request: AppRequest, form: Form, status: int = 200) -> Template:
    registration = request.app.state.settings.registration
    return page(request, VISITOR, "join.html", status=status, form=form, registration=registration)


def _presented(request: AppRequest) -> str | None:
    return sessions.presented(request.cookies, secure=origin.is_secure(request))


def _entered(request: AppRequest, secret: str | None, path: str) -> Redirect:
    """Go on, with the session's cookie or without one."""
    cookie = sessions.cookie(secret, secure=origin.is_secure(request))
    return Redirect(path, status_code=303, cookies=[cookie])


def _local(path: str) -> str:
    """A path of this site; the home page for anything else, lest a link lead elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
