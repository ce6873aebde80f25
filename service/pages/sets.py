"""A document's page, and the trend of an implication."""

from typing import Annotated, Final

from litestar import Controller, Response, get
from litestar.params import FromQuery, PathParameter
from litestar.response import Template

from service.clock import now
from service.exceptions import NotFound
from service.fits import health
from service.implications import implications
from service.notifications import feeds
from service.pages.filters import trend_said
from service.pages.rendering import page
from service.questions import questions
from service.questions.dependencies import AggregatorDep
from service.web import security
from service.web.dependencies import WITHOUT_NUL, AppRequest, CurrentActor, ReadSession
from service.web.etags import EntityTags

TREND_POINTS: Final = 24
SMALL_TREND_POINTS: Final = 14

CONFIRMATIONS: Final = {
    "loaded": "The set has been loaded, and forecasters can now see its questions."
}
Slug = Annotated[str, PathParameter(max_length=100, pattern=WITHOUT_NUL)]


class Sets(Controller):
    """Documents."""

    path = "/sets/{slug:str}"

    @get()
    async def one(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        done: FromQuery[str] = "",
    ) -> Template:
        """Show a document's implications and their probabilities."""
        found = await questions.find_set(reading, slug)
        lines = await implications.board(reading, aggregator, actor, found)
        return page(
            request,
            actor,
            "set.html",
            set=found,
            at=now(),
            lines=lines,
            trends=await implications.trends(
                reading, aggregator, actor, found, points=SMALL_TREND_POINTS
            ),
            summary=implications.summary(lines),
            hidden=sum(line.point.hidden for line in lines),
            questions=await questions.count(reading, found.id),
            trust=await health.model_health(reading, aggregator),
            told=CONFIRMATIONS.get(done),
        )

    @get("/feed.atom", middleware=[EntityTags()])
    async def feed(
        self, request: AppRequest, actor: CurrentActor, reading: ReadSession, slug: Slug
    ) -> Response[str]:
        """Return the Atom feed of events on a document's questions."""
        del actor
        site = security.site(request)
        feed = await feeds.of_set(reading, slug, site=site, address=f"{site}{request.url.path}")
        return Response(feed, media_type=feeds.MEDIA_TYPE)

    @get("/implications/{implication:str}")
    async def implication(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        implication: Slug,
    ) -> Template:
        """Show an implication's probability since its first forecast."""
        found = await questions.find_set(reading, slug)
        lines = await implications.board(reading, aggregator, actor, found)
        line = next((one for one in lines if one.implication.slug == implication), None)
        if line is None:
            raise NotFound(f"set {slug!r} has no implication {implication!r}")
        known = await implications.past(
            reading, aggregator, actor, found, implication, as_of=None, points=TREND_POINTS
        )
        points = [point for point in known if point.reading]
        return page(
            request,
            actor,
            "implication.html",
            set=found,
            at=now(),
            line=line,
            implication=line.implication,
            points=points,
            story=trend_said(points),
        )
