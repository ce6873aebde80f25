"""Who looks at a page: someone who signed in, or a visitor who may only read."""

from typing import Final

from service.accounts import Actor
from service.errors import Unauthenticated
from service.models import Role

VISITOR: Final = Actor(0, "visitor", Role.viewer, bot=False)
"""Someone without an account. No row has the id 0, so nothing is theirs."""


def require_someone(actor: Actor) -> None:
    """Send a visitor to sign in."""
    if not actor.id:
        raise Unauthenticated("sign in first")
