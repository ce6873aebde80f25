"""The feed of a set."""

from litestar import Controller, Response, get

from service.notifications import feeds
from service.web import security
from service.web.dependencies import AppRequest, CurrentActor, ReadSession
from service.web.parameters import (
    Slug,
)


class Feeds(Controller):
    """The feed of a set."""

    path = "/sets"
    tags = ("Sets",)

    @get("/{slug:str}/feed", media_type=feeds.MEDIA_TYPE, summary="Get a set's feed")
    async def feed(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession, slug: Slug
    ) -> Response[str]:
        """What happened to the set's questions as an Atom feed, the newest 100 entries first.

        Questions that opened, close within 24 hours, closed, were resolved, or whose resolution
        was taken back. Readers that keep cookies find the same at `/sets/{slug}/feed.atom`.
        """
        del actor
        site = security.site(request)
        told = await feeds.of_set(reading, slug, site=site, address=f"{site}{request.url.path}")
        return Response(told, media_type=feeds.MEDIA_TYPE)
