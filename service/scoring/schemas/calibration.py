"""Calibration, as the API gives it."""

from datetime import datetime

import msgspec

from service.scoring.calibration import ENOUGH, Calibration, Period


class CurvePoint(msgspec.Struct):
    """A point of a reliability curve: of the forecasts at `forecast`, `observed` came true."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions.

    Below `needed` questions `enough` is false and every figure null: they would be noise.
    Mean Brier = miscalibration - discrimination + uncertainty. `sharpness` goes from 0, always one
    half, to 1, always certain. On log-odds z the truth is nearest to `intercept` + `slope` z: a
    slope below 1 is overconfident, an intercept above 0 says yes too seldom. A forecaster's line
    is pulled towards those of others, a quarter's towards the same entrant's other quarters, as
    far as the evidence is thin. `lower` and `upper` of the curve bound where `observed` would lie
    if the forecasts were calibrated; `level` is the mass of that band and of both intervals.
    """

    of: str
    horizon_days: int
    questions: int
    needed: int
    enough: bool
    brier: float | None = None
    miscalibration: float | None = None
    discrimination: float | None = None
    uncertainty: float | None = None
    sharpness: float | None = None
    slope: float | None = None
    slope_lower: float | None = None
    slope_upper: float | None = None
    intercept: float | None = None
    intercept_lower: float | None = None
    intercept_upper: float | None = None
    expected_calibration_error: float | None = None
    level: float | None = None
    curve: list[CurvePoint] = []

    @classmethod
    def measured(cls, of: str, horizon_days: int, found: Calibration) -> "CalibrationOut":
        """From whose it is, how long before the close, and what was measured."""
        measured = found.reliability
        if measured is None:
            return cls(of, horizon_days, found.questions, ENOUGH, found.enough)
        return cls(
            of,
            horizon_days,
            found.questions,
            ENOUGH,
            found.enough,
            brier=measured.mean_brier,
            miscalibration=measured.miscalibration,
            discrimination=measured.discrimination,
            uncertainty=measured.uncertainty,
            sharpness=measured.sharpness,
            slope=measured.slope,
            slope_lower=measured.slope_interval[0],
            slope_upper=measured.slope_interval[1],
            intercept=measured.intercept,
            intercept_lower=measured.intercept_interval[0],
            intercept_upper=measured.intercept_interval[1],
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


class PeriodOut(msgspec.Struct):
    """The calibration over the questions settled in one quarter of a year, in UTC."""

    starts_at: datetime
    ends_at: datetime
    calibration: CalibrationOut

    @classmethod
    def of(cls, of: str, horizon_days: int, period: Period) -> "PeriodOut":
        """From whose it is, how long before the close, and the quarter."""
        return cls(
            period.starts_at,
            period.ends_at,
            CalibrationOut.measured(of, horizon_days, period.calibration),
        )


class CalibrationHistory(msgspec.Struct):
    """Calibration by quarter, the oldest first; those in which nothing was settled are absent."""

    periods: list[PeriodOut]
