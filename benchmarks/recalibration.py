"""Coverage of the 80% intervals of recalibrations, on panels with known parameters.

Run ``python benchmarks/recalibration.py`` for 40 panels a setting (about a minute), ``--panels 5``
for a look. Behind each coverage stands its standard error over the panels.
"""

import argparse
from typing import Any

import numpy as np

from forecasting.recalibration import recalibrations
from forecasting.simulate import opinions

LEVEL = 0.8
SETTINGS: dict[str, dict[str, Any]] = {
    "one forecaster a question": {"questions": 600, "forecasters": 30, "per_question": 1},
    "ten a question": {"questions": 180, "forecasters": 30, "per_question": 10},
    "all on all": {"questions": 60, "forecasters": 30, "per_question": 30},
    "ten, twice as unlike": {
        "questions": 180,
        "forecasters": 30,
        "per_question": 10,
        "unlike": 2.0,
    },
    "all on all, twice as unlike": {
        "questions": 60,
        "forecasters": 30,
        "per_question": 30,
        "unlike": 2.0,
    },
    "ten, alike": {"questions": 180, "forecasters": 30, "per_question": 10, "unlike": 0.25},
    "many who said little": {"questions": 100, "forecasters": 200, "per_question": 20},
    "few who said much": {"questions": 200, "forecasters": 5, "per_question": 5},
    "all on all, a herd": {
        "questions": 60,
        "forecasters": 30,
        "per_question": 30,
        "common": 0.9,
    },
    "all on all, each alone": {
        "questions": 60,
        "forecasters": 30,
        "per_question": 30,
        "common": 0.1,
    },
}


def covered(seed: int, setting: dict[str, Any]) -> list[float]:
    """The coverage of intercepts and slopes by their intervals in one panel."""
    made = opinions(seed=seed, **setting)
    panel = made.panel
    found = recalibrations(
        panel.probability, panel.outcome[panel.question], panel.forecaster, question=panel.question
    )
    pairs = ((made.intercept, found.intercept(LEVEL)), (made.slope, found.slope(LEVEL)))
    return [
        float(((said.lower[:-1] < truth) & (truth < said.upper[:-1])).mean())
        for truth, said in pairs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=40)
    asked = parser.parse_args()
    print(f"{LEVEL:.0%} intervals, {asked.panels} panels a setting: intercepts, slopes")
    whole = []
    for name, setting in SETTINGS.items():
        shares = np.array([covered(seed, setting) for seed in range(asked.panels)])
        mean, error = shares.mean(axis=0), shares.std(axis=0) / np.sqrt(asked.panels)
        whole.append(mean)
        print(f"  {name:28s} {mean[0]:.3f} ({error[0]:.3f})   {mean[1]:.3f} ({error[1]:.3f})")
    print("  {:28s} {:.3f}           {:.3f}".format("on average", *np.mean(whole, axis=0)))


if __name__ == "__main__":
    main()
