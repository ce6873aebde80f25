"""Who looks at a page: someone who signed in, or a visitor who may only read."""

import logging
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from service.accounts import sessions
from service.exceptions import Unauthenticated
from service.models import Role
from service.permissions import Actor
from service.web import security
from service.web.dependencies import AppRequest

log = logging.getLogger(__name__)

VISITOR: Final = Actor(0, "visitor", Role.viewer, bot=False)
"""Someone without an account. No row has the id 0, so nothing is theirs."""


def require_someone(actor: Actor) -> None:
    """Send a visitor to sign in."""
    if not actor.id:
        raise Unauthenticated("sign in first")


async def signed_in(request: AppRequest) -> Actor:
    """Who has signed in with this browser; raises Unauthenticated if nobody has."""
    secret = sessions.presented(request.cookies, secure=security.is_secure(request))
    if not secret:
        raise Unauthenticated("sign in first")
    async with request.app.state.database.read() as session:
        return await sessions.authenticate(session, secret)


async def anybody(request: AppRequest) -> Actor:
    """Who has signed in with this browser, else a visitor; also while no database answers."""
    try:
        return await signed_in(request)
    except Unauthenticated:
        return VISITOR
    except (SQLAlchemyError, OSError) as error:
        log.warning("an error page is shown without its reader's name: %s", error)
        return VISITOR
