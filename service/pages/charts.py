"""Charts at stable addresses, as SVG, PNG and Vega-Lite specifications."""

from typing import Any, Final, Literal

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromQuery

from forecasting import pooling
from service.implications import implications
from service.pages.questions import Pools, QuestionId, history_data
from service.pages.rendering import BUNDLE
from service.pages.sets import TREND_POINTS, Slug
from service.questions import history, questions
from service.questions.dependencies import AggregatorDep
from service.web.caching import FOR_EVER
from service.web.chart_rendering import ImageFormat
from service.web.dependencies import AppRequest, CurrentActor, ReadSession

Theme = Literal["light", "dark"]
Size = Literal["wide", "narrow"]
WIDTHS: Final = {"wide": 720, "narrow": 340}
HEIGHTS: Final = {
    "history": {"wide": 300, "narrow": 260},
    "histogram": {"wide": 150, "narrow": 150},
    "reading": {"wide": 280, "narrow": 240},
    "reliability": {"wide": 440, "narrow": 320},
}


def addresses(chart: str) -> list[str]:
    """Return the paths of a chart, one per format."""
    return [f"{chart}.{form}" for form in ImageFormat]


class Charts(Controller):
    """Charts of a question and of an implication."""

    @get(addresses("/questions/{question_id:int}/history"))
    async def history(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        pool: Pools = None,
        theme: FromQuery[Theme] = "light",
        size: FromQuery[Size] = "wide",
    ) -> Response[bytes]:
        """Chart the history of a question's aggregate."""
        view = await questions.get(reading, question_id, actor=actor)
        chosen = [one for one in pool or [] if one in pooling.POOLS]
        story = await history.load(reading, actor, view, pools=chosen)
        present = (await aggregator.current(reading, actor, [view]))[view.id]
        data = history_data(view, story, present, aggregator.level)
        return await drawn(request, "history", data, theme, size)

    @get(addresses("/questions/{question_id:int}/histogram"))
    async def histogram(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        question_id: QuestionId,
        theme: FromQuery[Theme] = "light",
        size: FromQuery[Size] = "wide",
    ) -> Response[bytes]:
        """Chart the distribution of the active forecasts on a question."""
        view = await questions.get(reading, question_id, actor=actor)
        story = await history.load(reading, actor, view)
        present = (await aggregator.current(reading, actor, [view]))[view.id]
        data = {
            "bins": msgspec.to_builtins(story.bins),
            "aggregate": present.probability if story.forecasters else None,
            "mine": story.standing,
        }
        return await drawn(request, "histogram", data, theme, size)

    @get(addresses("/sets/{slug:str}/implications/{implication:str}/trend"))
    async def trend(
        self,
        request: AppRequest,
        actor: CurrentActor,
        reading: ReadSession,
        aggregator: AggregatorDep,
        slug: Slug,
        implication: Slug,
        theme: FromQuery[Theme] = "light",
        size: FromQuery[Size] = "wide",
    ) -> Response[bytes]:
        """Chart an implication's probability over time."""
        found = await questions.find_set(reading, slug)
        known = await implications.past(
            reading, aggregator, actor, found, implication, as_of=None, points=TREND_POINTS
        )
        points = [
            {"at": point.at.isoformat()} | msgspec.to_builtins(point.reading)
            for point in known
            if point.reading
        ]
        return await drawn(request, "reading", {"points": points}, theme, size)


@get(BUNDLE, media_type="text/javascript")
async def bundle(request: AppRequest) -> Response[bytes]:
    """Serve the script that renders charts in a browser; its address contains its version."""
    return Response(
        await request.app.state.drawer.bundle(),
        media_type="text/javascript",
        headers={"Cache-Control": FOR_EVER},
    )


async def drawn(
    request: AppRequest, chart: str, data: dict[str, Any], theme: str, size: str
) -> Response[bytes]:
    """Render a chart as a response that browsers revalidate by ETag."""
    form = ImageFormat(request.url.path.rpartition(".")[2])
    drawing = await request.app.state.drawer.draw(
        chart,
        data,
        form,
        theme=theme,
        width=None if form is ImageFormat.json else WIDTHS[size],
        height=HEIGHTS[chart][size],
    )
    headers = {"ETag": f'"{drawing.tag[:32]}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(b"", status_code=304, headers=headers)
    return Response(drawing.body, media_type=form.media_type, headers=headers)
