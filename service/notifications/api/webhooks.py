"""Webhooks of the actor and their deliveries."""

from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter, SkipValidation

from service.models import LARGEST_ID
from service.notifications import webhooks
from service.notifications.schemas import DeliveryOut, NewWebhook, WebhookMade, WebhookOut
from service.web.dependencies import AppRequest, CurrentActor, ReadSession, WriteSession
from service.web.parameters import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    decode_body,
    decode_id_cursor,
    paginate,
)
from service.web.schemas import Page

WebhookId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the webhook's id")]
DeliveryId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID, description="the delivery's id")]


class Webhooks(Controller):
    """Webhooks."""

    path = "/webhooks"
    tags = ("Webhooks",)

    @post(summary="Register a webhook")
    async def register(
        self,
        request: AppRequest,
        actor: CurrentActor,
        writing: WriteSession,
        data: JSONBody[SkipValidation[NewWebhook]],
    ) -> WebhookMade:
        """Send future events to an address; the response shows its secret once."""
        data = await decode_body(request, NewWebhook)
        row = await webhooks.register(
            writing,
            actor,
            url=data.url,
            events=data.events,
            set_slug=data.set,
            moved_by=data.moved_by,
            private=request.app.state.settings.private_networks,
        )
        return WebhookMade.of(row)

    @get(summary="List my webhooks")
    async def listing(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[WebhookOut]:
        """My webhooks, oldest first."""
        rows = await webhooks.listing(
            reading, actor, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, WebhookOut.of, lambda row: row.id)

    @get("/{webhook_id:int}", summary="Get a webhook of mine")
    async def one(
        self, actor: CurrentActor, reading: ReadSession, webhook_id: WebhookId
    ) -> WebhookOut:
        """A webhook, and whether it was disabled after failures."""
        return WebhookOut.of(await webhooks.get(reading, actor, webhook_id))

    @delete("/{webhook_id:int}", summary="Remove a webhook of mine", status_code=204)
    async def remove(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> None:
        """Stop deliveries to its address."""
        await webhooks.remove(writing, actor, webhook_id)

    @post("/{webhook_id:int}/enabling", summary="Enable a webhook of mine", status_code=200)
    async def enable(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> WebhookOut:
        """Resume deliveries to a disabled webhook; events in between are not delivered."""
        return WebhookOut.of(await webhooks.enable(writing, actor, webhook_id))

    @get("/{webhook_id:int}/deliveries", summary="List a webhook's deliveries")
    async def deliveries(
        self,
        actor: CurrentActor,
        reading: ReadSession,
        webhook_id: WebhookId,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Page[DeliveryOut]:
        """Its deliveries, newest first, with all attempts."""
        rows = await webhooks.deliveries(
            reading, actor, webhook_id, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, lambda row: DeliveryOut.of(*row), lambda row: row[0].id)

    @post(
        "/{webhook_id:int}/deliveries/{delivery_id:int}/redelivery",
        summary="Deliver again",
        status_code=202,
    )
    async def redeliver(
        self,
        actor: CurrentActor,
        writing: WriteSession,
        webhook_id: WebhookId,
        delivery_id: DeliveryId,
    ) -> DeliveryOut:
        """Send a delivery again under the same id at the worker's next poll."""
        return DeliveryOut.of(*await webhooks.redeliver(writing, actor, webhook_id, delivery_id))
