"""Manifold's bets: where a bet leaves the probability of a binary market is a forecast."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from forecasting.csv_io import Dialect, PanelError, moment
from service.exchange import platforms

MAY = 1_683_604_157_926
JUNE = MAY + 30 * 86_400_000


def bet(number: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"bet{number}",
        "userId": f"user{number}",
        "contractId": "rain",
        "createdTime": MAY + number,
        "amount": 10,
        "shares": 17.35,
        "outcome": "YES",
        "probBefore": 0.4,
        "probAfter": 0.5,
        "fees": {"creatorFee": 0.4},
        "isFilled": True,
        "isCancelled": False,
        "isAnte": False,
        "isRedemption": False,
        "fills": [{"amount": 10, "matchedBetId": None}],
        **values,
    }


def market(name: str, **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "question": f"Will there be {name}?",
        "createdTime": MAY - 1000,
        "closeTime": JUNE,
        "outcomeType": "BINARY",
        "mechanism": "cpmm-1",
        "isResolved": True,
        "resolution": "YES",
        "resolutionTime": JUNE - 1000,
        **values,
    }


def table(rows: list[dict[str, Any]], *columns: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_bets_and_markets_of_the_api(read, forecasts, outcomes) -> None:
    bets = [bet(1), bet(2, amount=-5, shares=-9, probAfter=0.25, outcome="NO", isApi=True)]
    export = read(bets_json=bets, markets_json=[market("rain"), market("snow")])
    assert export.origin == "Manifold"
    assert forecasts(export) == [
        ("user1", "rain", (MAY + 1) / 1000, 0.5),
        ("user2", "rain", (MAY + 2) / 1000, 0.25),
    ]
    assert outcomes(export) == {"rain": ("Will there be rain?", 1.0)}
    panel = export.panel
    assert panel.opens[0] == (MAY - 1000) / 1000
    assert panel.closes[0] == JUNE / 1000
    assert panel.resolved[0] == (JUNE - 1000) / 1000


def test_what_is_no_forecast_is_left_out_by_reason(read, forecasts, left_out) -> None:
    bets = [
        bet(1),
        bet(1),
        bet(2, probAfter=0.4),
        bet(3, isFilled=False, amount=0, shares=0, limitProb=0.9, probAfter=0.4),
        bet(4, isRedemption=True),
        bet(5, isAnte=True),
        bet(6, contractId="who", answerId="a1"),
        bet(7, contractId="free", outcome="3"),
        bet(8, contractId="number"),
    ]
    export = read(bets_json=bets, m_json=[market("number", outcomeType="PSEUDO_NUMERIC")])
    assert [made.forecaster for made in forecasts(export)] == ["user1"]
    assert left_out(export) == {
        "bets that are in the files twice": 1,
        "bets and orders that did not move the probability when they were placed": 2,
        "redemptions of shares, which Manifold makes by itself": 1,
        "antes, with which a market is created": 1,
        "bets on an answer of a market with several": 2,
        "bets on markets of type PSEUDO_NUMERIC": 1,
    }


def test_what_is_left_out_may_be_malformed(read, forecasts) -> None:
    broken = {"probAfter": None, "createdTime": "once", "probBefore": {}}
    bets = [bet(1), bet(2, isAnte=True, **broken), bet(3, answerId="a", **broken)]
    assert len(forecasts(read(bets_json=bets))) == 1


def test_bets_without_users_are_those_of_one_forecaster(read, forecasts, adjusted) -> None:
    """The API left users out for some time in 2022: forecasts are then the course of the market."""
    bets = [bet(1), bet(2, probAfter=0.25)]
    for one in bets:
        del one["userId"]
    export = read(bets_json=bets)
    assert {made.forecaster for made in forecasts(export)} == {"(no name)"}
    assert (
        adjusted(export)["forecasts without a forecaster's name, all taken for one, (no name)"] == 2
    )


@pytest.mark.parametrize("resolution", ["MKT", "CANCEL"])
def test_a_market_that_is_neither_yes_nor_no_has_no_outcome(
    read, outcomes, adjusted, resolution: str
) -> None:
    export = read(bets_json=[bet(1)], markets_json=[market("rain", resolution=resolution)])
    assert outcomes(export) == {"rain": ("Will there be rain?", None)}
    assert adjusted(export)[f"markets resolved {resolution}, imported without outcome"] == 1


def test_bets_alone_have_no_titles_and_no_outcomes(read, outcomes, adjusted) -> None:
    export = read(bets_json=[bet(1)])
    assert outcomes(export) == {"rain": ("Manifold, market rain", None)}
    rule = "markets that are in no file of markets: the id is the title, and no outcome is known"
    assert adjusted(export)[rule] == 1
    assert adjusted(export)["numbers read as Unix times in milliseconds"] == 1


def test_markets_alone_are_questions(read, outcomes, left_out) -> None:
    export = read(
        markets_json=[market("rain"), market("x", outcomeType="FREE_RESPONSE", resolution="7")]
    )
    assert outcomes(export) == {"rain": ("Will there be rain?", 1.0)}
    assert left_out(export) == {"markets of type FREE_RESPONSE": 1}


def test_a_market_that_has_its_bets_in_it(read, forecasts, outcomes) -> None:
    export = read(market_json=market("rain", bets=[bet(1), bet(2, isAnte=True)], isResolved=False))
    assert [made.forecaster for made in forecasts(export)] == ["user1"]
    assert outcomes(export) == {"rain": ("Will there be rain?", 1.0)}


def test_tables_of_bets_and_markets(read, forecasts, outcomes) -> None:
    bets = table(
        [bet(1), bet(2, probAfter=0.4)],
        "userId",
        "probAfter",
        "probBefore",
        "contractId",
        "createdTime",
    )
    markets = table(
        [market("rain", url="u/a/will-it")],
        "id",
        "createdTime",
        "closeTime",
        "url",
        "resolution",
        "resolutionTime",
    )
    export = read(bets_csv="\ufeff" + bets.replace(",", ";"), markets_csv=markets)
    assert forecasts(export) == [("user1", "rain", (MAY + 1) / 1000, 0.5)]
    assert outcomes(export) == {"rain": ("will it", 1.0)}


def test_a_dump_is_an_archive_and_may_have_a_bet_per_line(tmp_path: Path, forecasts) -> None:
    path = tmp_path / "manifold-dump-bets.zip"
    lines = "\n".join(json.dumps(bet(number)) for number in (1, 2))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dump/bets.json", lines)
        archive.writestr("__MACOSX/._bets.json", b"\0")
    assert len(forecasts(platforms.read(path))) == 2


def test_times_that_a_table_has_in_another_form(written, forecasts) -> None:
    path = written(b_csv="userId,contractId,createdTime,probAfter\na,rain,1683604157,0.3\n")
    with pytest.raises(
        PanelError, match=r":2: createdTime: '1683604157' milliseconds .* --times unix-s"
    ):
        platforms.read(path)
    export = platforms.read(path, Dialect(times="unix-s"))
    assert forecasts(export) == [("a", "rain", 1_683_604_157.0, 0.3)]
    path.write_text("userId,contractId,createdTime,probAfter\na,rain,2023-05-09,0.3\n")
    assert forecasts(platforms.read(path)) == [("a", "rain", moment("2023-05-09"), 0.3)]


def test_a_market_that_never_closes(read, adjusted) -> None:
    export = read(bets_json=[bet(1)], m_json=[market("rain", closeTime=300_000_000_000_000)])
    assert adjusted(export)["markets that close after the year 9999: without a close"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probAfter": 1.2}, "bet 2: probAfter: 1.2 is outside"),
        ({"probAfter": "a lot"}, "bet 2: probAfter: 'a lot' is not a number"),
        ({"createdTime": None}, "bet 2: createdTime: empty"),
        ({"createdTime": 4 * JUNE}, "bet 2: createdTime: .* is in the future"),
        ({"createdTime": [1]}, "bet 2: createdTime: .* is not an ISO 8601 time"),
        ({"isAnte": "perhaps"}, "bet 2: isAnte: 'perhaps' is none of"),
        ({"contractId": ""}, "bet 2: contractId: empty"),
        ({"userId": "a\0b"}, "bet 2: userId: must not hold U\\+0000 NULL"),
    ],
)
def test_errors_name_the_bet_and_the_field(read, change: dict[str, Any], message: str) -> None:
    with pytest.raises(PanelError, match=message):
        read(bets_json=[bet(1), bet(2, **change)])
