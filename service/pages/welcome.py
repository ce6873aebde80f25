"""The page after joining: how to get a token for programs, and what to do next."""

from datetime import timedelta
from typing import Final

from litestar import Controller, get, post
from litestar.response import Template

from service.accounts import tokens
from service.clock import now
from service.models import Role, TokenScope
from service.pages.rendering import page
from service.pages.visitors import require_someone
from service.web import security
from service.web.dependencies import AppRequest, CurrentActor, WriteSession

LABEL: Final = "first token"
LIFETIME: Final = timedelta(days=90)


class Welcome(Controller):
    """The welcome page after registration."""

    path = "/welcome"

    @get()
    async def one(self, request: AppRequest, actor: CurrentActor) -> Template:
        """Show what the reader may do, and the button to create a token."""
        require_someone(actor)
        return page(request, actor, "welcome.html", secret=None, site=security.site(request))

    @post("/token", status_code=200)
    async def issue(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Template:
        """Create a token that may read and forecast, and show its secret once."""
        require_someone(actor)
        scope = TokenScope.forecast if actor.may(Role.forecaster) else TokenScope.read
        held = actor.credential.expires_at if actor.credential else None
        ending = min(filter(None, (now() + LIFETIME, held)))
        _, secret = await tokens.create(writing, actor, actor.id, LABEL, scope, ending)
        return page(request, actor, "welcome.html", secret=secret, site=security.site(request))
