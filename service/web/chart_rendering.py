"""Drawing charts in a process of its own, so that neither Altair nor its renderer stalls the rest.

The process starts with the first chart, and keeps nothing; what it drew is kept here by content.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any, Final

import msgspec

from service.database.cache import remember
from service.web.processes import ChildProcess

KEPT_DRAWINGS: Final = 256
PNG_SCALE: Final = 2


class ImageFormat(StrEnum):
    """What a chart can be had as: a picture, or the Vega-Lite specification of it."""

    svg = "svg"
    png = "png"
    json = "json"

    @property
    def media_type(self) -> str:
        """What HTTP calls it."""
        return {"svg": "image/svg+xml", "png": "image/png", "json": "application/json"}[self]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn chart and its tag: the same tag, the same bytes."""

    body: bytes
    tag: str


class ChartRenderer:
    """Draws; one for an application."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._bundle: asyncio.Future[bytes] | None = None
        self._process = ChildProcess()

    async def draw(
        self,
        chart: str,
        data: dict[str, Any],
        form: ImageFormat,
        *,
        theme: str,
        width: int | None,
        height: int,
    ) -> Drawing:
        """A chart of `service.web.chart_specs` by name.

        Args:
            chart: its name.
            data: what it shows, in JSON's types.
            form: as what.
            theme: light or dark.
            width: in pixels; None fills what holds the chart.
            height: in pixels.
        """
        asked = msgspec.json.encode([chart, data, form, [theme, width, height]])
        tag = hashlib.sha256(asked).hexdigest()
        body = self._kept.get(tag)
        if body is None:
            body = await self._process.run(_draw, asked)
            remember(self._kept, {tag: body}, KEPT_DRAWINGS)
        return Drawing(body, tag)

    async def bundle(self) -> bytes:
        """The script that draws specifications in a browser, made once."""
        if self._bundle is None or (self._bundle.done() and self._bundle.exception()):
            self._bundle = asyncio.ensure_future(self._process.run(_make_bundle))
        return await asyncio.shield(self._bundle)

    def close(self) -> None:
        """End the process, if one was started."""
        self._process.close()


def bundle_version() -> str:
    """What the bundle's address carries, so that a browser may keep it for ever."""
    return version("vl-convert-python")


def _draw(asked: bytes) -> bytes:
    import vl_convert  # noqa: PLC0415  # only this process loads it

    from service.web import chart_specs  # noqa: PLC0415  # as above

    chart, data, form, look = msgspec.json.decode(asked)
    spec = chart_specs.CHARTS[chart](data, chart_specs.ChartStyle(*look))
    if form == ImageFormat.svg:
        return vl_convert.vegalite_to_svg(spec).encode()
    if form == ImageFormat.png:
        return vl_convert.vegalite_to_png(spec, scale=PNG_SCALE)
    return msgspec.json.encode(spec)


def _make_bundle() -> bytes:
    import vl_convert  # noqa: PLC0415  # as above

    made: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return made.encode()
