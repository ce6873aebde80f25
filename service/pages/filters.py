"""Template filters: format numbers, times and intervals as text and SVG coordinates."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from service.clock import now
from service.implications.implications import ImplicationSummary, Interval, Point
from service.models import FrozenEntry
from service.questions.aggregates import AggregateEstimate
from service.scoring.leaderboards import LOWER_IS_BETTER, LeaderboardEntry
from service.text.formatting import odds, ordinal, percent, percent_number, points, stated_percent
from service.web import markdown

LONGEST_SHOWN: Final = 200
BROWSERS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox": "Firefox",
    "Chrom": "Chrome",
    "Safari": "Safari",
}
SYSTEMS: Final = {
    "Android": "Android",
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Windows": "Windows",
    "Mac OS": "a Mac",
    "Linux": "Linux",
}
UNITS: Final = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def said(bound: Interval | AggregateEstimate) -> str:
    """Describe a probability and its interval as a text alternative."""
    if bound.lower is None:
        return percent(bound.probability)
    return (
        f"{percent(bound.probability)}, interval {percent(bound.lower)} to {percent(bound.upper)}"
    )


def place(share: float) -> str:
    """Format a fraction of a drawing's width as an SVG percentage."""
    return f"{100 * share:.2f}%"


def line(points: Sequence[Point], end: str = "probability") -> str:
    """Format a trend as SVG points on a 100 by 100 field: time in x, probability in y."""
    first, last = points[0].at, points[-1].at
    length = (last - first) / timedelta(seconds=1) or 1.0
    return " ".join(
        f"{100 * ((one.at - first) / timedelta(seconds=1)) / length:.1f},"
        f"{100 * (1 - getattr(one.reading, end)):.1f}"
        for one in points
    )


def outline(points: Sequence[Point]) -> str:
    """Format the interval of a trend as an SVG polygon: lower bounds, then upper reversed."""
    back = " ".join(reversed(line(points, "upper").split()))
    return f"{line(points, 'lower')} {back}"


def moment(at: datetime) -> str:
    """Format a time in UTC to the minute."""
    return f"{at.day} {at:%b %Y, %H:%M}"


def day(at: date) -> str:
    """Format a date."""
    return f"{at.day} {at:%b %Y}"


def away(at: datetime) -> str:
    """Format a time relative to now, such as `in 3 days` or `2 hours ago`."""
    apart = at - now()
    ahead = apart > timedelta()
    for unit, name in UNITS:
        number = round(abs(apart) / unit)
        if abs(apart) >= unit:
            return f"in {count(number, name)}" if ahead else f"{count(number, name)} ago"
    return "in a moment" if ahead else "just now"


def count(number: int, noun: str) -> str:
    """Format a count with its noun, such as `1 question` or `2,000 questions`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def words(name: str) -> str:
    """Turn an identifier into plain words."""
    return str(name).replace("_", " ").replace("-", " ")


def sentence(text: str) -> str:
    """Capitalize a text and end it with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def web(address: str) -> str:
    """Return a URL if its scheme is HTTP or HTTPS, else an empty string."""
    return address if address.startswith(("https://", "http://")) else ""


def trend_said(points: Sequence[Point]) -> str:
    """Describe an implication's trend as a text alternative."""
    if not points:
        return ""
    first, last = points[0], points[-1]
    if not (first.reading and last.reading):
        return ""
    before, after = percent(first.reading.probability), percent(last.reading.probability)
    return (
        f"The probability that things go as the document says was {before} on {day(first.at)} and "
        f"is {after} now, between {percent(last.reading.lower)} and {percent(last.reading.upper)}."
    )


def forest_said(lines: Sequence[ImplicationSummary]) -> str:
    """Describe a set's implications as a text alternative."""
    read = [line for line in lines if line.point.reading]
    likely = sum(line.point.reading.probability > 0.5 for line in read if line.point.reading)  # noqa: PLR2004  # even
    return (
        f"{count(len(lines), 'implication')}: {len(read)} can be read, "
        f"{likely} of them are more likely than not"
    )


def score(value: float, kind: str) -> str:
    """Format a score with enough decimals to distinguish forecasters."""
    shown = f"{value:.3f}" if kind in LOWER_IS_BETTER else f"{value:.1f}"
    return shown.replace("-", "\N{MINUS SIGN}")


def place_said(standing: LeaderboardEntry | FrozenEntry, among: int) -> str:
    """Format a rank and its interval together, such as `1st to 12th of 384` with a dash.

    Intervals of older frozen leaderboards may exclude the rank; they are stated separately.
    """
    rank, lower, upper = standing.rank, standing.rank_lower, standing.rank_upper
    if lower is None or upper is None or lower == rank == upper:
        return f"{ordinal(rank)} of {among:,}"
    ends = ordinal(lower) if lower == upper else f"{ordinal(lower)}\N{EN DASH}{ordinal(upper)}"
    if lower <= rank <= upper:
        return f"{ends} of {among:,}"
    return f"{ordinal(rank)} of {among:,}, by skill {ends}"


def browser(agent: str) -> str:
    """Shorten a User-Agent header, for example to `Firefox on Linux`."""
    name = next((name for mark, name in BROWSERS.items() if mark in agent), "a browser")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    return f"{name} on {system}" if system else name


def query(asked: dict[str, Any], **more: Any) -> str:
    """Encode filters and further values as a query string, omitting empty values."""
    return urlencode({name: value for name, value in (asked | more).items() if value})


def shortened(value: object) -> str:
    """Truncate a long value of the audit log."""
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


FILTERS: Final = {
    "percent": percent,
    "stated_percent": stated_percent,
    "percent_number": percent_number,
    "points": points,
    "odds": odds,
    "said": said,
    "x": place,
    "line": line,
    "outline": outline,
    "moment": moment,
    "day": day,
    "away": away,
    "count": count,
    "words": words,
    "sentence": sentence,
    "markdown": markdown.mark,
    "shortened": shortened,
    "web": web,
    "query": query,
    "score": score,
    "place_said": place_said,
    "browser": browser,
    "trend_said": trend_said,
    "forest_said": forest_said,
}
