"""The leaderboard, now or frozen, and calibration: whose word counts for how much."""

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
    "peer": "peer: against the others on the same questions, higher is better, 0 is even",
    "baseline": "baseline: against a guess of 50%, higher is better, 100 is perfect",
    "brier": "Brier: mean squared error, lower is better, 0 is perfect, 1 worst",
    "log": "log: surprise in nats, lower is better, 0 is perfect",
}

Text = Annotated[str, QueryParameter(max_length=100, pattern=WITHOUT_NUL)]
InSet = Annotated[str, QueryParameter(name="set", max_length=100, pattern=WITHOUT_NUL)]


class Leaderboards(Controller):
    """Who forecast best, and whose probabilities mean what they say."""

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
        """Everyone who was scored, best first."""
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
        """A leaderboard that was frozen for good."""
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
        """How often what was said came true."""
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
        """The reliability diagram."""
        del actor
        measured = await calibration.measure(
            reading, of, ScoreFilter(set_slug=in_set or None), horizon_days=horizon
        )
        return await drawn(request, "reliability", reliability_data(measured), theme, size)


def calibration_said(measured: Calibration) -> str:
    """The reliability diagram in words."""
    told = measured.reliability
    if told is None:
        return ""
    low, high = told.slope_interval
    if high < 1:
        bold = "Probabilities were too bold: nearer to even odds would have been better"
    elif low > 1:
        bold = "Probabilities were too timid: farther from even odds would have been better"
    else:
        bold = "Nothing shows that probabilities were too bold or too timid"
    least, most = told.intercept_interval
    if most < 0:
        readily = " Yes was said too readily."
    else:
        readily = " Yes was said too seldom." if least > 0 else ""
    return (
        f"Over {count(measured.questions, 'question')} the mean distance between what was said "
        f"and what came true is {percent(told.expected_calibration_error)}. {bold} "
        f"(slope {told.slope:.2f}, {stated_percent(told.level)} interval {low:.2f} to {high:.2f}; "
        f"1 is right).{readily}"
    )


def reliability_data(measured: Calibration) -> dict[str, Any]:
    """What the reliability diagram shows; Invalid while there is too little to show."""
    told = measured.reliability
    if told is None:
        raise Invalid(
            f"{count(measured.questions, 'question')} resolved; a calibration needs "
            f"{calibration.ENOUGH}"
        )
    names = ("forecast", "frequency", "forecasts", "lower", "upper")
    columns = (told.probability, told.frequency, told.count, told.lower, told.upper)
    rows = [
        dict(zip(names, row, strict=True))
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return {"curve": rows, "band": rows, "groups": _flats(rows)}


def _flats(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """The flats of a reliability curve, each at the mean of what was said there."""
    flats = []
    for frequency, found in groupby(rows, key=lambda row: row["frequency"]):
        held = list(found)
        count = sum(row["forecasts"] for row in held)
        mean = sum(row["forecast"] * row["forecasts"] for row in held) / count
        flats.append({"forecast": mean, "frequency": frequency, "forecasts": count})
    return flats


def _mine(actor: Actor, board: Sequence[Place], shown: Sequence[Place]) -> Place | None:
    """The reader's own row, to be pinned where it is not among the first rows shown."""
    mine = next((one for one in board if actor.id and one.account_id == actor.id), None)
    near = mine and any(one.account_id == mine.account_id for one in shown[:AT_A_GLANCE])
    return None if near else mine


def _scale(standings: Sequence[LeaderboardEntry | FrozenEntry]) -> tuple[float, float]:
    """The ends of an axis that shows 0 and every score and interval, with some room."""
    drawn = [
        value
        for one in standings
        for value in (one.score, one.skill_lower, one.skill_upper)
        if value is not None
    ]
    low, high = min([0.0, *drawn]), max([0.0, *drawn])
    room = (high - low or 1.0) * 0.04
    return low - room, high + room
