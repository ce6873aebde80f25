"""Metaculus's own client, unmodified, against the real server: `make test-metaculus` runs this.

It runs in `.venv-metaculus`, where `forecasting-tools` is installed and this service is not. The
tests go by their order, as one story. What goes over the wire is held against the recording that
the ordinary tests replay (tests/service/metaculus/test_metaculus.py); `RECORD=1` writes it anew.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from forecasting_tools import (
    ApiFilter,
    BinaryQuestion,
    MetaculusClient,
    UniformProbabilityBot,
)

DATA = Path(__file__).parents[1] / "data" / "metaculus"
OPEN = {"rain", "snow", "hail"}


@dataclass(frozen=True)
class Exchange:
    """A request of a client, who it was from, and the answer."""

    by: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int
    answer: Any


@dataclass(frozen=True)
class Cup:
    """The tournament, where it is, and everything that the clients said so far."""

    address: str
    administrator: str
    names: dict[str, str]
    tokens: dict[str, str]
    traffic: list[Exchange]
    ids: dict[str, int]

    def client(self, name: str) -> MetaculusClient:
        return MetaculusClient(
            base_url=f"{self.address}/api/metaculus",
            token=self.tokens[name],
            sleep_seconds_between_requests=0,
            sleep_jitter_seconds=0,
        )

    def ask(self, path: str, **params: Any) -> Any:
        """What our own API says to an administrator."""
        headers = {"Authorization": f"Bearer {self.administrator}"}
        answer = requests.get(
            f"{self.address}/api/v1{path}", params=params, headers=headers, timeout=30
        )
        answer.raise_for_status()
        return answer.json()

    def raw(self, name: str, method: str, path: str, **more: Any) -> requests.Response:
        """What some bots send without the client."""
        return requests.request(
            method,
            f"{self.address}/api/metaculus{path}",
            headers={"Authorization": f"Token {self.tokens[name]}"},
            allow_redirects=False,
            timeout=30,
            **more,
        )


@pytest.fixture(scope="module")
def cup(install: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cup]:
    installation = install(tmp_path_factory.mktemp("cup"))
    installation.environment["CREDENCE_SETS_FOLDER"] = str(DATA / "sets")
    administrator = installation.run("init", "--token")
    installation.run("import", str(DATA / "cup"))
    create = partial(installation.run, "account", "create")
    tokens = {name: create(name, "--role", "forecaster", "--token") for name in ("wren", "lark")}
    tokens["robin"] = create("robin", "--role", "forecaster", "--bot", "--token")
    tokens["sceptic"] = create("sceptic", "--role", "forecaster", "--bot", "--token")
    tokens["guest"] = create("guest", "--role", "viewer", "--token")
    tokens["stranger"] = "crd_of-nobody"
    traffic: list[Exchange] = []
    with installation.serving("--no-worker") as address, _recorded(address, tokens, traffic):
        headers = {"Authorization": f"Bearer {administrator}"}
        hide = {"visibility": "after_forecast", "reason": "To be fair."}
        changed = requests.post(
            f"{address}/api/v1/sets/cup/visibility", json=hide, headers=headers, timeout=30
        )
        assert changed.status_code == 201
        told = Cup(address, administrator, {}, tokens, traffic, {})
        for question in told.ask("/questions", set="cup")["items"]:
            told.ids[question["slug"]] = question["id"]
            told.names[question["title"]] = question["slug"]
        yield told


@contextmanager
def _recorded(address: str, tokens: dict[str, str], traffic: list[Exchange]) -> Iterator[None]:
    """Note what goes over the wire to the API that the clients know."""
    names = {f"Token {token}": name for name, token in tokens.items()}
    passed_over = {"authorization", "content-length", "user-agent"}
    send = requests.Session.send

    def sending(session: requests.Session, request: Any, **more: Any) -> requests.Response:
        answer = send(session, request, **more)
        if "/api/metaculus/" in request.url:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in passed_over
            }
            traffic.append(
                Exchange(
                    by=names[request.headers["Authorization"]],
                    method=request.method,
                    path=request.url.removeprefix(address),
                    headers=headers,
                    body=json.loads(request.body) if request.body else None,
                    status=answer.status_code,
                    answer=json.loads(answer.text.replace(address, "")),
                )
            )
        return answer

    requests.Session.send = sending
    try:
        yield
    finally:
        requests.Session.send = send


@pytest.fixture(scope="module")
def wren(cup: Cup) -> MetaculusClient:
    return cup.client("wren")


@pytest.fixture
def refused() -> Callable[..., None]:
    """Check that the client gives up at once, for a reason."""

    def check(status: int, call: Callable[..., Any], *arguments: Any) -> None:
        with pytest.raises(requests.exceptions.HTTPError) as raised:
            call(*arguments)
        assert raised.value.response.status_code == status
        assert raised.value.response.json()["error"]

    return check


@pytest.mark.parametrize("by", ["slug", "id"])
def test_a_tournament_is_listed(cup: Cup, wren: MetaculusClient, by: str) -> None:
    cup_id = next(one["id"] for one in cup.ask("/sets")["items"] if one["slug"] == "cup")
    found = wren.get_all_open_questions_from_tournament("cup" if by == "slug" else cup_id)
    assert {cup.names[one.question_text] for one in found} == OPEN
    for one in found:
        assert isinstance(one, BinaryQuestion)
        assert one.id_of_post == one.id_of_question == cup.ids[cup.names[one.question_text]]
        assert one.tournament_slugs == ["cup"]
        assert one.default_project_id == cup_id
        assert one.already_forecasted is False
        assert one.num_forecasters in {1, 2}
        assert one.community_prediction_at_access_time is None, "hidden until one has forecast"
        assert one.close_time is not None
        assert one.close_time.year == 2099


def test_a_question_is_found_by_its_id_and_by_its_address(cup: Cup, wren: MetaculusClient) -> None:
    rain = cup.ids["rain"]
    by_id = wren.get_question_by_post_id(rain)
    by_url = wren.get_question_by_url(f"{cup.address}/questions/{rain}")
    assert by_id.question_text == by_url.question_text == "Will it rain on Midsummer Day?"
    assert by_id.open_time == datetime(2026, 11, 1, tzinfo=UTC)
    assert by_id.previous_forecasts is None


def test_a_bot_reads_what_a_question_means(wren: MetaculusClient) -> None:
    (flood,) = wren.get_all_open_questions_from_tournament("almanac")
    assert flood.background_info == "There was one in 2026."
    assert flood.resolution_criteria == "This question resolves Yes if the almanac reports a flood."
    assert flood.fine_print == "A puddle is no flood.\n\nAll times are UTC."
    assert flood.scheduled_resolution_time == datetime(2099, 1, 15, tzinfo=UTC)
    assert flood.resolution_string is None


def test_a_forecast_and_another(cup: Cup, wren: MetaculusClient) -> None:
    rain = cup.ids["rain"]
    wren.post_binary_question_prediction(rain, 0.37)
    wren.post_binary_question_prediction(rain, 0.62)
    found = wren.get_question_by_post_id(rain)
    assert found.already_forecasted
    first, second = found.previous_forecasts
    assert (first.prediction_in_decimal, second.prediction_in_decimal) == (0.37, 0.62)
    assert first.timestamp_end == second.timestamp == found.timestamp_of_my_last_forecast
    assert second.timestamp_end is None
    shown = cup.ask(f"/questions/{rain}/aggregate")
    assert found.community_prediction_at_access_time == pytest.approx(shown["probability"])
    assert found.num_predictions == 4
    assert found.get_cp_at_time(second.timestamp) is not None


def test_an_answer_that_is_lost_doubles_nothing(
    cup: Cup, wren: MetaculusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    snow, post, lost = cup.ids["snow"], requests.post, []

    def losing(url: str, **more: Any) -> Any:
        answer = post(url, **more)
        if len(lost) < 2:
            lost.append(answer)
            raise requests.exceptions.ReadTimeout(url)
        return answer

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(requests, "post", losing)
    wren.post_binary_question_prediction(snow, 0.2)
    lost.clear()
    wren.post_question_comment(snow, "As in most years.")
    monkeypatch.undo()
    assert [answer.status_code for answer in lost] == [201, 201]
    found = wren.get_question_by_post_id(snow)
    assert [one.prediction_in_decimal for one in found.previous_forecasts] == [0.2]
    said = cup.raw("wren", "GET", "/comments/", params={"post": snow}).json()["results"]
    assert [one["text"] for one in said] == ["As in most years."]
    assert said[0]["is_private"]
    assert said[0]["included_forecast"]["forecast_values"] == [0.8, 0.2]


def test_what_is_not_possible_is_refused_at_once(
    cup: Cup, wren: MetaculusClient, refused: Callable[..., None]
) -> None:
    forecast = wren.post_binary_question_prediction
    refused(405, forecast, cup.ids["fog"], 0.4)
    refused(405, forecast, cup.ids["frost"], 0.4)
    refused(400, forecast, 9999, 0.4)
    refused(400, wren.post_numeric_question_prediction, cup.ids["rain"], [0.0, 1.0])
    refused(400, wren.post_question_comment, 9999, "Where?")
    refused(400, wren.post_question_comment, cup.ids["rain"], " ")
    refused(404, wren.get_question_by_post_id, 9999)
    refused(400, wren.get_all_open_questions_from_tournament, "nowhere")
    refused(403, cup.client("guest").post_binary_question_prediction, cup.ids["rain"], 0.4)
    refused(401, cup.client("stranger").get_question_by_post_id, cup.ids["rain"])


def test_a_forecast_is_withdrawn(cup: Cup, wren: MetaculusClient) -> None:
    snow = cup.ids["snow"]
    for _ in range(2):
        answer = cup.raw("wren", "POST", "/questions/withdraw/", json=[{"question": snow}])
        assert (answer.status_code, answer.json()) == (201, {})
    found = wren.get_question_by_post_id(snow)
    assert found.already_forecasted
    assert [one.timestamp_end is None for one in found.previous_forecasts] == [False]


def test_a_bot_forecasts_the_whole_tournament(cup: Cup) -> None:
    robin = cup.client("robin")
    bot = UniformProbabilityBot(
        publish_reports_to_metaculus=True,
        skip_previously_forecasted_questions=True,
        metaculus_client=robin,
    )
    reports = asyncio.run(bot.forecast_on_tournament("cup"))
    assert {cup.names[one.question.question_text] for one in reports} == OPEN
    for slug, question_id in cup.ids.items():
        mine = [
            one["probability"]
            for one in cup.ask(f"/questions/{question_id}/forecasts")["items"]
            if one["forecaster"] == "robin"
        ]
        said = [
            one["private"]
            for one in cup.ask(f"/questions/{question_id}/comments")["items"]
            if one["author"] == "robin"
        ]
        assert (mine, said) == (([0.5], [True]) if slug in OPEN else ([], []))
    assert asyncio.run(bot.forecast_on_tournament("cup")) == [], "each is forecast once"


def test_one_does_not_see_what_another_said(cup: Cup) -> None:
    lark = cup.client("lark")
    found = lark.get_all_open_questions_from_tournament("cup")
    assert len(found) == 3
    for one in found:
        assert not one.already_forecasted
        assert one.previous_forecasts is None
        assert one.community_prediction_at_access_time is None
    detail = lark.get_question_by_post_id(cup.ids["rain"])
    assert detail.previous_forecasts is None
    assert detail.api_json["question"]["aggregations"]["recency_weighted"]["history"] == []
    assert cup.raw("lark", "GET", "/comments/").json()["results"] == []


def _titles(cup: Cup, found: list[Any]) -> set[str]:
    return {cup.names[one.question_text] for one in found}


def test_filters_are_the_servers_or_the_clients(cup: Cup, wren: MetaculusClient) -> None:
    def matching(*, number: int | None = None, sample: bool = False, **told: Any) -> list[Any]:
        wanted = ApiFilter(allowed_tournaments=["cup"], **told)
        return asyncio.run(wren.get_questions_matching_filter(wanted, number, sample))

    assert _titles(cup, matching()) == set(cup.ids)
    assert _titles(cup, matching(is_previously_forecasted_by_user=True)) == {"rain", "snow"}
    (frost,) = matching(allowed_statuses=["resolved"])
    assert frost.binary_resolution is True
    assert frost.actual_resolution_time == datetime(2026, 11, 14, tzinfo=UTC)
    assert frost.community_prediction_at_access_time is not None, "what has resolved is shown"
    assert _titles(cup, matching(open_time_gt=datetime(2026, 11, 1, 12, tzinfo=UTC))) == {"hail"}
    late = datetime(2099, 7, 1, tzinfo=UTC)
    assert _titles(cup, matching(scheduled_resolve_time_gt=late)) == {"snow"}
    assert matching(publish_time_gt=datetime(2026, 11, 3, tzinfo=UTC)) == []
    assert matching(allowed_types=["numeric"]) == []
    assert _titles(cup, matching(allowed_statuses=["closed"])) == {"fog"}
    assert len(matching(number=2)) == 2
    assert len(matching(number=2, sample=True, allowed_statuses=["open"])) == 2
    assert wren.get_current_user_id() == next(
        one["id"] for one in cup.ask("/accounts")["items"] if one["name"] == "wren"
    )


def test_the_recording_is_what_goes_over_the_wire(cup: Cup) -> None:
    file = DATA / "traffic.jsonl"
    told = [json.dumps(asdict(one), ensure_ascii=False) for one in cup.traffic]
    if os.environ.get("RECORD"):
        file.write_text("\n".join(told) + "\n", encoding="utf-8")
    recorded = file.read_text(encoding="utf-8").splitlines()
    assert [_asked(line) for line in told] == [_asked(line) for line in recorded]


def _asked(line: str) -> list[Any]:
    told = json.loads(line)
    return [told[part] for part in ("by", "method", "path", "headers", "body", "status")]


def test_the_bot_of_the_guide_goes_from_its_token_to_the_leaderboard(
    cup: Cup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (DATA.parents[2] / "docs" / "bots.md").read_text(encoding="utf-8")
    code = guide.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    monkeypatch.setenv("METACULUS_API_BASE_URL", f"{cup.address}/api/metaculus")
    monkeypatch.setenv("METACULUS_TOKEN", cup.tokens["sceptic"])
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert '"russia-iran"' in code
    exec(code.replace('"russia-iran"', '"cup"'), {"__name__": "guide"})  # noqa: S102  # the guide's
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        f"0.2 {title}" for title, slug in cup.names.items() if slug in OPEN
    )
    resolved = requests.post(
        f"{cup.address}/api/v1/questions/{cup.ids['snow']}/resolution",
        json={"outcome": "no"},
        headers={"Authorization": f"Bearer {cup.administrator}"},
        timeout=30,
    )
    assert resolved.status_code == 201
    ranked = cup.ask("/leaderboard", set="cup", who="bots", score="spot_brier")["items"]
    assert [one["forecaster"] for one in ranked] == ["sceptic", "robin"]
