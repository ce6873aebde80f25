"""API structs of forecasters."""

from datetime import datetime

import msgspec

from service.scoring.forecasters import Estimate as Estimated
from service.scoring.forecasters import Movement, Opinion, Record
from service.web.openapi import example_body


class EstimateOut(msgspec.Struct):
    """A figure with the ends of its credible interval."""

    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, estimate: Estimated | None) -> "EstimateOut | None":
        """From an estimate, if there is one."""
        return cls(estimate.value, estimate.lower, estimate.upper) if estimate else None


class OpinionOut(msgspec.Struct):
    """The model's estimates of a forecaster, each shrunk towards the usual value.

    The pool uses `weight`, which is 1 for unknown skill, and `offset`, the nats by which their
    log-odds lie above those of others on the same questions, subtracted before pooling. The other
    figures are estimated separately and null until a fit includes a resolved question of theirs:
    `bias` in nats, above 0 if Yes is forecast too high; `noise` in nats around the crowd; `slope`
    below 1 for overconfidence.
    """

    resolved: int
    level: float
    offset: float
    weight: EstimateOut | None
    bias: EstimateOut | None
    noise: EstimateOut | None
    slope: EstimateOut | None

    @classmethod
    def of(cls, opinion: Opinion) -> "OpinionOut":
        """From an opinion."""
        figures = (opinion.weight, opinion.bias, opinion.noise, opinion.slope)
        return cls(
            opinion.resolved,
            opinion.level,
            opinion.offset,
            *(EstimateOut.of(figure) for figure in figures),
        )


class ForecasterOut(msgspec.Struct):
    """A forecaster; `opinion` is shown to them, to curators, and to all if `shows_record`."""

    id: int
    name: str
    bot: bool
    role: str
    questions: int
    forecasts: int
    shows_record: bool
    opinion: OpinionOut | None

    @classmethod
    def of(cls, record: Record) -> "ForecasterOut":
        """From a record."""
        account = record.account
        return cls(
            account.id,
            account.name,
            account.bot,
            account.role,
            record.questions,
            record.forecasts,
            account.shows_record,
            OpinionOut.of(record.opinion) if record.opinion else None,
        )


class NewShowing(msgspec.Struct, forbid_unknown_fields=True):
    """Whether my record is public."""

    shows_record: bool


class MovementOut(msgspec.Struct):
    """The effect of a forecast on its question's aggregate; null if hidden or not published."""

    forecast_id: int
    question_id: int
    probability: float
    created_at: datetime
    before: float | None
    after: float | None

    @classmethod
    def of(cls, movement: Movement) -> "MovementOut":
        """From a movement."""
        row = movement.forecast
        return cls(
            row.id,
            row.question_id,
            row.probability,
            row.created_at,
            movement.before,
            movement.after,
        )


example_body(NewShowing(shows_record=True))
