"""The worked example of docs/posterior.md runs, on the real set, and says what it says it does."""

import re
from pathlib import Path

import numpy as np
import pytest

from forecasting.live import aggregate

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "posterior.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def notebook() -> dict[str, object]:
    """What the blocks leave behind, run in order from the repository's root."""
    left: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
            exec(compile(block, "docs/posterior.md", "exec"), left)  # noqa: S102  # our own text
    return left


@pytest.mark.filterwarnings("ignore:.*ArviZ:FutureWarning")
def test_the_example_runs(notebook) -> None:
    answer, result = notebook["answer"], notebook["result"]
    assert answer.lower < answer.probability < answer.upper
    assert result.questions == 23
    assert result.slope_interval[0] < result.slope < result.slope_interval[1]
    assert notebook["skill"].dims == ("chain", "draw")
    assert notebook["first"].resolved > 0


def test_replicated_outcomes_look_like_the_real_ones(notebook) -> None:
    """Posterior predictive calibration: base rate and Brier score of the questions learned from."""
    panel, posterior = notebook["panel"], notebook["posterior"]
    chance = np.array(
        [
            aggregate(
                posterior,
                [panel.forecasters[who] for who in panel.forecaster[panel.standing(question)]],
                panel.probability[panel.standing(question)],
                domain=panel.domains[panel.domain[question]],
            ).probability
            for question in range(80)
        ]
    )
    drawn = np.random.default_rng(0).random((2000, 80)) < chance
    truth = panel.outcome[:80]
    for replicated, real in (
        (drawn.mean(axis=1), truth.mean()),
        (((drawn - chance) ** 2).mean(axis=1), ((truth - chance) ** 2).mean()),
    ):
        assert 0.02 < np.mean(replicated < real) < 0.98
