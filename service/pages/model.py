"""Model health: parameters, diagnostics and predictive performance of the fits."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Final

import numpy as np
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Template

from forecasting.calibration import Reliability
from forecasting.posterior import Posterior
from service.background import heartbeats
from service.background.schemas.jobs import JobsOut
from service.fits import fits, health
from service.models import LARGEST_ID
from service.pages.leaderboard import calibration_said
from service.pages.rendering import page
from service.questions.aggregates import prior
from service.questions.dependencies import AggregatorDep
from service.scoring import calibration
from service.scoring.calibration import AGGREGATE
from service.scoring.scores import ScoreFilter
from service.text.formatting import percent
from service.web.dependencies import AppRequest, CurrentActor, ReadSession

LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Parameter:
    """A model parameter with its name, its interpretation and its drawing.

    `says` describes a value in words; `scale` holds the axis limits, and `mark` the value that
    stands for no effect (None: no such value).
    """

    symbol: str
    name: str
    says: Callable[[float], str]
    scale: tuple[float, float]
    mark: float | None = None


PARAMETERS: Final = (
    Parameter(
        "t_w",
        "spread of forecaster skill",
        lambda value: (
            "a forecaster one standard deviation better than average counts "
            f"{math.exp(value):.1f} times as much as one of average skill"
        ),
        (0, 3),
    ),
    Parameter(
        "rho",
        "decay of older forecasts",
        lambda value: (
            f"the oldest of ten forecasts counts {10**-value:.2f} times as much as the newest"
        ),
        (0, 3),
    ),
    Parameter(
        "k0",
        "shrinkage towards 50%",
        lambda value: f"50% counts as much as {value:.1f} forecasts of average skill",
        (0, 8),
    ),
    Parameter(
        "v0",
        "uncertainty after one forecast",
        lambda value: (
            f"with a single forecast of 50%, {percent(expit(-math.sqrt(value)))} to "
            f"{percent(expit(math.sqrt(value)))} lies within one standard deviation"
        ),
        (0, 4),
    ),
    Parameter(
        "g0",
        "extremization, as the log of the slope",
        lambda value: (
            f"log-odds are multiplied by {math.exp(value):.2f}: a pooled 70% becomes "
            f"{percent(expit(math.exp(value) * logit(0.7)))}"
        ),
        (-1, 2),
        0,
    ),
    Parameter(
        "a0",
        "shift, in nats",
        lambda value: (
            f"Yes occurs {'more' if value > 0 else 'less'} often than forecast: a pooled 50% "
            f"becomes {percent(expit(value))}"
        ),
        (-2, 2),
        0,
    ),
)


@dataclass(frozen=True, slots=True)
class Learned:
    """A parameter's posterior median and interval, with its prior interval."""

    parameter: Parameter
    lower: float
    middle: float
    upper: float
    prior: tuple[float, float]

    @property
    def words(self) -> str:
        """The median in words."""
        return self.parameter.says(self.middle)


@dataclass(frozen=True, slots=True)
class Predicted:
    """The number of questions expected to resolve Yes under the published aggregates, and observed.

    The bounds form the central interval of a sum of independent outcomes, by its normal
    approximation.
    """

    questions: int
    lower: float
    expected: float
    upper: float
    came: int


@get("/model")
async def model_health(
    request: AppRequest,
    actor: CurrentActor,
    reading: ReadSession,
    aggregator: AggregatorDep,
    before: Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)] = None,
) -> Template:
    """Show the current fit, its parameters in words and earlier fits."""
    judged = await health.model_health(reading, aggregator, reread=True)
    belief = await aggregator.belief(reading)
    rows = await fits.listing(reading, before=before, limit=LISTED + 1)
    measured = await calibration.measure(reading, AGGREGATE, ScoreFilter())
    return page(
        request,
        actor,
        "model.html",
        trust=judged,
        jobs=JobsOut.of(await heartbeats.background(reading, request.app.state.settings)),
        learned=_learned(belief.posterior, aggregator.level),
        fits=rows[:LISTED],
        following=rows[LISTED - 1].id if rows[LISTED:] else None,
        measured=measured,
        predicted=_predicted(reliability, aggregator.level)
        if (reliability := measured.reliability)
        else None,
        needed=calibration.ENOUGH,
        told_of=calibration_said(measured),
    )


def _learned(posterior: Posterior, level: float) -> list[Learned]:
    ends = [(1 - level) / 2, 0.5, (1 + level) / 2]
    before = prior()
    found = []
    for one in PARAMETERS:
        lower, middle, upper = np.quantile(getattr(posterior, one.symbol), ends).tolist()
        least, _, most = np.quantile(getattr(before, one.symbol), ends).tolist()
        found.append(Learned(one, lower, middle, upper, (least, most)))
    return found


def _predicted(reliability: Reliability, level: float) -> Predicted:
    forecast, count = reliability.probability, reliability.count
    expected = float((forecast * count).sum())
    spread = math.sqrt(float((forecast * (1 - forecast) * count).sum()))
    away = NormalDist().inv_cdf((1 + level) / 2) * spread
    came = round(reliability.base_rate * reliability.n)
    return Predicted(
        reliability.n, max(expected - away, 0), expected, min(expected + away, reliability.n), came
    )


def expit(value: float) -> float:
    """Convert log-odds to a probability."""
    return 1 / (1 + math.exp(-value))


def logit(chance: float) -> float:
    """Convert a probability to log-odds."""
    return math.log(chance / (1 - chance))
