"""From an aggregate back to its fit, forecasts, wording and document, and on to the evidence."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from forecasting import live
from forecasting.posterior import FORMAT, Posterior
from questions.schema import Document, Implication, Question, QuestionSet, question_hash
from service.clock import now
from service.database.engine import Database
from service.models import Fit, FitStatus
from service.questions import provenance, questions

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RAIN = Question(
    slug="rain",
    implication="wet",
    polarity="supports",
    why="Rain is wet.",
    kind="binary",
    title="Will rain fall?",
    background="It did.",
    background_as_of=date(2026, 11, 1),
    criteria="Yes if it does.",
    fine_print="None.",
    domain="sky",
    window_starts_at=NOW - DAY,
    deadline_at=NOW + 300 * DAY,
    opens_at=NOW - DAY,
    closes_at=NOW + 300 * DAY,
    resolves_by=NOW + 330 * DAY,
)
WEATHER = QuestionSet(
    version=1,
    slug="weather",
    title="Weather",
    description="The sky.",
    defaults="UTC.",
    document=Document(title="Almanac", origin="our own", date=date(2026, 1, 2), sha256="a" * 64),
    implications=(
        Implication(
            slug="wet", section="2B", paraphrase="It may rain.", hedge="may", actors=("sky",)
        ),
    ),
    questions=(RAIN,),
)


@pytest.fixture
def rain(on_database, account) -> int:
    async def work(database: Database) -> None:
        async with database.write() as session:
            await questions.load(session, WEATHER)

    on_database(work)
    return int(account("reader").get("/questions").json()["items"][0]["id"])


def accept(on_database: Callable[..., Any], posterior: Posterior) -> int:
    async def work(database: Database) -> int:
        async with database.write() as session:
            row = Fit(
                status=FitStatus.accepted,
                reason="",
                resolutions=3,
                questions=3,
                forecasts=9,
                forecasters=2,
                data_hash="d" * 64,
                fingerprint=posterior.fingerprint,
                seed=7,
                priors={},
                versions={},
                format=FORMAT,
                diagnostics={},
                started_at=now(),
                created_at=now(),
                posterior=posterior.to_bytes(),
            )
            session.add(row)
            await session.flush()
            return int(row.id)

    return int(on_database(work))


def test_the_chain_leads_from_the_aggregate_to_the_document(rain, account) -> None:
    ann, bot = account("ann"), account("bot", bot=True)
    forecast = ann.forecast(rain, 0.9).json()["forecast"]
    bot.forecast(rain, 0.2)
    ann.forecast(rain, 0.8)
    chain = ann.get(f"/questions/{rain}/provenance").json()
    present = ann.get(f"/questions/{rain}/aggregate").json()
    assert chain["aggregate"] | {"as_of": None} == present | {"as_of": None}
    assert chain["fit"] is None
    listed = {one["id"]: one for one in ann.get(f"/questions/{rain}/forecasts").json()["items"]}
    assert forecast["id"] not in {one["id"] for one in chain["forecasts"]}
    assert {one["forecaster"] for one in chain["forecasts"]} == {"ann", "bot"}
    for one in chain["forecasts"]:
        assert {name: listed[one["id"]][name] for name in one if name != "share"} == {
            name: value for name, value in one.items() if name != "share"
        }
    assert sum(one["share"] for one in chain["forecasts"]) == pytest.approx(1)
    assert (chain["revision"]["number"], chain["revision"]["content_hash"]) == (
        1,
        question_hash(RAIN),
    )
    assert (chain["implication"]["slug"], chain["implication"]["section"]) == ("wet", "2B")
    assert chain["document"] == {
        "set": "weather",
        "title": "Almanac",
        "date": "2026-01-02",
        "sha256": "a" * 64,
        "origin": "our own",
    }
    assert chain["resolution"] is None


def test_shares_are_those_of_the_fit_that_answered(rain, account, on_database) -> None:
    ann, bob = account("ann"), account("bob")
    ann.forecast(rain, 0.9)
    bob.forecast(rain, 0.4)
    posterior = Posterior.prior(seed=99)
    fit = accept(on_database, posterior)
    chain = ann.get(f"/questions/{rain}/provenance").json()
    assert (chain["fit"]["id"], chain["fit"]["seed"]) == (fit, 7)
    assert chain["fit"]["fingerprint"] == chain["aggregate"]["fingerprint"]
    expected = live.influence(posterior, [str(ann.id), str(bob.id)], [0.9, 0.4], [1.0, 2.0])
    shares = {one["forecaster_id"]: one["share"] for one in chain["forecasts"]}
    assert [shares[ann.id], shares[bob.id]] == pytest.approx(expected.tolist())
    assert [one["share"] for one in chain["forecasts"]] == sorted(shares.values(), reverse=True)


def test_later_facts_never_change_an_earlier_chain(rain, account, curator, on_database) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(now() + DAY, tick=False) as clock:
        ann.forecast(rain, 0.9)
        clock.shift(DAY)
        moment = now().isoformat()
        path = f"/questions/{rain}/provenance"
        before = ann.get(path, as_of=moment).json()
        assert [one["forecaster"] for one in before["forecasts"]] == ["ann"]
        clock.shift(DAY)
        ann("DELETE", f"/questions/{rain}/forecasts/current")
        bob.forecast(rain, 0.1)
        accept(on_database, Posterior.prior(seed=99))
        clock.shift(DAY)
        evidence = {"evidence_url": "https://example.org/rain", "note": "It rained."}
        curator.resolve(rain, "yes", **evidence)
        assert ann.get(path, as_of=moment).json() == before
        chain = ann.get(path).json()
    assert [one["forecaster"] for one in chain["forecasts"]] == ["bob"]
    assert chain["resolution"]["outcome"] == "yes"
    assert {name: chain["resolution"][name] for name in evidence} == evidence


def test_many_forecasts_are_cut_and_the_rest_counted(rain, account, monkeypatch) -> None:
    monkeypatch.setattr(provenance, "MOST_SHARES", 2)
    for name in ("ann", "bob", "eve"):
        account(name).forecast(rain, 0.5)
    chain = account("reader-two").get(f"/questions/{rain}/provenance").json()
    assert (len(chain["forecasts"]), chain["forecasts_left_out"]) == (2, 1)


def test_without_forecasts_or_implication_there_is_less_to_tell(account, question, refused) -> None:
    plain, hidden = question(), question("hidden", draft=True)
    ann = account("ann")
    chain = ann.get(f"/questions/{plain}/provenance").json()
    assert (chain["forecasts"], chain["implication"], chain["document"]["sha256"]) == (
        [],
        None,
        None,
    )
    refused(ann.get(f"/questions/{hidden}/provenance"), 404)
    refused(ann.get(f"/questions/{plain}/provenance", as_of="2020-01-01T00:00:00Z"), 404)
    refused(
        ann.get(f"/questions/{plain}/provenance", as_of="2099-01-01T00:00:00Z"),
        422,
        field="as_of",
    )
