"""The actor behind a page request: a signed-in account or a read-only visitor."""

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
"""A reader without an account. No row has the id 0, so a visitor owns nothing."""


def require_someone(actor: Actor) -> None:
    """Raise Unauthenticated for a visitor, which leads to the sign-in form."""
    if not actor.id:
        raise Unauthenticated("sign in first")


async def signed_in(request: AppRequest) -> Actor:
    """Return the account signed in with this browser; raises Unauthenticated without one."""
    secret = sessions.presented(request.cookies, secure=security.is_secure(request))
    if not secret:
        raise Unauthenticated("sign in first")
    async with request.app.state.database.read() as session:
        return await sessions.authenticate(session, secret)


async def anybody(request: AppRequest) -> Actor:
    """Return the signed-in account, or a visitor, also if the database is unavailable."""
    try:
        return await signed_in(request)
    except Unauthenticated:
        return VISITOR
    except (SQLAlchemyError, OSError) as error:
        log.warning("showing an error page without the reader's name: %s", error)
        return VISITOR
