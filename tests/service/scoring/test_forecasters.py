"""What the model makes of a forecaster, what they moved, and who sees it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from forecasting.forecasters import summarise
from forecasting.posterior import Posterior
from service.database.engine import Database
from service.fits import fits
from service.fits.fits import Sampled
from service.models import FitStatus
from service.questions.aggregates import Aggregator

FIGURES = ("weight", "bias", "noise", "slope")


@pytest.fixture
def fitted(on_database) -> Any:
    """Store a fit to what is resolved now, with what it says of each forecaster."""

    async def store(database: Database) -> Any:
        async with database.read() as session:
            job = await fits.read_job(session)
        posterior = Posterior.prior()
        summaries = summarise(job.panel, posterior, level=0.8)
        sampled = Sampled(FitStatus.accepted, posterior=posterior, summaries=summaries)
        await fits.record(database, Aggregator(0.8), job, sampled, seed=1)
        return summaries

    return lambda: on_database(store)


def test_a_forecaster_sees_what_the_latest_fit_says_of_them(
    account, curator, question, fitted
) -> None:
    ann, bob, new = account("ann"), account("bob"), account("new")
    for number in range(4):
        asked = question(f"q{number}")
        ann.forecast(asked, 0.9)
        bob.forecast(asked, 0.4)
        curator.resolve(asked, "no" if number else "yes")
    summaries = fitted()
    seen = ann.get(f"/forecasters/{ann.id}").json()["opinion"]
    expected = summaries.of(str(ann.id))
    assert (seen["resolved"], seen["level"]) == (4, 0.8)
    for name in FIGURES:
        estimate = getattr(expected, name)
        values = [estimate.value, estimate.lower, estimate.upper]
        assert list(seen[name].values()) == pytest.approx(values)
    assert seen["bias"]["lower"] > 0, "said 0.9 of what came once in four"
    assert seen["offset"] == 0.0, "the posterior of this fit is the prior"
    unseen = new.get(f"/forecasters/{new.id}").json()["opinion"]
    assert (unseen["resolved"], unseen["weight"]["value"]) == (0, 1.0)
    assert [unseen[name] for name in FIGURES[1:]] == [None, None, None]


def test_a_record_is_private_until_its_owner_shows_it(account, curator, question, refused) -> None:
    ann, bob = account("ann"), account("bob")
    ann.forecast(question(), 0.7)
    path = f"/forecasters/{ann.id}"
    refused(bob.get(f"{path}/movements"), 403, "does not show")
    refused(bob("PUT", f"{path}/showing", json={"shows_record": True}), 403, "their own")
    refused(ann("PUT", f"{path}/showing", json={"shows_record": "yes"}), 422, field="shows_record")
    assert curator.get(f"{path}/movements").json() == ann.get(f"{path}/movements").json()
    assert ann("PUT", f"{path}/showing", json={"shows_record": True}).status_code == 200
    assert bob.get(path).json() == ann.get(path).json()
    assert bob.get(f"{path}/movements").status_code == 200
    ann("PUT", f"{path}/showing", json={"shows_record": False})
    assert bob.get(path).json()["opinion"] is None


def test_a_movement_is_the_aggregate_before_and_after_a_forecast(account, question) -> None:
    ann, bob, rain = account("ann"), account("bob"), question("rain")
    first = ann.forecast(rain, 0.8).json()["aggregate"]["probability"]
    second = bob.forecast(rain, 0.2).json()["aggregate"]["probability"]
    third = ann.forecast(rain, 0.4).json()["aggregate"]["probability"]
    path = f"/forecasters/{ann.id}/movements"
    page = ann.get(path, limit=1).json()
    rest = ann.get(path, limit=1, cursor=page["next"]).json()
    found = [(one["before"], one["after"]) for one in page["items"] + rest["items"]]
    assert found == [(second, third), (None, first)]
    assert rest["next"] is None


def test_what_is_hidden_is_not_told_by_movements(account, question) -> None:
    ann, rain = account("ann"), question()
    hidden = question("snow", reveal_at=datetime(2027, 6, 1, tzinfo=UTC))
    ann.forecast(rain, 0.8)
    ann.forecast(hidden, 0.8)
    newest, oldest = ann.get(f"/forecasters/{ann.id}/movements").json()["items"]
    assert (newest["before"], newest["after"]) == (None, None)
    assert oldest["after"] is not None
