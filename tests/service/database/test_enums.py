"""Every enum has words for all of its members wherever it is put into words."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import service
from service.database.engine import Database
from service.exchange import exports
from service.models import Cause
from service.pages import listing

PARTIAL = (listing.ORDERS, exports._OWN)
"""Mappings that leave members out on purpose: nothing stored is looked up in them."""


def mappings() -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The mappings of every module of the service whose keys are members of an enum of ours."""
    for found in pkgutil.walk_packages(service.__path__, "service."):
        if not found.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, Mapping) and any(isinstance(key, StrEnum) for key in value):
                    yield f"{found.name}.{name}", value


def test_every_mapping_of_an_enum_has_all_of_its_members() -> None:
    found = {name: one for name, one in mappings() if not any(one is part for part in PARTIAL)}
    assert len(found) > 8
    for name, mapping in found.items():
        kinds = {type(key) for key in mapping}
        assert set(mapping) == {member for kind in kinds for member in kind}, name


@pytest.mark.parametrize("cause", [*Cause, "whim"])
def test_the_database_takes_every_cause_and_no_other(
    cause: str, account, question, on_database
) -> None:
    account("ann").forecast(question(), 0.3)

    async def write(database: Database) -> None:
        async with database.write() as session:
            await session.execute(text("UPDATE aggregate SET cause = :cause"), {"cause": cause})

    if cause in set(Cause):
        on_database(write)
    else:
        with pytest.raises(IntegrityError, match="ck_aggregate_cause"):
            on_database(write)
