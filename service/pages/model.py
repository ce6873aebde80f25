"""The model's health: what it learned, from what, and whether to trust it."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Template

from forecasting.posterior import Posterior
from service import calibration, fits, trust
from service.calibration import AGGREGATE
from service.dependencies import AppRequest, Pooling, Reading, Who
from service.models import LARGEST_ID
from service.pages.leaderboard import calibration_said
from service.pages.rendering import page
from service.scoring import Scope

LISTED: Final = 20
MEANINGS: Final = {
    "t_w": "how much forecasters' skills differ; near 0 everyone weighs the same",
    "rho": "how fast a forecast loses weight as others come after it; at 0 it never does",
    "k0": "how many forecasts' worth of pull there is towards even odds",
    "v0": "the variance that a single forecast leaves open, in squared nats",
    "g0": "log of the slope: above 0 the crowd is too timid, and is made bolder",
    "a0": "shift of the log-odds, in nats: above 0 yes comes more often than is said",
}


@dataclass(frozen=True, slots=True)
class Learned:
    """A parameter's posterior: its median and the ends of its interval."""

    name: str
    meaning: str
    lower: float
    middle: float
    upper: float


@get("/model")
async def health(
    request: AppRequest,
    actor: Who,
    reading: Reading,
    aggregator: Pooling,
    before: Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)] = None,
) -> Template:
    """The fit in force, what it learned in words, and those before it."""
    belief = await aggregator.belief(reading)
    rows = await fits.listing(reading, before=before, limit=LISTED + 1)
    measured = await calibration.measure(reading, AGGREGATE, Scope())
    return page(
        request,
        actor,
        "model.html",
        trust=await trust.judge(reading),
        learned=_learned(belief.posterior, aggregator.level),
        fits=rows[:LISTED],
        following=rows[LISTED - 1].id if rows[LISTED:] else None,
        measured=measured,
        needed=calibration.ENOUGH,
        told_of=calibration_said(measured),
    )


def _learned(posterior: Posterior, level: float) -> list[Learned]:
    found = []
    for name, meaning in MEANINGS.items():
        ends = [(1 - level) / 2, 0.5, (1 + level) / 2]
        lower, middle, upper = np.quantile(getattr(posterior, name), ends).tolist()
        found.append(Learned(name, meaning, lower, middle, upper))
    return found
