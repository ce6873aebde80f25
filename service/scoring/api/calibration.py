"""API of calibration, overall and over time."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from service.scoring import calibration
from service.scoring.dependencies import Scoped
from service.scoring.schemas.calibration import CalibrationHistory, CalibrationOut, PeriodOut
from service.scoring.scores import HORIZONS
from service.web.dependencies import CurrentActor, ReadSession

Of = Annotated[
    str,
    QueryParameter(
        max_length=40, description="`aggregate`, a pooling method, or a forecaster's id"
    ),
]
Horizon = Annotated[
    int,
    QueryParameter(
        description="use the forecasts active this many days before the effective close, one of "
        f"{', '.join(str(days) for days in (0, *HORIZONS))}"
    ),
]


class Calibrations(Controller):
    """Whether events forecast at 70% happen 70% of the time."""

    path = "/calibration"
    tags = ("Scores",)

    @get(summary="Get a calibration")
    async def one(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        within: Scoped,
        of: Of = calibration.AGGREGATE,
        horizon_days: Horizon = 0,
    ) -> CalibrationOut:
        """Return the reliability of the forecasts active at the close, or some days before it."""
        del actor
        measured = await calibration.measure(reading, of, within, horizon_days=horizon_days)
        return CalibrationOut.measured(of, horizon_days, measured)

    @get("/history", summary="Get a calibration over time")
    async def history(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        within: Scoped,
        of: Of = calibration.AGGREGATE,
        horizon_days: Horizon = 0,
    ) -> CalibrationHistory:
        """Return the calibration by the calendar quarter in which questions were settled."""
        del actor
        periods = await calibration.over_time(reading, of, within, horizon_days=horizon_days)
        return CalibrationHistory([PeriodOut.of(of, horizon_days, period) for period in periods])
