"""API structs of calibration."""

from datetime import datetime

import msgspec

from service.scoring.calibration import ENOUGH, Calibration, Period


class CurvePoint(msgspec.Struct):
    """A point of a reliability curve: of the events forecast at `forecast`, `observed` happened."""

    forecast: float
    observed: float
    lower: float | None
    upper: float | None
    count: int


class CalibrationOut(msgspec.Struct):
    """Reliability over resolved questions.

    Below `needed` questions `enough` is false and every figure is null, because it would be noise.
    Mean Brier = miscalibration - discrimination + uncertainty. `sharpness` ranges from 0 (always
    one half) to 1 (always certain). For forecasts with log-odds z the best recalibration is
    `intercept` + `slope` z: a slope below 1 means overconfidence, an intercept above 0 means that
    Yes is forecast too rarely. With little evidence, a forecaster's line is shrunk towards those of
    others, and a quarter's line towards the same entrant's other quarters. `lower` and `upper` of
    the curve bound `observed` for calibrated forecasts; `level` is the probability of that band and
    of both intervals.
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
    def measured(cls, of: str, horizon_days: int, calibration: Calibration) -> "CalibrationOut":
        """From the entrant, the horizon and the measurement."""
        measured = calibration.reliability
        if measured is None:
            return cls(of, horizon_days, calibration.questions, ENOUGH, calibration.enough)
        return cls(
            of,
            horizon_days,
            calibration.questions,
            ENOUGH,
            calibration.enough,
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
        """From the entrant, the horizon and the quarter."""
        return cls(
            period.starts_at,
            period.ends_at,
            CalibrationOut.measured(of, horizon_days, period.calibration),
        )


class CalibrationHistory(msgspec.Struct):
    """Calibration by quarter, oldest first; quarters without settled questions are omitted."""

    periods: list[PeriodOut]
