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
        """Events of the set's questions as an Atom feed, the newest 100 entries first.

        Covers questions that opened, close within 24 hours, closed or were resolved, and
        resolutions that were taken back. Clients with a session cookie find the same feed at
        `/sets/{slug}/feed.atom`.
        """
        del actor
        site = security.site(request)
        told = await feeds.of_set(reading, slug, site=site, address=f"{site}{request.url.path}")
        return Response(told, media_type=feeds.MEDIA_TYPE)
