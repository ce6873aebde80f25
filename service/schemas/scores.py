"""Scores, standings and calibration, as the API gives them."""

from dataclasses import astuple

import msgspec

from service.forecasters import Record
from service.models import Score
from service.scoring import Calibration, Standing


class ScoreOut(msgspec.Struct):
    """What someone's forecasts on a question earned; `forecaster` is null for the aggregate.

    Brier and log: lower is better, averages while a forecast stood. Baseline and peer: higher is
    better, weighted by coverage, the share of the question's life that was forecast.
    """

    forecaster_id: int | None
    forecaster: str | None
    coverage: float
    brier: float | None
    log: float | None
    baseline: float | None
    peer: float | None
    spot_probability: float | None
    spot_brier: float | None
    spot_log: float | None
    spot_baseline: float | None
    spot_peer: float | None

    @classmethod
    def of(cls, row: Score, name: str | None) -> "ScoreOut":
        """From the row and its forecaster's name."""
        values = {field: getattr(row, field) for field in cls.__struct_fields__[2:]}
        return cls(forecaster_id=row.account_id, forecaster=name, **values)


class StandingOut(msgspec.Struct):
    """A place on a leaderboard; `ranked_by` is the score pulled to the field's mean."""

    rank: int
    forecaster_id: int
    forecaster: str
    bot: bool
    questions: int
    coverage: float
    score: float
    ranked_by: float

    @classmethod
    def of(cls, place: Standing) -> "StandingOut":
        """From a standing."""
        return cls(
            place.rank,
            place.account_id,
            place.name,
            place.bot,
            place.questions,
            place.coverage,
            place.score,
            place.ranked_by,
        )


class CurvePoint(msgspec.Struct):
    """A point of a reliability curve: of the forecasts at `forecast`, `observed` came true."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions; every figure is null while none has resolved.

    Mean Brier = miscalibration - discrimination + uncertainty. A slope below 1 is overconfident;
    an intercept above 0 says yes too seldom. `lower` and `upper` of the curve bound where
    `observed` would lie if the forecasts were calibrated.
    """

    of: str
    questions: int
    brier: float | None = None
    miscalibration: float | None = None
    discrimination: float | None = None
    uncertainty: float | None = None
    slope: float | None = None
    intercept: float | None = None
    expected_calibration_error: float | None = None
    level: float | None = None
    curve: list[CurvePoint] = []

    @classmethod
    def measured(cls, of: str, found: Calibration) -> "CalibrationOut":
        """From whose it is and what was measured."""
        measured = found.reliability
        if measured is None:
            return cls(of, found.questions)
        return cls(
            of,
            found.questions,
            brier=measured.mean_brier,
            miscalibration=measured.miscalibration,
            discrimination=measured.discrimination,
            uncertainty=measured.uncertainty,
            slope=measured.slope,
            intercept=measured.intercept,
            expected_calibration_error=measured.expected_calibration_error,
            level=measured.level,
            curve=[
                CurvePoint(float(forecast), float(observed), float(lower), float(upper), int(count))
                for forecast, observed, lower, upper, count in zip(
                    measured.probability,
                    measured.frequency,
                    measured.lower,
                    measured.upper,
                    measured.count,
                    strict=True,
                )
            ],
        )


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
