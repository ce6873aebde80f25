"""The base class of all tables, column types and constraints."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    MetaData,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.models.unreadable import Unreadable

LARGEST_ID: Final = 2**31 - 1
"""The largest integer that an id can hold on both databases."""


class Utc(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC; naive datetimes are rejected.

    SQLite also stores text that is not a valid time; that is read as `Unreadable`.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Convert an aware datetime to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return an aware datetime; SQLite does not store the time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read the stored value, even if it is malformed."""
        process = super().result_processor(dialect, coltype)
        if process is None or dialect.name != "sqlite":
            return process

        def read(value: Any) -> Any:
            try:
                return process(value)
            except (TypeError, ValueError):
                return Unreadable()

        return read


class Base(DeclarativeBase):
    """The base of all tables, with explicit constraint names for use in migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own name for it
        datetime: Utc,
        date: Date,
        str: Text,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
    }

    id: Mapped[int] = mapped_column(primary_key=True)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """The constraint that restricts a column to an enumeration's values."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def from_name(derive: Callable[[str], str | None]) -> Callable[[Any], str | None]:
    """The default of a column derived from the row's name."""

    def default(context: Any) -> str | None:
        return derive(context.get_current_parameters()["name"])

    return default
