"""What handlers are given, of the API and of the pages: who asks, a session, what submits."""

from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import SerializationException
from litestar.params import SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import Actor
from service.aggregates import Aggregator
from service.submissions import Submissions

Who = NamedDependency[SkipValidation[Actor]]
Reading = NamedDependency[SkipValidation[AsyncSession]]
Writing = NamedDependency[SkipValidation[AsyncSession]]
Pooling = NamedDependency[SkipValidation[Aggregator]]
Submitting = NamedDependency[SkipValidation[Submissions]]
AppRequest = Request[Any, Any, State]


class AnyBody(AppRequest):
    """A request whose body is refused in words however it is broken."""

    async def json(self) -> Any:
        """What the body says; SerializationException also for what the decoder has no word for."""
        try:
            return await super().json()
        except UnicodeDecodeError as error:
            raise SerializationException("it is not UTF-8") from error
        except RecursionError as error:
            raise SerializationException("it is nested too deeply") from error


WITHOUT_NUL: Final = r"^[^\x00]*$"
"""What a text in an address must be like: PostgreSQL has no place for NUL."""
