"""Dependencies of API and page handlers: the actor, sessions and strict requests."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import SerializationException
from litestar.params import SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from service.exceptions import Invalid
from service.permissions import Actor

LONG_BODY_BYTES: Final = 50_000
"""Longer bodies are checked in a thread, so that they do not block the event loop."""

CurrentActor = NamedDependency[SkipValidation[Actor]]
ReadSession = NamedDependency[SkipValidation[AsyncSession]]
WriteSession = NamedDependency[SkipValidation[AsyncSession]]
AppRequest = Request[Any, Any, State]


class StrictRequest(AppRequest):
    """A request that explains every kind of malformed body."""

    async def json(self) -> Any:
        """Decode the body; raises SerializationException for anything malformed.

        Raises:
            Invalid: an object has a duplicate key.
        """
        try:
            told = await super().json()
            body = await self.body()
            if len(body) > LONG_BODY_BYTES:
                await asyncio.to_thread(_refuse_repeated_keys, body)
            else:
                _refuse_repeated_keys(body)
        except UnicodeDecodeError as error:
            raise SerializationException("it is not UTF-8") from error
        except RecursionError as error:
            raise SerializationException("it is nested too deeply") from error
        return told


def _refuse_repeated_keys(body: bytes) -> None:
    """Raise Invalid for duplicate keys, of which the decoder would take the last."""
    if body:
        _KEYS.decode(body.decode())


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Invalid(f"{twice} appears twice in the same object", field=twice)


_KEYS: Final = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str)
"""Checks duplicate keys; the main decoder is ten times as fast but takes the last one."""

WITHOUT_NUL: Final = r"^[^\x00]*$"
"""Pattern of texts in query strings: PostgreSQL cannot store NUL."""
