"""API of live and frozen leaderboards."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter, SkipValidation

from service.models import LARGEST_ID
from service.scoring import leaderboards
from service.scoring.dependencies import Scoped
from service.scoring.leaderboards import Criteria, EntrantFilter
from service.scoring.schemas.leaderboards import FrozenOut, NewLeaderboard, StandingOut
from service.web.dependencies import (
    WITHOUT_NUL,
    AppRequest,
    CurrentActor,
    ReadSession,
    WriteSession,
)
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
)
from service.web.repetition import IdempotencyKey, once
from service.web.schemas import Page, PeoplePage, ScoreKind

LeaderboardId = Annotated[
    int, PathParameter(ge=1, le=LARGEST_ID, description="the frozen leaderboard's id")
]

ImportedOrAlone = Annotated[
    bool | None,
    QueryParameter(
        description="rank imported forecasters, which are placeholder accounts; by default they "
        "are excluded, except on the leaderboard of a set in which nobody else was scored"
    ),
]


class Leaderboards(Controller):
    """Leaderboards."""

    path = "/"
    tags = ("Scores",)

    @get("/leaderboard", summary="Rank the forecasters")
    async def live(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        within: Scoped,
        score: Annotated[ScoreKind, QueryParameter(description="the score to rank by")] = "peer",
        who: Annotated[
            EntrantFilter, QueryParameter(description="rank people, bots or everyone")
        ] = EntrantFilter.everyone,
        least_questions: Annotated[
            int,
            QueryParameter(ge=1, le=LARGEST_ID, description="the minimum of scored questions"),
        ] = 1,
        pools: Annotated[
            bool, QueryParameter(description="rank the aggregate and the pools too")
        ] = False,
        imported: ImportedOrAlone = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> PeoplePage[StandingOut]:
        """List scored entrants, best first, ranked by a score shrunk towards the accounts' mean.

        Equal scores share a rank, as in 1, 1, 3. Each entry states its uncertainty: intervals of
        the skill and of the rank, and the probability of being the best. The interval of the rank
        contains the rank shown.

        Pass the same `as_of` with every page so that ranks do not change between pages.
        """
        del actor
        criteria = Criteria(
            kind=score,
            scope=within,
            who=who,
            least_questions=least_questions,
            pools=pools,
            imported=imported,
        )
        board = await leaderboards.ranked(reading, criteria)
        first = decode_id_cursor(cursor) or 0
        rows = list(enumerate(board.entries[first : first + limit + 1], start=first + 1))
        page = paginate(rows, limit, lambda row: StandingOut.of(row[1]), lambda row: row[0])
        return PeoplePage(page.items, page.next, board.imported_left_out)

    @post("/leaderboards", summary="Freeze a leaderboard (curators)")
    async def freeze(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[NewLeaderboard]],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[FrozenOut]:
        """Store a leaderboard permanently, as the next version under its name."""
        data = await decode_body(request, NewLeaderboard)

        async def work() -> FrozenOut:
            row = await leaderboards.freeze(writing, actor, data.name, data.criteria())
            return FrozenOut.of(row, actor.name)

        return await once(request, writing, actor, idempotency_key, FrozenOut, work)

    @get("/leaderboards", summary="List the frozen leaderboards")
    async def frozen(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        name: Annotated[
            str | None,
            QueryParameter(max_length=100, pattern=WITHOUT_NUL, description="only with this name"),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[FrozenOut]:
        """List frozen leaderboards, newest first; versions of a name count up."""
        del actor
        rows = await leaderboards.frozen(
            reading, name=name, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, lambda row: FrozenOut.of(*row), lambda row: row[0].id)

    @get("/leaderboards/{leaderboard_id:int}", summary="Get a frozen leaderboard")
    async def one(
        self, actor: CurrentActor, reading: ReadSession, leaderboard_id: LeaderboardId
    ) -> FrozenOut:
        """Return the criteria, the time and the author of a frozen leaderboard."""
        del actor
        return FrozenOut.of(*await leaderboards.get(reading, leaderboard_id))

    @get(
        "/leaderboards/{leaderboard_id:int}/standings",
        summary="List the entries of a frozen leaderboard",
    )
    async def standings(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        leaderboard_id: LeaderboardId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[StandingOut]:
        """List the entries as frozen, best first."""
        del actor
        rows = await leaderboards.entries(
            reading, leaderboard_id, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, StandingOut.of, lambda entry: entry.position)
