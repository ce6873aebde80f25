"""The charts: Vega-Lite specifications, built with Altair from plain data.

Every chart takes its data as JSON types and a `ChartStyle`, and returns a specification that
browsers and the renderer draw identically. Only the rendering process imports this module, since
Altair takes seconds to load.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt

from service.text.formatting import percent, stated_percent

Spec = dict[str, Any]
Rows = Sequence[dict[str, Any]]

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
STEP: Final = "step-after"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme; those of the pages' stylesheet."""

    ink: str
    quiet: str
    rule: str
    crowd: str
    mine: str
    yes: str
    no: str
    pools: tuple[str, ...]


THEMES: Final = {
    "light": Palette(
        ink="#1c2126",
        quiet="#5c646c",
        rule="#e4e1d9",
        crowd="#0f5f7d",
        mine="#9a4a0f",
        yes="#1f6f43",
        no="#a1343c",
        pools=("#6b4fa0", "#8a6d00", "#3f7d20", "#b0307a", "#46606e", "#7a4b2b"),
    ),
    "dark": Palette(
        ink="#e8e6e1",
        quiet="#a3abb2",
        rule="#2c3238",
        crowd="#6cc0de",
        mine="#eda66b",
        yes="#7cc79a",
        no="#ef8d94",
        pools=("#b7a1e8", "#d9bd5a", "#9bcf7d", "#ea8fc3", "#a9bcc8", "#d0a585"),
    ),
}


@dataclass(frozen=True, slots=True)
class ChartStyle:
    """The theme of a chart and its size in pixels.

    A width of None fills the container.
    """

    theme: str = "light"
    width: int | None = None
    height: int = 280


def history(data: dict[str, Any], look: ChartStyle) -> Spec:
    """The aggregate with its credible band over time, pools, own forecasts and the resolution.

    Args:
        data: `points` (at, probability, lower, upper, forecasters), `pools` (at, method,
            probability), `mine` (at, probability), `opens`, `ends`, `level` and `resolution` (at,
            outcome) or None; every `at` in ISO 8601, probabilities in [0, 1].
        look: theme and size.
    """
    colours = THEMES[look.theme]
    domain = [data["opens"], data["ends"]]
    time = alt.X(
        "at:T", title=None, scale=alt.Scale(domain=domain), axis=alt.Axis(format=_dated(*domain))
    )
    value = _probability("probability:Q")
    said = [alt.Tooltip("at:T", title="from", format="%d %B %Y, %H:%M"), _shown("probability")]
    whole = f"{stated_percent(data['level'])} interval"
    layers: list[alt.Chart] = []
    if data["points"]:
        points = alt.Chart(_values(_texts(data["points"], "probability", "lower", "upper")))
        layers += [
            points.mark_area(interpolate=STEP, opacity=0.18, color=colours.crowd).encode(
                x=time,
                y=_probability("lower:Q"),
                y2="upper:Q",
                tooltip=[
                    *said,
                    _shown("lower", f"{whole} from"),
                    _shown("upper", f"{whole} to"),
                    "forecasters:Q",
                ],
            ),
            points.mark_line(interpolate=STEP, strokeWidth=2.2, color=colours.crowd).encode(
                x=time, y=value, tooltip=said
            ),
        ]
    if data["pools"]:
        names = sorted({row["method"] for row in data["pools"]})
        layers.append(
            alt.Chart(_values(_texts(data["pools"], "probability")))
            .mark_line(interpolate=STEP, strokeWidth=1.4)
            .encode(
                x=time,
                y=value,
                color=alt.Color(
                    "method:N",
                    scale=alt.Scale(domain=names, range=list(colours.pools[: len(names)])),
                    legend=alt.Legend(title=None, orient="bottom", columns=3),
                ),
                strokeDash=alt.StrokeDash("method:N", legend=None),
                tooltip=[alt.Tooltip("method:N", title="pool"), *said],
            )
        )
    if data["mine"]:
        mine = alt.Chart(_values(_texts(data["mine"], "probability", written=stated_percent)))
        layers += [
            mine.mark_line(
                interpolate=STEP, strokeWidth=1.4, strokeDash=[4, 3], color=colours.mine
            ).encode(x=time, y=value),
            mine.transform_filter("datum.made")
            .mark_point(filled=True, size=55, color=colours.mine, opacity=1)
            .encode(x=time, y=value, tooltip=said),
        ]
    if data["resolution"]:
        answer = {"yes": (1.0, colours.yes), "no": (0.0, colours.no)}
        height, colour = answer.get(data["resolution"]["outcome"], (None, colours.quiet))
        row = data["resolution"] | {"probability": height}
        ends = alt.Chart(_values([row]))
        layers.append(ends.mark_rule(strokeDash=[2, 3], color=colour).encode(x="at:T"))
        if height is not None:
            layers.append(
                ends.mark_point(filled=True, size=140, shape="diamond", color=colour).encode(
                    x="at:T", y="probability:Q", tooltip=["outcome:N", *said[:1]]
                )
            )
    return _finished(layers or [_empty(time, value)], look)


def histogram(data: dict[str, Any], look: ChartStyle) -> Spec:
    """The active forecasts in 20 bins of 5 percentage points, with the aggregate.

    Args:
        data: `bins` (lower, upper, forecasters); `aggregate` and `mine`, probabilities or None.
        look: theme and size.
    """
    colours = THEMES[look.theme]
    across = alt.X(
        "lower:Q",
        bin="binned",
        title=None,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], grid=False),
    )
    most = max((one["forecasters"] for one in data["bins"]), default=0)
    bars = (
        alt.Chart(_values(_texts(data["bins"], "lower", "upper")))
        .mark_bar(color=colours.crowd, opacity=0.55, binSpacing=1.5)
        .encode(
            x=across,
            x2="upper:Q",
            y=alt.Y(
                "forecasters:Q",
                title=None,
                axis=alt.Axis(format="d", values=list(range(0, most + 1, max(1, most // 3)))),
                scale=alt.Scale(domain=[0, max(most, 1)]),
            ),
            tooltip=[_shown("lower", "from"), _shown("upper", "to"), "forecasters:Q"],
        )
    )
    layers = [bars]
    marks = (
        ("aggregate", colours.crowd, [1, 0], percent),
        ("mine", colours.mine, [4, 3], stated_percent),
    )
    for name, colour, dash, written in marks:
        if data[name] is not None:
            layers.append(
                alt.Chart(_values(_texts([{"lower": data[name]}], "lower", written=written)))
                .mark_rule(color=colour, strokeWidth=2.2, strokeDash=dash)
                .encode(x="lower:Q", tooltip=[_shown("lower", name)])
            )
    return _finished(layers, look)


def reading(data: dict[str, Any], look: ChartStyle) -> Spec:
    """The probability of an implication over time, with its interval.

    Args:
        data: `points` (at, probability, lower, upper).
        look: theme and size.
    """
    colours = THEMES[look.theme]
    points = alt.Chart(_values(_texts(data["points"], "probability")))
    domain = [data["points"][0]["at"], data["points"][-1]["at"]] if data["points"] else None
    axis = alt.Axis(format=_dated(*domain)) if domain else alt.Axis()
    time = alt.X("at:T", title=None, axis=axis)
    said = [alt.Tooltip("at:T", title="on", format="%d %B %Y"), _shown("probability")]
    return _finished(
        [
            points.mark_area(opacity=0.18, color=colours.crowd).encode(
                x=time, y=_probability("lower:Q"), y2="upper:Q"
            ),
            points.mark_line(strokeWidth=2.2, color=colours.crowd).encode(
                x=time, y=_probability("probability:Q"), tooltip=said
            ),
        ],
        look,
    )


def reliability(data: dict[str, Any], look: ChartStyle) -> Spec:
    """The observed frequency of events against their forecast probability.

    Args:
        data: `curve` (forecast, frequency), `groups` (forecast, frequency, forecasts): the flat
            segments of the curve at their mean forecast, and `band` (forecast, lower, upper): the
            region of the curve if the forecasts are calibrated.
        look: theme and size.
    """
    colours = THEMES[look.theme]
    across = alt.X(
        "forecast:Q",
        title="said",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], grid=False),
    )
    up = _probability("frequency:Q", "happened")
    diagonal = alt.Chart(_values([{"forecast": end, "frequency": end} for end in (0, 1)]))
    curve = alt.Chart(_values(_texts(data["curve"], "forecast")))
    layers = [
        alt.Chart(_values(data["band"]))
        .mark_area(opacity=0.14, color=colours.quiet)
        .encode(x=across, y=_probability("lower:Q", "happened"), y2="upper:Q"),
        diagonal.mark_line(strokeDash=[4, 4], strokeWidth=1, color=colours.quiet).encode(
            x=across, y=up
        ),
        curve.mark_line(strokeWidth=1.4, opacity=0.7, color=colours.crowd).encode(x=across, y=up),
        curve.mark_tick(thickness=1, size=8, yOffset=-4, color=colours.crowd, opacity=0.45).encode(
            x=across, y=alt.datum(0), tooltip=[_shown("forecast", "said")]
        ),
        alt.Chart(_values(_texts(data["groups"], "forecast", "frequency")))
        .mark_point(filled=True, color=colours.crowd, opacity=1)
        .encode(
            x=across,
            y=up,
            size=alt.Size("forecasts:Q", legend=None, scale=alt.Scale(range=[40, 320])),
            tooltip=[_shown("forecast", "said"), _shown("frequency", "happened"), "forecasts:Q"],
        ),
    ]
    return _finished(layers, look)


CHARTS: Final[dict[str, Callable[[dict[str, Any], ChartStyle], Spec]]] = {
    chart.__name__: chart for chart in (history, histogram, reading, reliability)
}


def _dated(begins: str, ends: str) -> str:
    """Return the time format of an axis: days, or hours too for spans within three days."""
    long = datetime.fromisoformat(ends) - datetime.fromisoformat(begins) > timedelta(days=3)
    return "%-d %b" if long else "%-d %b %H:%M"


def _probability(field: str, title: str | None = None) -> alt.Y:
    return alt.Y(
        field,
        title=title,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
    )


def _shown(field: str, title: str | None = None) -> alt.Tooltip:
    """Return the tooltip of a probability, with the text from `_texts`."""
    return alt.Tooltip(f"{field}_text:N", title=title or field)


def _texts(rows: Rows, *fields: str, written: Callable[[float], str] = percent) -> Rows:
    """Add text versions of probabilities to rows, since browsers would round them differently."""
    return [row | {f"{field}_text": written(row[field]) for field in fields} for row in rows]


def _values(rows: Rows) -> alt.Data:
    return alt.InlineData(values=list(rows))


def _empty(time: alt.X, value: alt.Y) -> alt.Chart:
    empty: alt.Chart = alt.Chart(_values([])).mark_point().encode(x=time, y=value)
    return empty


def _finished(layers: Sequence[alt.Chart], look: ChartStyle) -> Spec:
    colours = THEMES[look.theme]
    chart = (
        alt.layer(*layers)
        .properties(width=look.width or "container", height=look.height)
        .configure(background="transparent", font=FONT, padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=colours.quiet,
            titleColor=colours.quiet,
            gridColor=colours.rule,
            domainColor=colours.rule,
            tickColor=colours.rule,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            labelFlush=True,
        )
        .configure_axisX(grid=False, tickCount=4 if look.width else 7)
        .configure_legend(labelColor=colours.ink, labelFontSize=12, symbolType="stroke")
    )
    spec: Spec = chart.to_dict()
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec
