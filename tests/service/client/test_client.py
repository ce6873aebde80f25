"""The typed client: what it gives, what it raises, and that it never does a thing twice."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from service.app import create_app  # noqa: F401  # loads every body
from service.client import Client, ProblemError, schemas
from service.models import Role
from service.questions.schemas.forecasts import NewForecastOn
from service.questions.schemas.questions import QuestionOut
from service.web.schemas import Page


class Unreliable(httpx.BaseTransport):
    """A way to the real service on which answers get lost after the request has arrived."""

    def __init__(self, way: httpx.BaseTransport) -> None:
        self.way = way
        self.losses = 0
        self.refusals: list[httpx.Response] = []
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.refusals:
            return self.refusals.pop()
        answer = self.way.handle_request(request)
        if self.losses:
            self.losses -= 1
            raise httpx.ReadError("the connection broke", request=request)
        return answer


@pytest.fixture
def way(client) -> Unreliable:
    return Unreliable(client._transport)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def speak(way, pauses) -> Callable[[Any], Client]:
    """A client that speaks as someone."""
    return lambda caller: Client(
        "http://testserver.local/", caller.token, transport=way, pause=pauses.append
    )


def test_a_forecaster_forecasts_with_types(speak, account, question) -> None:
    ann, rain, snow = account("ann"), question("rain"), question("snow")
    with speak(ann) as credence:
        assert credence.account().name == "ann"
        assert [one.slug for one in credence.questions(set="tests", state="open")] == [
            "rain",
            "snow",
        ]
        stored = credence.submit(rain, 0.3, rationale="It *rained*.")
        assert stored.forecast.probability == 0.3
        assert stored.aggregate.forecasters == 1
        many = credence.submit_many(
            [NewForecastOn(0.4, question_id=rain), NewForecastOn(0.6, question_id=snow)]
        )
        assert [one.forecast.question_id for one in many.items] == [rain, snow]
        assert [one.probability for one in credence.forecasts(rain, mine=True)] == [0.4, 0.3]
        assert credence.aggregate(rain, method="median").probability == 0.4
        published = [one.id for one in credence.aggregate_history(rain)]
        assert published == sorted(published)
        assert credence.withdraw(rain).aggregate.forecasters == 0
        assert credence.comment(rain, "It did.").author == "ann"
        assert [said.text for said in credence.comments(rain)] == ["It did."]


def test_a_curator_resolves_and_everyone_reads_the_scores(
    speak, account, curator, question, sky
) -> None:
    ann, rain = account("ann"), question()
    sky(hail={})
    with speak(ann) as credence, speak(curator) as judge:
        credence.submit(rain, 0.8)
        resolved = judge.resolve(rain, "yes", evidence_url="https://example.org/", note="It came.")
        assert resolved.resolution is not None
        assert resolved.resolution.outcome == "yes"
        people = [one for one in credence.scores(rain) if one.method is None]
        assert [one.forecaster for one in people] == ["ann"]
        assert [place.forecaster for place in credence.leaderboard(score="brier")] == ["ann"]
        assert credence.calibration(ann.id, set="tests").enough is False
        assert credence.forecaster(ann.id).questions == 1
        assert list(credence.fits()) == []
        assert {one.slug for one in credence.sets()} == {"tests", "almanac"}
        assert credence.set("almanac").questions == 1
        assert [one.slug for one in credence.implications("almanac")] == ["wet"]
        assert judge.unresolve(rain, reason="An error.").resolution is None
        assert credence.question(rain).state == "open"


def test_a_list_is_read_to_its_end_page_by_page(speak, account, question, way) -> None:
    ids = [question(f"q{number}") for number in range(7)]
    with speak(account("ann")) as credence:
        read = credence.every("/questions", Page[QuestionOut], limit=3)
        assert next(read).id == ids[0]
        assert len(way.asked) == 1
        assert [one.id for one in read] == ids[1:]
        assert len(way.asked) == 3


def test_a_lost_answer_is_asked_for_again_and_the_thing_done_once(
    speak, account, question, way, pauses
) -> None:
    ann, rain = account("ann"), question()
    with speak(ann) as credence:
        way.losses = 2
        stored = credence.submit(rain, 0.3)
        keys = {request.headers["Idempotency-Key"] for request in way.asked}
        assert (len(way.asked), len(keys)) == (3, 1)
        assert [one.id for one in credence.forecasts(rain)] == [stored.forecast.id]
        assert pauses == sorted(pauses)
        assert credence.submit(rain, 0.3).forecast.id != stored.forecast.id
        way.losses = 4
        with pytest.raises(httpx.ReadError):
            credence.account()


def test_it_waits_as_long_as_it_is_told_to(speak, account, way, pauses) -> None:
    with speak(account("ann")) as credence:
        way.refusals = [
            httpx.Response(503, headers={"Retry-After": "2"}),
            httpx.Response(429, headers={"Retry-After": "7"}),
        ]
        assert credence.account().name == "ann"
        assert pauses == [7, 2]
        way.refusals = [httpx.Response(429, text="Not now.") for _ in range(4)]
        with pytest.raises(ProblemError) as refused:
            credence.account()
        assert (refused.value.problem.status, refused.value.problem.type) == (429, "about:blank")


def test_what_is_refused_is_raised_with_what_the_service_said(speak, account, question) -> None:
    viewer, rain = account("vera", Role.viewer), question()
    with speak(viewer) as credence:
        with pytest.raises(ProblemError, match="403 Forbidden: a viewer may not") as refused:
            credence.submit(rain, 0.3)
        assert refused.value.problem.type == "urn:credence:forbidden"
        with pytest.raises(ProblemError) as wrong:
            credence.submit(rain, 7)
        assert [error.field for error in wrong.value.problem.errors] == ["probability"]
        with pytest.raises(ProblemError, match="there is no question 9999"):
            credence.question(9999)


def test_it_loads_nothing_of_the_service() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, service.client; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {one for one in loaded if one.startswith("service")} == {
        "service",
        "service.client",
        "service.client.client",
        "service.client.schemas",
    }
    packages = {one.partition(".")[0] for one in loaded}
    assert not packages & {"litestar", "numpy", "sqlalchemy", "forecasting", "questions", "pymc"}


def test_its_bodies_are_those_of_the_service() -> None:
    """Every field that the client knows has the name, the type and the default of the API's."""
    served = {
        one.__name__: one
        for one in _structs(msgspec.Struct)
        if one.__module__.startswith("service.") and "client" not in one.__module__
    }
    known = [one for one in _structs(msgspec.Struct) if one.__module__ == schemas.__name__]
    assert len(known) > 20
    for one in known:
        assert _shape(one) == _shape(served[one.__name__]), one.__name__


def _structs(kind: type) -> list[type]:
    return [one for sub in kind.__subclasses__() for one in (sub, *_structs(sub))]


def _shape(struct: type) -> Any:
    """The JSON schema of a struct without limits and descriptions."""
    generic = struct[Any] if getattr(struct, "__parameters__", ()) else struct
    return _plain(msgspec.json.schema(generic))


def _plain(schema: Any) -> Any:
    left_out = {"description", "title", "examples", "format"}
    if isinstance(schema, dict):
        limits = {one for one in schema if one.startswith(("min", "max", "pattern", "exclusive"))}
        return {k: _plain(v) for k, v in schema.items() if k not in left_out | limits}
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema
