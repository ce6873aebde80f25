"""Webhooks: one's own, and what they were told."""

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
    """Addresses that are told of events."""

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
        """Tell an address of events from now on; the answer shows its secret, this once."""
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
        """My webhooks, the first first."""
        rows = await webhooks.listing(
            reading, actor, after=decode_id_cursor(cursor) or 0, limit=limit + 1
        )
        return paginate(rows, limit, WebhookOut.of, lambda row: row.id)

    @get("/{webhook_id:int}", summary="Get a webhook of mine")
    async def one(
        self, actor: CurrentActor, reading: ReadSession, webhook_id: WebhookId
    ) -> WebhookOut:
        """A webhook, and whether it was disabled for failing."""
        return WebhookOut.of(await webhooks.get(reading, actor, webhook_id))

    @delete("/{webhook_id:int}", summary="Remove a webhook of mine", status_code=204)
    async def remove(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> None:
        """Tell its address no more."""
        await webhooks.remove(writing, actor, webhook_id)

    @post("/{webhook_id:int}/enabling", summary="Enable a webhook of mine", status_code=200)
    async def enable(
        self, actor: CurrentActor, writing: WriteSession, webhook_id: WebhookId
    ) -> WebhookOut:
        """Tell its address again after it was disabled; what happened meanwhile is not told."""
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
        """What it was told, the newest first, with every attempt."""
        rows = await webhooks.deliveries(
            reading, actor, webhook_id, before=decode_id_cursor(cursor), limit=limit + 1
        )
        return paginate(rows, limit, lambda row: DeliveryOut.of(*row), lambda row: row[0].id)

    @post(
        "/{webhook_id:int}/deliveries/{delivery_id:int}/redelivery",
        summary="Deliver once more",
        status_code=202,
    )
    async def redeliver(
        self,
        actor: CurrentActor,
        writing: WriteSession,
        webhook_id: WebhookId,
        delivery_id: DeliveryId,
    ) -> DeliveryOut:
        """Send a delivery again, under the same id, as soon as the worker looks."""
        return DeliveryOut.of(*await webhooks.redeliver(writing, actor, webhook_id, delivery_id))
