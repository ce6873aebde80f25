"""Question cards: questions in a list, each with its community forecast."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.permissions import Actor
from service.questions import reminders
from service.questions.aggregates import AggregateEstimate, Aggregator
from service.questions.questions import View


@dataclass(frozen=True, slots=True)
class Card:
    """A question in a list; `change` is its movement over the past week, if known."""

    view: View
    reading: AggregateEstimate
    change: float | None


async def cards(
    session: AsyncSession, aggregator: Aggregator, actor: Actor, views: Sequence[View]
) -> list[Card]:
    """Build cards with the current aggregates that the actor may see."""
    readings = await aggregator.current(session, actor, views)
    before = await reminders.week_ago(session, [view.id for view in views], now())
    return [
        Card(view, reading, _change(reading, before.get(view.id)))
        for view in views
        for reading in [readings[view.id]]
    ]


def _change(reading: AggregateEstimate, before: float | None) -> float | None:
    if reading.probability is None or before is None:
        return None
    return reading.probability - before
