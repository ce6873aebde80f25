"""Copies: found by their forecasts alone, counted as one, and honest agreement left alone."""

import dataclasses

import numpy as np
import pytest

from forecasting.duplicates import copies
from forecasting.fit import fit
from forecasting.live import aggregate, influence
from forecasting.panel import Panel, PanelQuestion
from forecasting.posterior import Posterior, PosteriorError
from forecasting.simulate import simulate
from forecasting.training import TrainingRows

PEOPLE = [f"person {index}" for index in range(5)]
BOTS = [f"bot {index:02d}" for index in range(20)]


def panel_of(rows: list[tuple[str, int, float]]) -> Panel:
    asked = sorted({question for _, question, _ in rows})
    return Panel.of(
        forecasts=[(who, f"q{question}", np.nan, np.inf, said) for who, question, said in rows],
        questions=[PanelQuestion(f"q{question}") for question in asked],
    )


def crowd(questions: int, *, skip: bool = False) -> list[tuple[str, int, float]]:
    """Twenty bots at 0.8 throughout and five people who differ from each other."""
    random = np.random.default_rng(1)
    rows = [
        (who, q, float(random.choice([0.1, 0.2, 0.3]))) for who in PEOPLE for q in range(questions)
    ]
    return rows + [
        (who, q, 0.8)
        for index, who in enumerate(BOTS)
        for q in range(questions)
        if not skip or q != index % questions
    ]


def test_twenty_identical_bots_do_not_outvote_five_people() -> None:
    panel = panel_of(crowd(5))
    posterior = fit(panel, seed=0)
    assert posterior.copies == dict.fromkeys(BOTS[1:], BOTS[0])
    names, said = [*PEOPLE, *BOTS], [0.2] * 5 + [0.8] * 20
    assert aggregate(Posterior.prior(), names, said).probability > 0.7
    found = aggregate(posterior, names, said)
    one_bot = aggregate(posterior, names[:6], said[:6])
    assert found.probability == pytest.approx(one_bot.probability, abs=1e-12)
    assert (found.lower, found.upper) == pytest.approx((one_bot.lower, one_bot.upper), abs=1e-12)
    assert found.probability < 0.35
    assert found.forecasters == 25
    shares = influence(posterior, names, said)
    assert shares == pytest.approx([1 / 6] * 5 + [1 / 120] * 20)


def test_copies_that_skip_different_questions_are_found() -> None:
    assert copies(panel_of(crowd(12, skip=True))) == dict.fromkeys(BOTS[1:], BOTS[0])


@pytest.mark.parametrize("questions", [1, 4])
def test_few_shared_questions_prove_nothing(questions: int) -> None:
    assert copies(panel_of(crowd(questions))) == {}


def test_what_everybody_says_proves_nothing() -> None:
    assert copies(panel_of([(who, q, 0.8) for who in BOTS + PEOPLE for q in range(5)])) == {}


def test_honest_people_who_round_are_not_copies() -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        rows = [(f"p{i:02d}", q, round(random.beta(6, 2), 1)) for i in range(25) for q in range(20)]
        assert copies(panel_of(rows)) == {}


def test_one_difference_parts_two_names() -> None:
    rows = crowd(8)
    assert BOTS[3] in copies(panel_of(rows))
    changed = [(who, q, 0.3 if (who, q) == (BOTS[3], 2) else said) for who, q, said in rows]
    found = copies(panel_of(changed))
    assert BOTS[3] not in found
    assert len(found) == 18


def test_the_order_of_forecasts_does_not_matter() -> None:
    rows = crowd(8, skip=True)
    order = np.random.default_rng(0).permutation(len(rows))
    assert copies(panel_of([rows[place] for place in order])) == copies(panel_of(rows))


def test_training_hears_a_voice_once() -> None:
    """Copies of a forecaster, times included, leave the rows that the model learns from alone."""
    panel = simulate(seed=3, questions=30, forecasters=6, per_question=6).panel
    rows = TrainingRows.of(panel)
    own = np.flatnonzero(panel.forecaster == panel.forecasters.index("forecaster 002"))
    twice = dataclasses.replace(
        panel,
        forecasters=(*panel.forecasters, "zz copy"),
        forecaster=np.concatenate([panel.forecaster, np.full(own.size, 6)]),
        **{
            name: np.concatenate([getattr(panel, name), getattr(panel, name)[own]])
            for name in ("question", "time", "until", "probability")
        },
    )
    again = TrainingRows.of(twice)
    assert again.copies == {"zz copy": "forecaster 002"}
    assert again.forecasters == rows.forecasters
    for name in ("forecaster", "said", "offset", "stale", "start", "end", "outcome", "weight"):
        assert getattr(again, name).tolist() == getattr(rows, name).tolist()


def test_copies_are_stored_and_chains_of_them_refused() -> None:
    posterior = dataclasses.replace(Posterior.prior(), copies={"b": "a"})
    assert Posterior.from_bytes(posterior.to_bytes()).copies == {"b": "a"}
    assert posterior.fingerprint != Posterior.prior().fingerprint
    with pytest.raises(PosteriorError, match="only one may speak"):
        dataclasses.replace(posterior, copies={"b": "a", "c": "b"})


def test_a_panel_without_forecasts_has_no_copies() -> None:
    assert copies(Panel.of(forecasts=[], questions=[PanelQuestion("q")])) == {}
