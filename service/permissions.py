"""The actor of a request, and the permissions given by role and token scope."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from service.exceptions import Forbidden
from service.models import BrowserSession, Role, Token, TokenScope

RANKS: Final = {role: rank for rank, role in enumerate(Role)}


OPENED: Final = dict(zip(TokenScope, Role, strict=True))
"""The highest role available to a token of each scope."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of a request: a token or a browser session.

    `unseen` is true if the last recorded use is old enough for this use to be recorded.
    """

    kind: type[Token | BrowserSession]
    id: int
    expires_at: datetime | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """The account that makes a request, with its role and the scope of its token."""

    id: int
    name: str
    role: Role
    bot: bool
    scope: TokenScope = TokenScope.administer
    credential: Credential | None = field(default=None, compare=False)

    def may(self, role: Role) -> bool:
        """Whether the account's role and the token's scope include the permissions of `role`."""
        return min(RANKS[self.role], RANKS[OPENED[self.scope]]) >= RANKS[role]

    def require(self, role: Role, to: str) -> None:
        """Raise Forbidden unless role and scope both include the permissions of `role`."""
        if RANKS[self.role] < RANKS[role]:
            raise Forbidden(f"a {self.role} may not {to}; this requires the role {role} or higher")
        self.require_scope(next(scope for scope in TokenScope if OPENED[scope] is role), to)

    def require_scope(self, scope: TokenScope, to: str) -> None:
        """Raise Forbidden unless the token's scope is at least this one."""
        if RANKS[OPENED[self.scope]] < RANKS[OPENED[scope]]:
            raise Forbidden(
                f"a token with the scope {self.scope} may not {to}; "
                f"this requires the scope {scope} or higher"
            )

    def require_whole(self, to: str) -> None:
        """Raise Forbidden if the token's scope is narrower than the account's role."""
        self.require_scope(next(scope for scope in TokenScope if OPENED[scope] is self.role), to)
