"""The API of scoring: one module per resource."""

from litestar import Router

from service.scoring.api import calibration, forecasters, leaderboards, scores

router = Router(
    path="/",
    route_handlers=[
        scores.Scores,
        leaderboards.Leaderboards,
        calibration.Calibrations,
        forecasters.Forecasters,
    ],
)
