"""Charts of backtests and of the model's checks, written as SVG or PNG.

Importing this module imports Altair, which takes a second.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import altair as alt
import numpy as np
import vl_convert
from scipy import stats

from forecasting.backtest import MODEL, Row
from forecasting.files import replacing

KINDS: Final = (".svg", ".png")
_BETTER, _WORSE, _LEVEL = "#0f5f7d", "#a1343c", "#8a9097"
_FONT: Final = "DejaVu Sans, Liberation Sans, Arial, sans-serif"
_SCALE = 2.0
_BINS = 10


def behind(rows: Sequence[Row]) -> Any:
    """Draw how far each method's mean log score is behind the model's, with its interval.

    To the right of zero the model is better; an interval that excludes zero is coloured.
    """
    values = [
        {
            "method": row.method,
            "behind": row.behind,
            "lower": row.lower,
            "upper": row.upper,
            "verdict": "model better"
            if row.lower > 0.0
            else ("model worse" if row.upper < 0.0 else "undecided"),
        }
        for row in sorted(rows, key=lambda row: row.behind)
        if row.method != MODEL
    ]
    order = [str(value["method"]) for value in values]
    base = _chart(values).encode(
        y=alt.Y("method:N", sort=order, title=None),
        color=alt.Color(
            "verdict:N",
            title="95% interval",
            scale=alt.Scale(
                domain=["model better", "undecided", "model worse"],
                range=[_BETTER, _LEVEL, _WORSE],
            ),
        ),
    )
    title = "mean log score behind the model's, in nats"
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=title), x2=alt.X2("upper:Q")
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("behind:Q", title=title)
    )
    zero = _chart([{"behind": 0.0}]).mark_rule().encode(x="behind:Q")
    return alt.layer(zero, interval, point).properties(width=480)


def ranks(found: Mapping[str, Sequence[float]]) -> Any:
    """Draw the ranks of true parameters among draws, in (0, 1), which should be uniform.

    The dashed lines contain 99% of the bars of independent uniform ranks.
    """
    values = []
    for name, many in found.items():
        count, edges = np.histogram(many, _BINS, (0.0, 1.0))
        lower, upper = stats.binom.interval(0.99, len(many), 1.0 / _BINS)
        values += [
            {"parameter": name, "from": start, "to": end, "zero": 0, "count": size}
            | {"lower": float(lower), "upper": float(upper)}
            for start, end, size in zip(
                edges[:-1].tolist(), edges[1:].tolist(), count.tolist(), strict=True
            )
        ]
    base = _chart(values)
    bars = base.mark_bar(color=_BETTER).encode(
        x=alt.X("from:Q", title="rank", scale=alt.Scale(domain=[0, 1])),
        x2="to:Q",
        y=alt.Y("count:Q", title="panels"),
        y2="zero:Q",
    )
    ends = [base.mark_rule(strokeDash=[4, 3]).encode(y=f"{end}:Q") for end in ("lower", "upper")]
    drawn = alt.layer(bars, *ends).properties(width=170, height=110)
    return drawn.facet(facet=alt.Facet("parameter:N", title=None), columns=4).resolve_scale(
        y="independent"
    )


def _chart(values: Sequence[Mapping[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(values)))


def write(chart: Any, path: str | os.PathLike[str]) -> None:
    """Write a chart as SVG or PNG, depending on the file name.

    Raises:
        ValueError: a name that ends in neither .svg nor .png.
        OSError: a file that cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in KINDS:
        raise ValueError(f"{target}: a chart's file ends in {' or '.join(KINDS)}")
    spec = chart.configure(font=_FONT, background="white").to_dict()
    with replacing(target) as (file,):
        if target.suffix.lower() == ".svg":
            file.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
        else:
            file.write_bytes(vl_convert.vegalite_to_png(spec, scale=_SCALE))
