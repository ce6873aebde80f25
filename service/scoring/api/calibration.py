"""Calibration, overall and over time."""

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
        description="what stood so many days before the effective close: "
        f"{', '.join(str(days) for days in (0, *HORIZONS))}"
    ),
]


class Calibrations(Controller):
    """Whether things called 70% likely happen 70% of the time."""

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
        """Reliability of what stood when each resolved question closed, or some days before."""
        del actor
        found = await calibration.measure(reading, of, within, horizon_days=horizon_days)
        return CalibrationOut.measured(of, horizon_days, found)

    @get("/history", summary="Get a calibration over time")
    async def history(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        within: Scoped,
        of: Of = calibration.AGGREGATE,
        horizon_days: Horizon = 0,
    ) -> CalibrationHistory:
        """The calibration by the quarter of a year in which questions were settled."""
        del actor
        periods = await calibration.over_time(reading, of, within, horizon_days=horizon_days)
        return CalibrationHistory([PeriodOut.of(of, horizon_days, one) for one in periods])
