"""Manifold's bets, from its API, its data dump or a derived table, with or without markets.

A bet on a binary market moves the market's probability; the probability after the bet counts as the
trader's forecast.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from forecasting.csv_io import Row, moment
from forecasting.panel import Panel, PanelQuestion
from service.exchange.platforms.platform import FLAGS, Platform, forecaster
from service.exchange.platforms.records import nested, records
from service.exchange.platforms.source import Source

_BET: Final = frozenset({"createdTime", "probAfter"})
_BET_COLUMNS: Final = _BET | {"userId", "contractId"}
_MARKET_COLUMNS: Final = frozenset({"id", "createdTime", "closeTime", "resolution"})
_MARKET: Final = frozenset({"id", "question", "createdTime"})
_BEGAN: Final = moment("2021-12-01")
_END_OF_TIME: Final = int(moment("9999-12-30")) * 1000
_BINARY: Final = ("", "BINARY")
_SHOWN: Final = 40
_OUTCOMES: Final = {"YES": 1.0, "NO": 0.0, "MKT": math.nan, "CANCEL": math.nan, "": math.nan}


def _recognises(source: Source) -> bool:
    return any(_holds(source, name) for name in source.names)


def _holds(source: Source, name: str) -> str:
    """The content of a file: "bets", "markets", "markets with bets", or "" if not from Manifold."""
    keys, columns = source.keys(name), source.header(name)
    if keys >= _BET or columns >= _BET_COLUMNS:
        return "bets"
    if keys >= _MARKET:
        return "markets with bets" if "bets" in keys else "markets"
    return "markets" if columns >= _MARKET_COLUMNS else ""


def _read(source: Source) -> Panel:
    if not source.dialect.times:
        source.dialect = replace(source.dialect, times="unix-ms")
    markets = {row.text("id"): row for row in _markets(source)}
    questions: dict[str, PanelQuestion] = {}
    forecasts = []
    seen: set[str] = set()
    if all(_holds(source, name) in {"", "markets"} for name in source.names):
        questions = _all_questions(markets)
    for row in _bets(source):
        market_id = row.text("contractId", required=True)
        market = markets.get(market_id)
        bet_id = row.text("id", "betId")
        reason = "bets that are in the files twice" if bet_id in seen else ""
        if reason := reason or _other_market(row, market) or _no_forecast(row):
            row.notes.leave_out(reason, row.place)
            continue
        if bet_id:
            seen.add(bet_id)
        if market_id not in questions:
            questions[market_id] = _question(market) if market else _unknown(row, market_id)
        time = _since_2021(row, "createdTime", row.past("createdTime"))
        person = forecaster(row, "userId", "userUsername")
        forecasts.append((person, market_id, time, math.inf, row.probability("probAfter")))
    return Panel.of(forecasts=forecasts, questions=questions.values())


def _bets(source: Source) -> Iterator[Row]:
    for name in source.names:
        match _holds(source, name):
            case "bets" if source.header(name):
                yield from source.table(name, sorted(_BET_COLUMNS))
            case "bets":
                yield from records(source, name, "bet")
            case "markets with bets":
                for market in records(source, name, "market"):
                    yield from nested(market, "bets", "bet")


def _markets(source: Source) -> Iterator[Row]:
    for name in source.names:
        match _holds(source, name):
            case "markets" if source.header(name):
                yield from source.table(name, sorted(_MARKET_COLUMNS))
            case "markets" | "markets with bets":
                yield from records(source, name, "market")


def _other_market(row: Row, market: Row | None) -> str:
    """Why a bet is not on a binary market, or "" if it is."""
    kind = market.text("outcomeType")[:_SHOWN] if market else ""
    if kind not in _BINARY:
        return f"bets on markets of type {kind}"
    if row.text("answerId") or row.text("outcome") not in {"", "YES", "NO"}:
        return "bets on an answer of a market with several"
    return ""


def _no_forecast(row: Row) -> str:
    """Why a bet on a binary market is not counted as a forecast, or "" if it is."""
    if row.choice("isRedemption", FLAGS):
        return "redemptions of shares, which Manifold makes by itself"
    if row.choice("isAnte", FLAGS):
        return "antes, with which a market is created"
    if row.text("probBefore") and row.probability("probBefore") == row.probability("probAfter"):
        return "bets and orders that did not move the probability when they were placed"
    return ""


def _all_questions(markets: Mapping[str, Row]) -> dict[str, PanelQuestion]:
    """The questions of markets without bets."""
    questions = {}
    for market_id, market in markets.items():
        if (kind := market.text("outcomeType")[:_SHOWN]) in _BINARY:
            questions[market_id] = _question(market)
        else:
            market.notes.leave_out(f"markets of type {kind}", market.place)
    return questions


def _unknown(bet: Row, market_id: str) -> PanelQuestion:
    bet.notes.adjust(
        "markets that are in no file of markets: the id is the title, and no outcome is known",
        bet.place,
    )
    return PanelQuestion(market_id, f"Manifold, market {market_id}")


def _question(market: Row) -> PanelQuestion:
    resolution = market.text("resolution")
    outcome = market.choice("resolution", _OUTCOMES)
    if resolution and math.isnan(outcome):
        market.notes.adjust(
            f"markets resolved {resolution}, imported without outcome", market.place
        )
    return PanelQuestion(
        id=market.text("id", required=True),
        title=_title(market),
        outcome=outcome,
        opens=_since_2021(market, "createdTime", market.time("createdTime")),
        closes=_closes(market),
        resolved=math.nan if math.isnan(outcome) else market.time("resolutionTime"),
    )


def _closes(market: Row) -> float:
    text = market.text("closeTime")
    if text.isascii() and text.isdigit() and int(text[:20]) > _END_OF_TIME:
        market.notes.adjust("markets that close after the year 9999: without a close", market.place)
        return math.nan
    return market.time("closeTime")


def _title(market: Row) -> str:
    slug = market.text("slug") or market.text("url").rpartition("/")[2]
    title = market.text("question") or slug.replace("-", " ")
    return title or f"Manifold, market {market.text('id')}"


def _since_2021(row: Row, column: str, time: float) -> float:
    """Reject a time before Manifold existed, which must be in another unit."""
    if time < _BEGAN:
        raise row.error(
            column,
            f"{row.text(column)!r} is before December 2021, when Manifold began; its times are "
            "Unix times in milliseconds",
        )
    return time


PLATFORM: Final = Platform(
    name="Manifold",
    files="bets with createdTime and probAfter as JSON, or a CSV file with the columns "
    f"{', '.join(sorted(_BET_COLUMNS))}; markets in another file of the same folder",
    recognises=_recognises,
    read=_read,
)
