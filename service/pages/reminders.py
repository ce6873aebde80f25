"""Questions that close soon and wait for someone's forecast."""

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
    ReminderReason.never: "Not forecast by you yet",
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
        """Open questions that close within so many hours, on which nothing of one's own stands."""
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
    """The cards by why they wait, under their headings."""
    of = {
        lack: [card for one, card in zip(found, shown, strict=True) if one.why is lack]
        for lack in HEADINGS
    }
    return {HEADINGS[lack]: held for lack, held in of.items() if held}
