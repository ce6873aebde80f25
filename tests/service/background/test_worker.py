"""Refits: when one is due, what a bad one costs, and how a good one comes into force."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
import xarray
from litestar.testing import TestClient
from sqlalchemy import update

from forecasting.panel import Panel, PanelQuestion
from forecasting.posterior import Posterior
from service.app import create_app
from service.background.heartbeats import Progress
from service.background.worker import Sampler, Stopped
from service.database.engine import Database
from service.fits import fits
from service.fits.fits import Need, Sampled
from service.models import Fit, FitStatus
from service.settings import Settings

pytestmark = pytest.mark.slow

OPENS = datetime(2026, 11, 1, tzinfo=UTC)
QUIET, LONGEST = timedelta(seconds=5), timedelta(seconds=60)


@pytest.fixture
def need(on_database) -> Any:
    def ask(at: datetime) -> Need:
        async def work(database: Database) -> Need:
            async with database.read() as session:
                return await fits.need(session, quiet=QUIET, longest_wait=LONGEST, at=at)

        return on_database(work)

    return ask


def learned(trusted: int) -> Posterior:
    """A posterior that trusts one account far more than anyone else, and takes its offset off."""
    prior = Posterior.prior()
    return Posterior(
        **{
            name: getattr(prior, name)
            for name in ("t_w", "rho", "k0", "v0", "g0", "a0", "gamma", "alpha")
        },
        omega=np.full((prior.draws, 1), 3.0),
        offset=np.array([-0.25]),
        forecasters=(str(trusted),),
        domains=prior.domains,
        metadata={},
    )


def test_a_fit_is_due_when_resolutions_have_come_and_then_paused(
    need, record, curator, question
) -> None:
    with time_machine.travel(OPENS, tick=False):
        asked = [question(f"q{index}") for index in range(3)]
        curator.forecast(asked[0], 0.4)
    assert need(OPENS) == Need(behind=False, due=False, why=need(OPENS).why)
    with time_machine.travel(OPENS + timedelta(hours=1), tick=False) as clock:
        start = datetime.now(UTC)
        curator.resolve(asked[0], "yes")
        assert (need(start).behind, need(start).due) == (True, False)
        assert need(start + QUIET).due
        clock.shift(LONGEST - timedelta(seconds=1))
        curator.resolve(asked[1], "no")
        assert not need(datetime.now(UTC)).due
        assert need(start + LONGEST).due
        clock.shift(timedelta(minutes=5))
        record(Sampled(FitStatus.accepted, posterior=Posterior.prior()))
        later = datetime.now(UTC) + timedelta(days=1)
        assert not need(later).behind
        clock.shift(timedelta(minutes=5))
        curator("DELETE", f"/questions/{asked[1]}/resolution")
        assert need(later).due


def test_a_refused_fit_rests_until_there_is_more_to_learn_from(
    need, record, curator, question
) -> None:
    rain, snow = question("rain"), question("snow")
    curator.resolve(rain, "yes")
    later = datetime.now(UTC) + timedelta(days=1)
    record(Sampled(FitStatus.refused, "R-hat is 1.3", diagnostics={"r_hat": 1.3}))
    assert (need(later).behind, need(later).due) == (True, False)
    assert "refused" in need(later).why
    listed = curator.get("/fits").json()["items"]
    assert [(fit["status"], fit["reason"]) for fit in listed] == [("refused", "R-hat is 1.3")]
    assert listed[0]["diagnostics"] == {"r_hat": 1.3}
    curator.resolve(snow, "yes")
    assert need(later).due


def test_a_failed_fit_is_tried_three_times(need, record, curator, question) -> None:
    curator.resolve(question(), "yes")
    later = datetime.now(UTC) + timedelta(days=1)
    for _ in range(fits.FAILURES_BEFORE_REST):
        assert need(later).due
        record(Sampled(FitStatus.failed, "the sampler's process died"))
    assert not need(later).due


def test_a_fit_that_is_stored_as_fits_were_once_is_made_again(
    need, record, curator, question, on_database
) -> None:
    curator.resolve(question("rain"), "yes")
    later = datetime.now(UTC) + timedelta(hours=1)
    fit = record(Sampled(FitStatus.accepted, posterior=Posterior.prior()))
    assert not need(later).behind

    async def age(database: Database) -> None:
        async with database.write() as session:
            await session.execute(update(Fit).where(Fit.id == fit.id).values(format=1))

    on_database(age)
    assert need(later).due


def test_an_accepted_fit_renews_the_open_questions_in_every_process(
    record, account, curator, question
) -> None:
    ann, bob = account("ann"), account("bob")
    rain, snow, empty = question("rain"), question("snow"), question("empty")
    for one in (rain, snow):
        ann.forecast(one, 0.95)
        bob.forecast(one, 0.05)
    curator.resolve(snow, "yes")
    before = {one: ann.get(f"/questions/{one}/aggregate").json() for one in (rain, snow)}
    fit = record(Sampled(FitStatus.accepted, posterior=learned(ann.id)))
    after = ann.get(f"/questions/{rain}/aggregate").json()
    assert (after["fit_id"], after["fingerprint"]) == (fit.id, fit.fingerprint)
    assert after["probability"] > before[rain]["probability"] + 0.1
    causes = [
        point["cause"] for point in ann.get(f"/questions/{rain}/aggregate/history").json()["items"]
    ]
    assert causes == ["forecast", "forecast", "fit"]
    kept = ann.get(f"/questions/{snow}/aggregate").json()
    assert kept["probability"] == before[snow]["probability"], "a fit knows the answer: too late"
    assert ann.get(f"/questions/{empty}/aggregate").json()["fit_id"] == fit.id
    opinion = ann.get(f"/forecasters/{ann.id}").json()["opinion"]
    assert opinion["weight"]["lower"] > 1
    assert opinion["offset"] == -0.25


def test_a_posterior_comes_as_netcdf_with_named_dimensions(
    record, account, curator, tmp_path
) -> None:
    ann = account("ann")
    posterior = learned(ann.id)
    fit = record(Sampled(FitStatus.accepted, posterior=posterior))

    def downloaded(caller: Any) -> xarray.Dataset:
        answer = caller.get(f"/fits/{fit.id}/inference-data")
        assert answer.headers["content-type"] == "application/x-netcdf"
        (tmp_path / "fit.nc").write_bytes(answer.content)
        return xarray.load_dataset(tmp_path / "fit.nc", group="posterior", engine="h5netcdf")

    data = downloaded(curator)
    assert data.attrs["fingerprint"] == fit.fingerprint
    skill = data["omega"].sel(forecaster=str(ann.id))
    assert skill.dims == ("chain", "draw")
    assert skill.to_numpy().ravel().tolist() == posterior.omega[:, 0].tolist()
    shared = downloaded(ann)
    assert set(data.variables) - set(shared.variables) == {"omega", "forecaster"}
    assert shared.identical(data.drop_dims("forecaster"))
    failed = record(Sampled(FitStatus.failed, "the sampler's process died"))
    missing = ann.get(f"/fits/{failed.id}/inference-data")
    assert missing.status_code == 404
    assert "has no posterior" in missing.json()["detail"]


def test_a_bad_fit_leaves_the_last_good_one_in_use(record, account, curator, question) -> None:
    ann, rain = account("ann"), question()
    ann.forecast(rain, 0.9)
    good = record(Sampled(FitStatus.accepted, posterior=learned(ann.id)))
    bad = record(Sampled(FitStatus.failed, "the sampler's process died"))
    assert bad.id > good.id
    assert ann.forecast(rain, 0.8).json()["aggregate"]["fit_id"] == good.id


def test_a_posterior_that_cannot_be_read_is_passed_over(
    record, on_database, account, question
) -> None:
    ann, rain = account("ann"), question()
    good = record(Sampled(FitStatus.accepted, posterior=learned(ann.id)))
    broken = record(Sampled(FitStatus.accepted, posterior=learned(ann.id)))

    async def corrupt(database: Database) -> None:
        async with database.write() as session:
            await session.execute(
                update(Fit).where(Fit.id == broken.id).values(posterior=b"no archive")
            )

    on_database(corrupt)
    assert ann.forecast(rain, 0.8).json()["aggregate"]["fit_id"] == good.id
    unreadable = ann.get(f"/fits/{broken.id}/inference-data")
    assert unreadable.status_code == 404
    assert "another version" in unreadable.json()["detail"]


@pytest.mark.parametrize("loaded_before", [True, False])
def test_a_damaged_posterior_is_told(
    record, on_database, settings, account, question, curator, *, loaded_before: bool
) -> None:
    """Whether it was damaged before a process loaded it, or since."""
    ann, rain = account("ann"), question()
    ann.forecast(rain, 0.8)
    curator.resolve(question("snow"), "yes")
    fit = record(Sampled(FitStatus.accepted, posterior=learned(ann.id)))

    def replace_stored(content: bytes) -> None:
        async def work(database: Database) -> None:
            async with database.write() as session:
                change = update(Fit).where(Fit.id == fit.id).values(posterior=content)
                await session.execute(change)

        on_database(work)

    async def read(database: Database) -> bytes:
        async with database.read() as session:
            return (await fits.get(session, fit.id, with_posterior=True)).posterior or b""

    whole = on_database(read)
    damaged = whole[:200] + bytes(byte ^ 0xFF for byte in whole[200:260]) + whole[260:]
    told = f"The posterior of fit {fit.id} cannot be read"
    everyone = replace(settings, readers="everyone")
    if not loaded_before:
        replace_stored(damaged)
    with TestClient(create_app(everyone)) as client:
        if loaded_before:
            ready = client.get("/readyz").json()
            assert (ready["warning"], ready["fit_age_seconds"] is None) == (None, False)
            assert f"credence_fit_in_force {fit.id:.1f}" in client.get("/metrics").text
            replace_stored(damaged)
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert told in ready.json()["warning"]
        assert "the prior" in ready.json()["warning"]
        assert ready.json()["fit_age_seconds"] is None
        shown = client.get("/metrics").text
        assert "credence_fit_in_force 0.0" in shown
        assert "credence_fit_unreadable 1.0" in shown
        for path in ("/model", "/", f"/questions/{rain}"):
            assert told in client.get(path).text, path
        assert "unreliable" in client.get("/model").text
        replace_stored(whole)
        assert client.get("/readyz").json()["warning"] is None
        assert "credence_fit_unreadable 0.0" in client.get("/metrics").text


@pytest.mark.real_clock
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_workers_one_refits_and_the_other_takes_over_when_it_is_killed(
    settings, account, curator, question
) -> None:
    """On PostgreSQL with the jobs in it too; SQLite's worker is tested end to end."""
    people = [account(name) for name in ("ann", "bob", "eve")]
    asked = [question(f"q{index}") for index in range(6)]
    for index, one in enumerate(asked):
        for person in people:
            person.forecast(one, 0.3 + 0.1 * (index % 4))
    environment = os.environ | {
        "CREDENCE_DATABASE_URL": settings.database_url,
        "CREDENCE_FIT_DEBOUNCE_SECONDS": "0.5",
        "CREDENCE_FIT_CHECK_SECONDS": "1",
    }
    command = [sys.executable, "-m", "service.cli", "worker"]
    workers = {
        str(worker.pid): worker
        for worker in (subprocess.Popen(command, env=environment) for _ in range(2))
    }

    def refitting() -> str:
        """The process that refits; one at a time does."""
        state = curator.get("/jobs").json()
        busy = [one["name"] for one in state["workers"] if one["alive"] and one["doing"]]
        assert len(busy) <= 1
        return busy[0].split("-")[-2] if busy and len(state["workers"]) == 2 else ""

    try:
        for index, one in enumerate(asked[:5]):
            curator.resolve(one, "yes" if index % 2 else "no")
        killed = workers.pop(_until(refitting))
        killed.kill()
        killed.wait()
        (left,) = workers
        assert _until(lambda: (found := refitting()) != str(killed.pid) and found) == left
        fit = _until(lambda: curator.get("/fits").json()["items"])[0]
        assert not _until(lambda: not refitting() and curator.get("/jobs").json())["refit_behind"]
    finally:
        for worker in workers.values():
            worker.terminate()
        ended = [worker.wait(timeout=60) for worker in workers.values()]
    assert (fit["status"], fit["resolutions"], fit["questions"]) == ("accepted", 5, 5)
    assert len(curator.get("/fits").json()["items"]) == 1
    assert curator.get(f"/questions/{asked[5]}/aggregate").json()["fit_id"] == fit["id"]
    assert ended == [0]
    names = [one["name"].split("-")[-2] for one in curator.get("/jobs").json()["workers"]]
    assert names == [str(killed.pid)], "who ends in order leaves; who is lost stays to be seen"


def _until(condition: Any) -> Any:
    """What a condition gives once it gives something."""
    deadline = time.monotonic() + 500
    pause = threading.Event()
    while time.monotonic() < deadline:
        if found := condition():
            return found
        pause.wait(0.3)
    raise AssertionError("it did not come within 500 s")


def panel(questions: int = 40) -> Panel:
    people = [f"f{index}" for index in range(6)]
    random = np.random.default_rng(5)
    return Panel.of(
        forecasts=[
            (name, f"q{index}", np.nan, np.inf, float(random.uniform(0.05, 0.95)))
            for index in range(questions)
            for name in people
        ],
        questions=[
            PanelQuestion(id=f"q{index}", outcome=float(index % 2)) for index in range(questions)
        ],
    )


@pytest.fixture
def bare(tmp_path) -> dict[str, Any]:
    return {"database_url": f"sqlite:///{tmp_path / 'none.db'}"}


def test_a_sampler_that_dies_or_hangs_costs_that_fit_only(bare) -> None:
    settings, sampler = Settings(**bare, fit_timeout_seconds=1), Sampler()
    try:
        hung = sampler.sample(panel(), settings)
        assert (hung.status, hung.posterior) == (FitStatus.failed, None)
        assert hung.reason == "the sampler did not finish within 1 s"
    finally:
        sampler.close()

    settings, sampler = Settings(**bare), Sampler()
    killer = threading.Thread(target=_kill_child, args=(sampler,))
    killer.start()
    try:
        died = sampler.sample(panel(), settings)
        killer.join()
        assert (died.status, died.reason) == (FitStatus.failed, "the sampler's process died")
    finally:
        sampler.close()


def test_a_sampler_that_is_told_to_stop_does_so_at_once_and_blames_no_fit(bare) -> None:
    settings, sampler = Settings(**bare), Sampler()
    stopper = threading.Thread(target=lambda: (_when_started(sampler), sampler.stop()))
    stopper.start()
    try:
        with pytest.raises(Stopped):
            sampler.sample(panel(), settings)
    finally:
        stopper.join()
        sampler.close()


def _when_started(sampler: Sampler) -> int:
    pause = threading.Event()
    while sampler.child is None:
        pause.wait(0.01)
    return sampler.child


def _kill_child(sampler: Sampler) -> None:
    os.kill(_when_started(sampler), signal.SIGKILL)


def test_a_sampler_that_does_not_converge_is_refused_and_the_next_fit_is_fine(bare) -> None:
    settings, sampler = Settings(**bare, fit_draws=50, fit_tune=50, fit_chains=2), Sampler()
    seen: set[Progress] = set()
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(sampler, seen, ended))
    watcher.start()
    try:
        refused = sampler.sample(panel(), settings)
        ended.set()
        watcher.join()
        stages = {progress.stage for progress in seen}
        assert {"compiling", "sampling, attempt 1"} <= stages
        assert {progress.draws for progress in seen} <= {0, 200, 400}
        assert sampler.progress == Progress()
        assert refused.status == FitStatus.refused
        assert refused.reason
        assert refused.diagnostics
        nothing = sampler.sample(panel(questions=0), settings)
        assert nothing.status == FitStatus.accepted
        assert nothing.posterior is not None
    finally:
        ended.set()
        sampler.close()


def _watch(sampler: Sampler, seen: set[Progress], ended: threading.Event) -> None:
    while not ended.wait(0.001):
        seen.add(sampler.progress)
