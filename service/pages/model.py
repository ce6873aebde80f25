"""The model's health: what it learned, from what, and whether to trust it."""

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
    """A parameter of the model: what it is called, means and says, and how it is drawn.

    `says` puts a value into words; `scale` and `mark` are of the drawing: its ends, and where
    nothing would be learned (None: nowhere).
    """

    symbol: str
    name: str
    says: Callable[[float], str]
    scale: tuple[float, float]
    mark: float | None = None


PARAMETERS: Final = (
    Parameter(
        "t_w",
        "how much skills differ",
        lambda value: (
            "someone a standard deviation better than usual counts "
            f"{math.exp(value):.1f} times as much as one of usual skill"
        ),
        (0, 3),
    ),
    Parameter(
        "rho",
        "how fast forecasts go stale",
        lambda value: f"the oldest of ten forecasts counts {10**-value:.2f} times the newest",
        (0, 3),
    ),
    Parameter(
        "k0",
        "pull to even odds",
        lambda value: f"even odds pull as much as {value:.1f} forecasts of usual skill",
        (0, 8),
    ),
    Parameter(
        "v0",
        "what one forecast leaves open",
        lambda value: (
            f"where one forecast alone says 50%, {percent(expit(-math.sqrt(value)))} to "
            f"{percent(expit(math.sqrt(value)))} are within a standard deviation"
        ),
        (0, 4),
    ),
    Parameter(
        "g0",
        "boldness, as the log of the slope",
        lambda value: (
            f"log-odds are stretched {math.exp(value):.2f} times: what the crowd calls 70% is "
            f"answered as {percent(expit(math.exp(value) * logit(0.7)))}"
        ),
        (-1, 2),
        0,
    ),
    Parameter(
        "a0",
        "shift, in nats",
        lambda value: (
            f"yes comes {'more' if value > 0 else 'less'} often than is said: even odds are "
            f"answered as {percent(expit(value))}"
        ),
        (-2, 2),
        0,
    ),
)


@dataclass(frozen=True, slots=True)
class Learned:
    """A parameter's median with the ends of its interval, and those of its prior."""

    parameter: Parameter
    lower: float
    middle: float
    upper: float
    prior: tuple[float, float]

    @property
    def words(self) -> str:
        """What the median says."""
        return self.parameter.says(self.middle)


@dataclass(frozen=True, slots=True)
class Predicted:
    """How many questions would come to yes if what was published were right, and how many did.

    The ends are of the central interval of a sum of independent answers, by its normal
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
    """The fit in force, what it learned in words, and those before it."""
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
        predicted=_predicted(told, aggregator.level) if (told := measured.reliability) else None,
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


def _predicted(told: Reliability, level: float) -> Predicted:
    said, count = told.probability, told.count
    expected = float((said * count).sum())
    spread = math.sqrt(float((said * (1 - said) * count).sum()))
    away = NormalDist().inv_cdf((1 + level) / 2) * spread
    came = round(told.base_rate * told.n)
    return Predicted(told.n, max(expected - away, 0), expected, min(expected + away, told.n), came)


def expit(value: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-value))


def logit(chance: float) -> float:
    """The log-odds of a probability."""
    return math.log(chance / (1 - chance))
