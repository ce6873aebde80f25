"""The difference between live aggregates and those after a full refit.

Run ``python benchmarks/live_full.py FOLDER...`` on folders of forecasts and questions. Of each set,
an older fit knows what was known when half of the questions had resolved (without times: a random
half of the outcomes, four fifths of the forecasters). Then forecasts arrive until a tenth more of
the questions have resolved, and every open question is answered twice: by the older fit, and by a
new one. The differences in probability are printed after new forecasts alone, after those
outcomes too, and, for scale, between two fits that differ in the seed alone.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from forecasting.fit import FitRefused, fit
from forecasting.live import aggregate
from forecasting.panel import Panel
from forecasting.posterior import Posterior

SHIPPED = Path(__file__).parent.parent / "tests/data/replication_surveys"
STEP = 0.1
"""Share of the questions that resolve between the two fits."""


def stages(panel: Panel) -> tuple[Panel, Panel]:
    """Return the panels known to the older and to the newer fit."""
    has_calendar = not panel.rounds and np.isfinite(panel.time).all()
    known = panel.resolved[np.isfinite(panel.resolved) & ~np.isnan(panel.outcome)]
    if has_calendar and known.size:
        older, newer = np.quantile(known, [0.5, 0.5 + STEP])
        return panel.as_known_at(older), panel.as_known_at(newer)
    random = np.random.default_rng(0)
    share = random.permutation(len(panel.questions)) / len(panel.questions)
    newcomers = random.permutation(len(panel.forecasters)) < 0.2 * len(panel.forecasters)
    old = ~newcomers[panel.forecaster]
    forecasts = {
        name: getattr(panel, name)[old]
        for name in ("forecaster", "question", "time", "until", "probability")
    }
    return (
        replace(panel, outcome=np.where(share < 0.5, panel.outcome, np.nan), **forecasts),
        replace(panel, outcome=np.where(share < 0.5 + STEP, panel.outcome, np.nan)),
    )


def answers(posterior: Posterior, panel: Panel) -> np.ndarray:
    """Return a posterior's aggregate of every open question with forecasts, nan elsewhere."""
    said = np.full(len(panel.questions), np.nan)
    for question in np.flatnonzero(np.isnan(panel.outcome)).tolist():
        rows = panel.standing(question)
        if rows.size:
            time = panel.time[rows]
            said[question] = aggregate(
                posterior,
                [panel.forecasters[who] for who in panel.forecaster[rows]],
                panel.probability[rows],
                None if np.isnan(time).any() else time,
                domain=panel.domains[panel.domain[question]],
            ).probability
    return said


def measure(folder: Path) -> None:
    panel = Panel.read(folder)
    older, newer = stages(panel)
    unresolved = replace(newer, outcome=older.outcome)
    try:
        old, new = fit(older, seed=1), fit(newer, seed=1)
        compared = (
            ("forecasts arrived", old, fit(unresolved, seed=1)),
            ("forecasts and outcomes arrived", old, new),
            ("nothing but another seed", new, fit(newer, seed=2)),
        )
    except FitRefused as refusal:
        print(f"{folder.name}: refused: {refusal.reason}", flush=True)
        return
    for label, live, full in compared:
        off = np.abs(answers(live, newer) - answers(full, newer))
        off = off[~np.isnan(off)]
        median, most, nearly, worst = np.quantile(off, [0.5, 0.9, 0.99, 1.0])
        print(
            f"{folder.name}, {label}: {off.size} open questions, median {median:.4f}, "
            f"90% {most:.4f}, 99% {nearly:.4f}, most {worst:.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[SHIPPED])
    for folder in parser.parse_args().folders:
        measure(folder)


if __name__ == "__main__":
    main()
