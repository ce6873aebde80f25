"""The API of notifications: one module per resource."""

from litestar import Router

from service.notifications.api import feeds, webhooks

router = Router(
    path="/",
    route_handlers=[
        feeds.Feeds,
        webhooks.Webhooks,
    ],
)
