"""Who asks, and what their role and the scope of their token allow."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from service.exceptions import Forbidden
from service.models import BrowserSession, Role, Token, TokenScope

RANKS: Final = {role: rank for rank, role in enumerate(Role)}


OPENED: Final = dict(zip(TokenScope, Role, strict=True))
"""The highest role that a token of each scope can act in."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What opened an account: a token, or a browser's session.

    `unseen` is whether its last recorded use is so old that this one should be recorded.
    """

    kind: type[Token | BrowserSession]
    id: int
    expires_at: datetime | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: an account, and what a token's scope leaves of its role."""

    id: int
    name: str
    role: Role
    bot: bool
    scope: TokenScope = TokenScope.administer
    credential: Credential | None = field(default=None, compare=False)

    def may(self, role: Role) -> bool:
        """Whether the account's role and the token's scope both allow what `role` allows."""
        return min(RANKS[self.role], RANKS[OPENED[self.scope]]) >= RANKS[role]

    def require(self, role: Role, to: str) -> None:
        """Raise Forbidden unless role and scope both allow what `role` allows."""
        if RANKS[self.role] < RANKS[role]:
            raise Forbidden(f"a {self.role} may not {to}; it takes the role {role} or a higher one")
        self.require_scope(next(scope for scope in TokenScope if OPENED[scope] is role), to)

    def require_scope(self, scope: TokenScope, to: str) -> None:
        """Raise Forbidden unless the token's scope is at least this one."""
        if RANKS[OPENED[self.scope]] < RANKS[OPENED[scope]]:
            raise Forbidden(
                f"a token with the scope {self.scope} may not {to}; it takes {scope} or higher"
            )

    def require_whole(self, to: str) -> None:
        """Raise Forbidden if a token's scope keeps some of the account's own powers shut."""
        self.require_scope(next(scope for scope in TokenScope if OPENED[scope] is self.role), to)
