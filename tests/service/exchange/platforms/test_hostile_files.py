"""Whatever a file of another platform holds, it is read or refused with its place."""

import copy
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forecasting.csv_io import PanelError
from service.exceptions import Invalid
from service.exchange import imports, platforms
from service.exchange.platforms import source

BET = {
    "id": "b1",
    "userId": "ann",
    "contractId": "rain",
    "createdTime": 1_683_604_157_926,
    "outcome": "YES",
    "probBefore": 0.4,
    "probAfter": 0.5,
    "isAnte": False,
    "answerId": None,
}
MARKET = {
    "id": "rain",
    "question": "Will it rain?",
    "url": "https://manifold.markets/a/will-it-rain",
    "createdTime": 1_683_604_157_000,
    "closeTime": 1_683_704_157_000,
    "outcomeType": "BINARY",
    "resolution": "YES",
    "resolutionTime": 1_683_704_157_000,
    "bets": [BET],
}
SETS = {
    "prediction_sets": [
        {
            "id": 1,
            "question_id": 10,
            "discover_question_id": None,
            "created_at": "2018-01-26T01:34:25.519Z",
            "membership_id": 7,
            "question": {
                "id": 10,
                "name": "Will it rain?",
                "published_at": "2018-01-01T00:00:00.000Z",
                "ends_at": "2018-02-01T00:00:00.000Z",
                "resolved_at": "2018-02-02T00:00:00.000Z",
                "answers": [{"id": 20, "name": "Yes", "probability": "1.0"}],
            },
            "predictions": [{"answer_id": 20, "forecasted_probability": 0.3}],
        }
    ]
}
FORECASTS = {
    "organization": "acme",
    "model": "oracle",
    "question_set": "2024-07-21-llm.json",
    "forecast_due_date": "2024-07-21",
    "forecasts": [
        {
            "id": "GDP",
            "source": "fred",
            "forecast": 0.7,
            "resolution_date": "2024-07-28",
            "resolved": True,
            "resolved_to": 1.0,
        }
    ],
}
QUESTIONS = {
    "question_set": "2024-07-21-llm.json",
    "forecast_due_date": "2024-07-21",
    "questions": [
        {
            "id": "GDP",
            "source": "fred",
            "question": "Will GDP rise?",
            "market_info_open_datetime": "N/A",
            "market_info_close_datetime": "2024-12-31T00:00:00+00:00",
            "resolution_dates": ["2024-07-28"],
        }
    ],
}
HOSTILE = (
    None,
    True,
    -1,
    10**400,
    float("inf"),
    float("nan"),
    "",
    "\0",
    "\ud800",
    "x" * 100_000,
    [],
    [None],
    [[]],
    {},
    {"": {}},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        yield from places(inner, (*path, key)) if isinstance(inner, dict | list) else [(*path, key)]


@pytest.mark.parametrize("document", [MARKET, SETS, FORECASTS, QUESTIONS], ids=min)
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_value_of_another_kind_is_read_or_refused(
    tmp_path: Path, document: dict[str, Any], value: object
) -> None:
    path = tmp_path / "file.json"
    for *parents, last in places(document):
        changed = copy.deepcopy(document)
        inner: Any = changed
        for key in parents:
            inner = inner[key]
        inner[last] = value
        path.write_text(json.dumps(changed), encoding="ascii")
        if error := refusal(path):
            assert str(path) in error
            assert len(error) < 3000


TABLES = {
    "ifps.csv": [
        "ifp_id,q_text,q_status,date_start,date_to_close,date_closed,outcome,options",
        '1-0,Who wins?,closed,9/1/11,5/15/12 9:00,5/6/12,b,"(a) Red, (b) Blue, (c) Neither"',
    ],
    "survey.csv": [
        "ifp_id,user_id,fcast_type,answer_option,value,fcast_date,timestamp",
        "1-0,600,0,a,0.2,2011-09-05,2011-09-05 16:17:18",
        "1-0,600,4,a,0.2,2011-09-06,2011-09-06 16:17:18",
    ],
    "predictions.csv": [
        "question id,answer id,answer name,membership id,created at,forecasted probability,site id",
        "1,2,Yes,g1,2018-02-28 20:16:37 UTC,0.1,",
    ],
    "answers.csv": [
        "question id,question name,answer name,answer resolved probability,question ends_at",
        "1,Will it?,Yes,1,2018-03-06 19:00:41 UTC",
    ],
    "bets.csv": [
        "userId,probAfter,probBefore,contractId,createdTime,isAnte",
        "u1,0.3,0.2,rain,1683604157926,False",
    ],
    "markets.csv": [
        "id,createdTime,closeTime,resolution,resolutionTime,outcomeType",
        "rain,1683604157000,1683704157000,YES,1683704157000,BINARY",
    ],
}
HOSTILE_CELLS = (
    "",
    "NA",
    "-1",
    "1e999",
    "nan",
    "9" * 5000,
    "0000-00-00",
    "9999-12-31T23:59:59.999999999-23:59",
    "99/99/99",
    "\0",
    "\u202e",
    "a\nb",
    "x" * 100_000,
    "(a)",
    "UTC",
    " UTC",
    "=1+1",
)


@pytest.mark.parametrize(
    "files",
    [("ifps.csv", "survey.csv"), ("predictions.csv", "answers.csv"), ("bets.csv", "markets.csv")],
    ids=lambda files: files[0],
)
@pytest.mark.parametrize("value", HOSTILE_CELLS, ids=lambda value: repr(value)[:20])
def test_a_cell_of_another_kind_is_read_or_refused(
    tmp_path: Path, files: tuple[str, ...], value: str
) -> None:
    for name in files:
        (tmp_path / name).write_text("\n".join(TABLES[name]), encoding="utf-8")
    for name in files:
        rows = list(csv.reader(TABLES[name]))
        for number, row in enumerate(rows):
            for place in range(len(row)):
                changed = [[*one] for one in rows]
                changed[number][place] = value
                with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows(changed)
                if error := refusal(tmp_path):
                    assert str(tmp_path) in error
                    assert len(error) < 3000
        (tmp_path / name).write_text("\n".join(TABLES[name]), encoding="utf-8")


def refusal(path: Path) -> str:
    """Why a file is refused; "" for one that is read as something that can be stored."""
    try:
        export = platforms.read(path)
    except PanelError as error:
        return str(error)
    panel = export.panel
    "".join((*panel.titles, *panel.questions, *panel.forecasters)).encode()
    try:
        imports.plan(panel, "cup", export.notes)
    except Invalid as error:
        return f"{path}: {error}"
    return ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "file.json: not valid JSON: lists within lists, too deep"),
        ('{"createdTime": 1,\n"probAfter": 0.5,,}', "file.json:2: not valid JSON"),
        ('{"createdTime": 1, "probAfter": 0.5', "file.json:1: not valid JSON"),
        ('{"createdTime": ' + "9" * 10_000 + ', "probAfter": 1}', "file.json: not valid JSON"),
        ('{"probAfter": 0.1, "createdTime": 1}\n[\n', "file.json:2: not valid JSON"),
        ("[]", "not an export of a platform .* It has no columns and no keys"),
        ("[3]", "not an export of a platform .* It has no columns and no keys"),
        ('{"b": 1, "a": 2}', "not an export of a platform .* It has objects with the keys 'a, b'"),
        ("a,b\n1,2\n", "not an export of a platform .* It has the columns 'a, b'"),
    ],
    ids=["deep", "comma", "cut", "digits", "lines", "empty", "number", "object", "table"],
)
def test_what_is_no_export_is_refused_with_the_reason(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PanelError, match=message):
        platforms.read(path)


def test_json_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(json.dumps([BET | {"userId": "ann"}]).encode("utf-16"))
    with pytest.raises(PanelError, match=r"file\.json"):
        platforms.read(path)
    path.write_bytes(b'[{"createdTime": 1,\n"probAfter": "\xe9"}]')
    with pytest.raises(PanelError, match=r"file.json:2: JSON is UTF-8"):
        platforms.read(path)


@pytest.mark.parametrize("files", [1, 2])
def test_more_json_than_fits_into_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    text = json.dumps([BET] * 10)
    monkeypatch.setattr(source, "_LARGEST_JSON", len(text) * files - 1)
    for number in range(files):
        (tmp_path / f"{number}.json").write_text(text)
    with pytest.raises(PanelError, match=r"more than [0-9,]+ bytes of JSON; import them in parts"):
        platforms.read(tmp_path)
