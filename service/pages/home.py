"""The home page: documents at a glance, and the questions that need attention."""

from dataclasses import dataclass
from typing import Final

from litestar import get
from litestar.response import Template

from service.clock import now
from service.fits import health
from service.implications import implications
from service.implications.implications import ImplicationStatus, ImplicationSummary
from service.models import QuestionSet
from service.pages.cards import cards
from service.pages.rendering import page
from service.questions import questions, reminders, search
from service.questions.dependencies import AggregatorDep
from service.questions.questions import State
from service.questions.search import Order
from service.web.dependencies import AppRequest, CurrentActor, ReadSession

LISTED: Final = 6
MOST_SETS: Final = 50


@dataclass(frozen=True, slots=True)
class Board:
    """A document with a summary of its implications."""

    set: QuestionSet
    questions: int
    lines: list[ImplicationSummary]
    summary: dict[ImplicationStatus, int]


@get("/")
async def home(
    request: AppRequest, actor: CurrentActor, reading: ReadSession, aggregator: AggregatorDep
) -> Template:
    """Show documents, and questions that close soon, moved or await the reader's forecast."""
    at = now()
    boards = []
    for found, asked in await questions.sets(reading, after=0, limit=MOST_SETS):
        lines = await implications.board(reading, aggregator, actor, found)
        boards.append(Board(found, asked, lines, implications.summary(lines)))
    closing, moved = [
        await search.page(reading, actor, state=State.open, order=order, limit=LISTED)
        for order in (Order.closes_at, Order.moved)
    ]
    soon = (
        await reminders.closing(reading, actor.id, at, within=reminders.SOON, limit=LISTED)
        if actor.id
        else []
    )
    waiting = await reminders.unanswered(reading, actor.id, at, limit=LISTED) if actor.id else []
    return page(
        request,
        actor,
        "home.html",
        at=at,
        boards=boards,
        closing=await cards(reading, aggregator, actor, closing),
        reminders=await cards(reading, aggregator, actor, [one.view for one in soon]),
        unanswered=await cards(reading, aggregator, actor, waiting),
        moved=[one for one in await cards(reading, aggregator, actor, moved) if one.change],
        trust=await health.model_health(reading, aggregator),
    )
