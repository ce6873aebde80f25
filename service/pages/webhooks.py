"""The reader's webhooks: endpoints, their events and deliveries."""

from typing import Annotated, Any, Final

from litestar import Controller, get, post
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from service.exceptions import Problem
from service.models import LARGEST_ID, Webhook
from service.notifications import webhooks
from service.notifications.webhooks import Event
from service.pages.forms import ByField, Form, chance, read_form
from service.pages.rendering import confirmed, page
from service.pages.visitors import require_someone
from service.permissions import Actor
from service.questions import questions
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession

LISTED: Final = 25
MOST_SETS: Final = 200
MEANINGS: Final = {
    Event.opened: "a question opens",
    Event.closing_soon: "a question closes within a day",
    Event.closed: "a question has closed",
    Event.resolved: "a question is resolved",
    Event.unresolved: "a resolution is withdrawn",
    Event.moved: "the community forecast has moved",
}
CONFIRMATIONS: Final = {
    "removed": "The webhook has been removed.",
    "enabled": "The webhook is enabled again for new events.",
    "redelivered": "The worker will resend the delivery shortly.",
}
WebhookId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
DeliveryId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


class Webhooks(Controller):
    """Webhook endpoints and deliveries."""

    path = "/account/webhooks"

    @get()
    async def listing(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        done: FromQuery[str] = "",
    ) -> Template:
        """List the reader's webhooks, with the form to register another."""
        require_someone(actor)
        form = Form(ByField({Event.resolved: "yes", "moved_by": "5"}))
        shown = await _shown(reading, actor)
        return page(
            request,
            actor,
            "webhooks.html",
            form=form,
            made=None,
            told=CONFIRMATIONS.get(done),
            **shown,
        )

    @post(status_code=200)
    async def register(
        self, request: AppRequest, actor: CurrentActor, writing: WriteSession
    ) -> Template:
        """Register a webhook and show its signing secret once."""
        require_someone(actor)
        form = await read_form(request)
        made, status = None, 200
        try:
            async with writing.begin_nested():
                made = await webhooks.register(
                    writing,
                    actor,
                    url=form.text("url").strip(),
                    events=[event for event in Event if form.text(event)],
                    set_slug=form.text("set") or None,
                    moved_by=chance(form.text("moved_by"), field="moved_by"),
                    private=request.app.state.settings.private_networks,
                )
        except Problem as problem:
            form.refuse(problem)
            status = problem.status
        shown = await _shown(writing, actor)
        return page(request, actor, "webhooks.html", status=status, form=form, made=made, **shown)

    @get("/{webhook_id:int}")
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        webhook_id: WebhookId,
        before: Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)] = None,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show a webhook's deliveries with every attempt."""
        require_someone(actor)
        rows = await webhooks.deliveries(
            reading, actor, webhook_id, before=before, limit=LISTED + 1
        )
        return page(
            request,
            actor,
            "webhook.html",
            webhook=await webhooks.get(reading, actor, webhook_id),
            deliveries=rows[:LISTED],
            following=rows[LISTED - 1][0].id if rows[LISTED:] else None,
            meanings=MEANINGS,
            told=CONFIRMATIONS.get(done),
        )

    @post("/{webhook_id:int}/removal", status_code=303)
    async def remove(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> Redirect:
        """Remove a webhook."""
        require_someone(actor)
        await webhooks.remove(writing, actor, webhook_id)
        return confirmed("/account/webhooks", "removed")

    @post("/{webhook_id:int}/enabling", status_code=303)
    async def enable(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> Redirect:
        """Enable a disabled webhook again."""
        require_someone(actor)
        await webhooks.enable(writing, actor, webhook_id)
        return confirmed(f"/account/webhooks/{webhook_id}", "enabled")

    @post("/{webhook_id:int}/deliveries/{delivery_id:int}/redelivery", status_code=303)
    async def redeliver(
        self,
        actor: CurrentActor,
        writing: WriteSession,
        webhook_id: WebhookId,
        delivery_id: DeliveryId,
    ) -> Redirect:
        """Send a delivery again."""
        require_someone(actor)
        await webhooks.redeliver(writing, actor, webhook_id, delivery_id)
        return confirmed(f"/account/webhooks/{webhook_id}", "redelivered")


async def _shown(session: AsyncSession, actor: Actor) -> dict[str, Any]:
    held: list[Webhook] = list(await webhooks.listing(session, actor, after=0, limit=webhooks.MOST))
    return {
        "webhooks": held,
        "most": webhooks.MOST,
        "sets": await questions.sets(session, after=0, limit=MOST_SETS),
        "meanings": MEANINGS,
    }
