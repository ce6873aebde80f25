"""Forecasters, as the API gives them."""

from dataclasses import astuple

import msgspec

from service.forecasters import Record


class WeightOut(msgspec.Struct):
    """A forecaster's weight: its posterior median with a credible interval; 1 is unknown skill."""

    weight: float
    lower: float
    upper: float
    level: float


class ForecasterOut(msgspec.Struct):
    """A forecaster; `weight` is the model's view of them, shown to them and to curators."""

    id: int
    name: str
    bot: bool
    role: str
    questions: int
    forecasts: int
    weight: WeightOut | None

    @classmethod
    def of(cls, record: Record) -> "ForecasterOut":
        """From a record."""
        account, weight = record.account, record.weight
        shown = WeightOut(*astuple(weight)) if weight else None
        return cls(
            account.id,
            account.name,
            account.bot,
            account.role,
            record.questions,
            record.forecasts,
            shown,
        )
