"""From a folder of real forecasts to a scored crowd, through the public interface alone."""

import csv
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.client import Client
from service.fits.schemas import FitOut
from service.questions.aggregates import METHODS

DATA = Path(__file__).parents[1] / "data" / "replication_surveys"
LEARNED_FROM = 70


def read_outcomes(folder: Path) -> dict[str, int]:
    with (folder / "questions.csv").open() as file:
        return {row["question_id"]: int(row["outcome"]) for row in csv.DictReader(file)}


def without_outcomes(folder: Path) -> Path:
    """A copy of the data as it was known before any study was repeated."""
    folder.mkdir()
    shutil.copy(DATA / "forecasts.csv.gz", folder)
    with (DATA / "questions.csv").open() as source, (folder / "questions.csv").open("w") as copy:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(copy, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"outcome": ""} for row in rows)
    return folder


def log_score(probability: float, outcome: int) -> float:
    chance = probability if outcome else 1 - probability
    return -math.log(max(chance, 1e-3))


def test_the_crowd_learns_whom_to_believe(installation, wait, tmp_path: Path) -> None:
    token = installation.run("init", "--token")
    folder = without_outcomes(tmp_path / "surveys")
    said = installation.run("import", str(folder), "--set", "replication")
    assert "103 questions (0 resolved), 7281 forecasts of 344 forecasters" in said
    outcomes = read_outcomes(DATA)
    with (
        installation.serving() as address,
        Client(address, token, timeout_seconds=60) as api,
    ):
        ids = {one.slug: one.id for one in api.questions(set="replication")}
        assert ids.keys() == outcomes.keys()
        order = np.random.default_rng(0).permutation(sorted(ids))
        learned, held_out = order[:LEARNED_FROM], order[LEARNED_FROM:]

        resolve(api, ids, learned, outcomes)
        fit = wait(lambda: accepted(api, resolutions=len(learned)), "the refit")
        assert fit.questions == len(learned)
        assert fit.diagnostics

        mean_log_score = {
            method: np.mean(
                [
                    log_score(api.aggregate(ids[name], method=method).probability, outcomes[name])
                    for name in held_out
                ]
            )
            for method in ("bayes", "mean", "median")
        }
        assert mean_log_score["bayes"] < mean_log_score["mean"]
        assert mean_log_score["bayes"] < mean_log_score["median"]
        reading = api.aggregate(ids[held_out[0]])
        assert reading.fit_id == fit.id
        assert reading.lower < reading.probability < reading.upper

        submitted = api.submit(ids[held_out[0]], 0.9)
        assert submitted.aggregate.fit_id == fit.id
        assert submitted.aggregate.forecasters == reading.forecasters + 1

        resolve(api, ids, held_out, outcomes)
        check_scores(api, ids, outcomes)


def resolve(api: Client, ids: dict[str, int], names: Any, outcomes: dict[str, int]) -> None:
    for name in names:
        api.resolve(ids[name], "yes" if outcomes[name] else "no", note="The study was repeated.")


def accepted(api: Client, *, resolutions: int) -> FitOut | None:
    fits = list(api.fits())
    assert not [fit for fit in fits if fit.status != "accepted"], fits
    return next((fit for fit in fits if fit.resolutions >= resolutions), None)


def check_scores(api: Client, ids: dict[str, int], outcomes: dict[str, int]) -> None:
    name = min(ids)
    scores = list(api.scores(ids[name]))
    people = [score for score in scores if score.forecaster_id is not None]
    assert len(people) >= 40
    assert {score.method for score in scores} == {None, *METHODS}
    for score in people:
        error = score.spot_probability - outcomes[name]
        assert score.brier == pytest.approx(error**2)

    board = list(api.leaderboard(set="replication", score="brier", imported=True))
    assert len(board) == 345
    by = [round(place.ranked_by, 9) for place in board]
    assert [place.rank for place in board] == [by.index(one) + 1 for one in by]
    assert all(place.rank_lower <= place.rank <= place.rank_upper for place in board)
    assert board[0].ranked_by < board[-1].ranked_by

    crowd = api.calibration(set="replication")
    assert crowd.questions == len(outcomes)
    assert crowd.brier < 0.25
    parts = crowd.miscalibration - crowd.discrimination + crowd.uncertainty
    assert parts == pytest.approx(crowd.brier)
