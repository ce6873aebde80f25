"""From a folder of real forecasts to a scored crowd, through the public interface alone."""

import csv
import math
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.aggregates import METHODS

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


def everything(api: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = api.get(path, params=params).raise_for_status().json()
        found += page["items"]
        if page["next"] is None:
            return found
        params["cursor"] = page["next"]


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
        httpx.Client(
            base_url=f"{address}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as api,
    ):
        ids = {
            item["slug"]: item["id"]
            for item in everything(api, "/questions", set="replication", limit=40)
        }
        assert ids.keys() == outcomes.keys()
        order = np.random.default_rng(0).permutation(sorted(ids))
        learned, held_out = order[:LEARNED_FROM], order[LEARNED_FROM:]

        resolve(api, ids, learned, outcomes)
        fit = wait(lambda: accepted(api, resolutions=len(learned)), "the refit")
        assert fit["questions"] == len(learned)
        assert fit["diagnostics"]

        mean_log_score = {
            method: np.mean(
                [
                    log_score(aggregate(api, ids[name], method)["probability"], outcomes[name])
                    for name in held_out
                ]
            )
            for method in ("bayes", "mean", "median")
        }
        assert mean_log_score["bayes"] < mean_log_score["mean"]
        assert mean_log_score["bayes"] < mean_log_score["median"]
        reading = aggregate(api, ids[held_out[0]], "bayes")
        assert reading["fit_id"] == fit["id"]
        assert reading["lower"] < reading["probability"] < reading["upper"]

        submitted = api.post(f"/questions/{ids[held_out[0]]}/forecasts", json={"probability": 0.9})
        assert submitted.status_code == 201
        assert submitted.json()["aggregate"]["fit_id"] == fit["id"]
        assert submitted.json()["aggregate"]["forecasters"] == reading["forecasters"] + 1

        resolve(api, ids, held_out, outcomes)
        check_scores(api, ids, outcomes)


def resolve(api: httpx.Client, ids: dict[str, int], names: Any, outcomes: dict[str, int]) -> None:
    for name in names:
        answer = api.post(
            f"/questions/{ids[name]}/resolution",
            json={"outcome": "yes" if outcomes[name] else "no", "note": "The study was repeated."},
        )
        assert answer.status_code == 201, answer.text


def accepted(api: httpx.Client, *, resolutions: int) -> dict[str, Any] | None:
    fits = api.get("/fits").raise_for_status().json()["items"]
    assert not [fit for fit in fits if fit["status"] != "accepted"], fits
    return next((fit for fit in fits if fit["resolutions"] >= resolutions), None)


def aggregate(api: httpx.Client, question_id: int, method: str) -> dict[str, Any]:
    answer = api.get(f"/questions/{question_id}/aggregate", params={"method": method})
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def check_scores(api: httpx.Client, ids: dict[str, int], outcomes: dict[str, int]) -> None:
    name = min(ids)
    scores = everything(api, f"/questions/{ids[name]}/scores", limit=50)
    people = [score for score in scores if score["forecaster_id"] is not None]
    assert len(people) >= 40
    assert {score["method"] for score in scores} == {None, *METHODS}
    for score in people:
        error = score["spot_probability"] - outcomes[name]
        assert score["brier"] == pytest.approx(error**2)

    board = everything(api, "/leaderboard", set="replication", score="brier", limit=100)
    assert [place["rank"] for place in board] == list(range(1, 346))
    assert board[0]["ranked_by"] < board[-1]["ranked_by"]

    crowd = api.get("/calibration", params={"set": "replication"}).json()
    assert crowd["questions"] == len(outcomes)
    assert crowd["brier"] < 0.25
    parts = crowd["miscalibration"] - crowd["discrimination"] + crowd["uncertainty"]
    assert parts == pytest.approx(crowd["brier"])
