"""Whatever a JSON file of another platform holds, it is read or refused with its place."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forecasting.tables import PanelError
from service.exchange import platforms
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


def refusal(path: Path) -> str:
    """Why a file is refused; "" for one that is read as names and titles that can be stored."""
    try:
        panel = platforms.read(path).panel
    except PanelError as error:
        return str(error)
    "".join((*panel.titles, *panel.questions, *panel.forecasters)).encode()
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
