"""Strict query strings: one spelling of numbers, times and booleans, no unknown parameters.

The framework's decoder is too lenient: it accepts `1e2` and `+5` as integers, Unix timestamps and
times without an offset, and the last of repeated values, so that a typing error would silently
answer a different query.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_origin

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.exceptions import Invalid, NotFound

Connection = ASGIConnection[Any, Any, Any, Any]

STRICT: Final = "/api/v1/"
"""Paths that reject unknown parameters; addresses of pages are typed and shared by people."""
FOREIGN: Final = "/api/metaculus/"
"""Paths used by clients of another API, with its parameter syntax."""


class Grammar(NamedTuple):
    """The syntax of a type's values and its error sentence."""

    pattern: re.Pattern[str]
    sentence: str


GRAMMARS: Final = {
    int: Grammar(re.compile(r"-?(?:0|[1-9][0-9]{0,18})"), "must be a whole number such as 20"),
    bool: Grammar(re.compile(r"true|false"), "must be true or false"),
    datetime: Grammar(
        re.compile(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
            r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})"
        ),
        "must be ISO 8601 with an offset, such as 2027-01-01T00:00:00Z; "
        "in an address the + of an offset is written %2B",
    ),
}


class Known(NamedTuple):
    """A documented parameter: its syntax and whether it may be repeated."""

    grammar: Grammar | None
    many: bool


def check_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard that rejects query and path parameters not written as documented.

    Raises:
        Invalid: a query parameter, which the error names.
        NotFound: a path has a number in another spelling, such as `/questions/07`.
    """
    path = connection.scope["path"]
    segments = path.split("/")
    for value in connection.path_params.values():
        if isinstance(value, int) and str(value) not in segments:
            raise NotFound("there is nothing at this address: write numbers in plain digits")
    if not connection.scope["query_string"] or path.startswith(FOREIGN):
        return
    known = _known(handler)
    seen = set()
    for name, value in connection.query_params.multi_items():
        parameter = known.get(name)
        if parameter is None:
            if path.startswith(STRICT):
                raise Invalid(f"{name} is not a parameter of this address", field=name)
            continue
        if name in seen and not parameter.many:
            raise Invalid(f"{name} must be given once", field=name)
        seen.add(name)
        if parameter.grammar and not parameter.grammar.pattern.fullmatch(value):
            raise Invalid(f"{name} {parameter.grammar.sentence}", field=name)


@cache
def _known(handler: BaseRouteHandler) -> dict[str, Known]:
    """Return the parameters of a handler and its dependencies by public name."""
    signatures = [handler.parsed_fn_signature]
    needed = set(handler.parsed_fn_signature.parameters)
    providers = handler.resolve_dependencies()
    while waiting := needed & providers.keys():
        for name in waiting:
            signature = providers[name].parsed_fn_signature
            signatures.append(signature)
            needed |= set(signature.parameters)
        providers = {name: one for name, one in providers.items() if name not in waiting}
    found = {}
    for signature in signatures:
        for name, field in signature.parameters.items():
            types = set(_types(field.annotation))
            grammar = next((GRAMMARS[kind] for kind in GRAMMARS if kind in types), None)
            public = getattr(field.kwarg_definition, "name", None) or name
            found[public] = Known(None if str in types else grammar, list in types)
    return found


def _types(annotation: Any) -> Iterator[Any]:
    """Return the types in an annotation."""
    yield get_origin(annotation) or annotation
    for inner in get_args(annotation):
        yield from _types(inner)
