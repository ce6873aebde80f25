"""Chart rendering in a separate process, so that Altair and its renderer do not block requests.

The process starts with the first chart and is stateless; results are cached here by content.
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
    """The formats of a chart: images and its Vega-Lite specification."""

    svg = "svg"
    png = "png"
    json = "json"

    @property
    def media_type(self) -> str:
        """Return the media type."""
        return {"svg": "image/svg+xml", "png": "image/png", "json": "application/json"}[self]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A rendered chart and its entity tag, which identifies its bytes."""

    body: bytes
    tag: str


class ChartRenderer:
    """Renders charts; one instance per application."""

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
        """Render a chart of `service.web.chart_specs` by name.

        Args:
            chart: its name.
            data: its data, as JSON types.
            form: the output format.
            theme: light or dark.
            width: in pixels; None fills the container.
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
        """Return the script that renders specifications in a browser, built once."""
        if self._bundle is None or (self._bundle.done() and self._bundle.exception()):
            self._bundle = asyncio.ensure_future(self._process.run(_make_bundle))
        return await asyncio.shield(self._bundle)

    def close(self) -> None:
        """End the process, if one was started."""
        self._process.close()


def bundle_version() -> str:
    """Return the version in the bundle's address, so that browsers may cache it for ever."""
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
