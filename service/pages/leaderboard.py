"""The live and frozen leaderboards, and calibration."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, Final, TypeVar

from litestar import Controller, Response, get
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Template

from service.exceptions import Invalid
from service.models import LARGEST_ID, FrozenEntry
from service.pages.charts import Size, Theme, addresses, drawn
from service.pages.filters import count
from service.pages.rendering import page
from service.permissions import Actor
from service.questions import questions
from service.questions.aggregates import METHODS
from service.scoring import calibration, leaderboards
from service.scoring.calibration import AGGREGATE, Calibration
from service.scoring.leaderboards import Criteria, EntrantFilter, LeaderboardEntry
from service.scoring.scores import HORIZONS, SPOT_KINDS, ScoreFilter
from service.text.formatting import percent, stated_percent
from service.web.dependencies import WITHOUT_NUL, AppRequest, CurrentActor, ReadSession

Place = TypeVar("Place", LeaderboardEntry, FrozenEntry)

LISTED: Final = 50
AT_A_GLANCE: Final = 10
MOST_SETS: Final = 200
SCORES: Final = {
    "peer": "peer: compared with others on the same questions, higher is better, 0 is average",
    "baseline": "baseline: compared with a guess of 50%, higher is better, 100 is perfect",
    "brier": "Brier: mean squared error, lower is better, 0 is perfect, 1 worst",
    "log": "log: surprise in nats, lower is better, 0 is perfect",
}

Text = Annotated[str, QueryParameter(max_length=100, pattern=WITHOUT_NUL)]
InSet = Annotated[str, QueryParameter(name="set", max_length=100, pattern=WITHOUT_NUL)]


class Leaderboards(Controller):
    """Leaderboards and calibration."""

    @get("/leaderboard")
    async def ranked(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        in_set: InSet = "",
        tag: Text = "",
        score: Text = "peer",
        who: FromQuery[EntrantFilter] = EntrantFilter.everyone,
        least: Annotated[int, QueryParameter(ge=1, le=10_000)] = 1,
        pools: FromQuery[bool] = False,
        imported: FromQuery[bool | None] = None,
        after: Annotated[int, QueryParameter(ge=0, le=LARGEST_ID)] = 0,
    ) -> Template:
        """Show every scored entrant, best first."""
        criteria = Criteria(
            kind=score,
            scope=ScoreFilter(set_slug=in_set or None, tag=tag or None),
            who=who,
            least_questions=least,
            pools=pools,
            imported=imported,
        )
        board = await leaderboards.ranked(reading, criteria)
        found = board.entries
        shown = found[after : after + LISTED]
        mine = _mine(actor, found, shown)
        return page(
            request,
            actor,
            "leaderboard.html",
            standings=shown,
            mine=mine,
            following=after + LISTED if found[after + LISTED :] else None,
            total=len(found),
            scale=_scale([*shown, *([mine] if mine else [])]),
            asked={"set": in_set, "tag": tag, "score": score, "who": who, "least": least},
            pools=pools,
            imported=imported,
            board=board,
            only_imported=board.imported == sum(not one.method for one in found),
            scores=SCORES | {kind: kind.replace("_", " ") for kind in SPOT_KINDS},
            everyone=list(EntrantFilter),
            sets=await questions.sets(reading, after=0, limit=MOST_SETS),
            frozen=await leaderboards.frozen(reading, name=None, before=None, limit=20),
        )

    @get("/leaderboards/{leaderboard_id:int}")
    async def frozen(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        leaderboard_id: Annotated[int, PathParameter(ge=1, le=LARGEST_ID)],
        after: Annotated[int, QueryParameter(ge=0, le=LARGEST_ID)] = 0,
    ) -> Template:
        """Show a frozen leaderboard."""
        found, by = await leaderboards.get(reading, leaderboard_id)
        rows = await leaderboards.entries(reading, leaderboard_id, after=after, limit=LISTED + 1)
        shown = rows[:LISTED]
        own = await leaderboards.entry_of(reading, leaderboard_id, actor.id)
        mine = _mine(actor, [own] if own else [], shown)
        return page(
            request,
            actor,
            "frozen.html",
            board=found,
            by=by,
            standings=shown,
            mine=mine,
            scale=_scale([*shown, *([mine] if mine else [])]),
            following=rows[LISTED - 1].position if rows[LISTED:] else None,
        )

    @get("/calibration")
    async def calibrated(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        of: Text = AGGREGATE,
        in_set: InSet = "",
        horizon: FromQuery[int] = 0,
    ) -> Template:
        """Show how often events forecast at each probability occurred."""
        measured = await calibration.measure(
            reading, of, ScoreFilter(set_slug=in_set or None), horizon_days=horizon
        )
        periods = await calibration.over_time(
            reading, of, ScoreFilter(set_slug=in_set or None), horizon_days=horizon
        )
        return page(
            request,
            actor,
            "calibration.html",
            asked={"of": of, "set": in_set, "horizon": horizon},
            methods=[AGGREGATE, *METHODS[1:]],
            horizons=(0, *HORIZONS),
            sets=await questions.sets(reading, after=0, limit=MOST_SETS),
            measured=measured,
            needed=calibration.ENOUGH,
            periods=periods,
            told_of=calibration_said(measured),
            curve=reliability_data(measured)["curve"] if measured.reliability else [],
        )

    @get(addresses("/calibration"))
    async def chart(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        of: Text = AGGREGATE,
        in_set: InSet = "",
        horizon: FromQuery[int] = 0,
        theme: FromQuery[Theme] = "light",
        size: FromQuery[Size] = "wide",
    ) -> Response[bytes]:
        """Render the reliability diagram."""
        del actor
        measured = await calibration.measure(
            reading, of, ScoreFilter(set_slug=in_set or None), horizon_days=horizon
        )
        return await drawn(request, "reliability", reliability_data(measured), theme, size)


def calibration_said(measured: Calibration) -> str:
    """Describe the reliability diagram in words."""
    reliability = measured.reliability
    if reliability is None:
        return ""
    low, high = reliability.slope_interval
    if high < 1:
        bold = "Forecasts were overconfident: probabilities closer to 50% would have scored better"
    elif low > 1:
        bold = (
            "Forecasts were underconfident: probabilities further from 50% would have scored better"
        )
    else:
        bold = "There is no evidence of overconfidence or underconfidence"
    least, most = reliability.intercept_interval
    if most < 0:
        readily = " Forecasts leaned too far towards Yes."
    else:
        readily = " Forecasts leaned too far towards No." if least > 0 else ""
    return (
        f"Over {count(measured.questions, 'question')} the mean distance between forecast "
        "probabilities and observed frequencies is "
        f"{percent(reliability.expected_calibration_error)}. {bold} "
        f"(slope {reliability.slope:.2f}, {stated_percent(reliability.level)} interval "
        f"{low:.2f} to {high:.2f}; "
        f"1 is ideal).{readily}"
    )


def reliability_data(measured: Calibration) -> dict[str, Any]:
    """Return the data of the reliability diagram; raises Invalid if there is too little."""
    reliability = measured.reliability
    if reliability is None:
        raise Invalid(
            f"{count(measured.questions, 'question')} resolved; a calibration needs "
            f"{calibration.ENOUGH}"
        )
    names = ("forecast", "frequency", "forecasts", "lower", "upper")
    columns = (
        reliability.probability,
        reliability.frequency,
        reliability.count,
        reliability.lower,
        reliability.upper,
    )
    rows = [
        dict(zip(names, row, strict=True))
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return {"curve": rows, "band": rows, "groups": _flats(rows)}


def _flats(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the flat segments of a reliability curve, each at its mean forecast."""
    flats = []
    for frequency, members in groupby(rows, key=lambda row: row["frequency"]):
        segment = list(members)
        count = sum(row["forecasts"] for row in segment)
        mean = sum(row["forecast"] * row["forecasts"] for row in segment) / count
        flats.append({"forecast": mean, "frequency": frequency, "forecasts": count})
    return flats


def _mine(actor: Actor, board: Sequence[Place], shown: Sequence[Place]) -> Place | None:
    """Return the reader's own row for pinning, unless it is among the first rows shown."""
    mine = next((one for one in board if actor.id and one.account_id == actor.id), None)
    near = mine and any(one.account_id == mine.account_id for one in shown[:AT_A_GLANCE])
    return None if near else mine


def _scale(standings: Sequence[LeaderboardEntry | FrozenEntry]) -> tuple[float, float]:
    """Return axis limits that include 0 and every score and interval, with a margin."""
    drawn = [
        value
        for one in standings
        for value in (one.score, one.skill_lower, one.skill_upper)
        if value is not None
    ]
    low, high = min([0.0, *drawn]), max([0.0, *drawn])
    room = (high - low or 1.0) * 0.04
    return low - room, high + room
