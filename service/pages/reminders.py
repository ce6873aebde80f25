"""Reminders: questions that close soon and await the reader's forecast."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final

from litestar import Controller, get
from litestar.params import QueryParameter
from litestar.response import Template

from service.clock import now
from service.models import LARGEST_ID
from service.pages.cards import Card, cards
from service.pages.rendering import page
from service.pages.visitors import require_someone
from service.questions import reminders
from service.questions.dependencies import AggregatorDep
from service.questions.reminders import Reminder, ReminderReason
from service.web.dependencies import AppRequest, CurrentActor, ReadSession

LISTED: Final = 50
CHOICES: Final = {24: "a day", 48: "two days", 168: "a week"}
HEADINGS: Final = {
    ReminderReason.expired: "Your forecast has expired",
    ReminderReason.withdrawn: "You withdrew your forecast",
    ReminderReason.never: "You have not forecast yet",
}


class Reminders(Controller):
    """Reminders."""

    path = "/account/reminders"

    @get()
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        hours: Annotated[int, QueryParameter(ge=1, le=8760)] = 48,
        after: Annotated[int, QueryParameter(ge=0, le=LARGEST_ID)] = 0,
    ) -> Template:
        """List open questions closing within so many hours without an active forecast."""
        require_someone(actor)
        at = now()
        found = await reminders.closing(
            reading, actor.id, at, within=timedelta(hours=hours), after=after, limit=LISTED + 1
        )
        shown = found[:LISTED]
        views = [one.view for one in shown]
        return page(
            request,
            actor,
            "reminders.html",
            at=at,
            hours=hours,
            choices=CHOICES,
            groups=_grouped(shown, await cards(reading, aggregator, actor, views)),
            following=shown[-1].view.id if found[LISTED:] else None,
        )


def _grouped(found: Sequence[Reminder], shown: Sequence[Card]) -> dict[str, list[Card]]:
    """Group the cards by reminder reason, under their headings."""
    groups = {
        reason: [
            card for reminder, card in zip(found, shown, strict=True) if reminder.why is reason
        ]
        for reason in HEADINGS
    }
    return {HEADINGS[reason]: group for reason, group in groups.items() if group}
