"""What is said of forecasters: known truths come back, intervals cover, the unseen are usual."""

import numpy as np
import pytest
from scipy import optimize, stats

from forecasting.forecasters import Summaries, moderated, summarise, weights
from forecasting.panel import Panel, PanelQuestion
from forecasting.pooling import logistic
from forecasting.posterior import Posterior, PosteriorError
from forecasting.simulate import opinions


def panel_of(rows: list[tuple[str, str, float]], outcomes: dict[str, float]) -> Panel:
    return Panel.of(
        forecasts=[(who, asked, np.nan, np.inf, said) for who, asked, said in rows],
        questions=[PanelQuestion(name, outcome=truth) for name, truth in outcomes.items()],
    )


def crowd(seed: int, *, noise: list[float], offset: list[float], questions: int) -> Panel:
    """People around a common belief that is right; each with an offset and noise, in nats."""
    random = np.random.default_rng(seed)
    belief = random.normal(0.0, 1.0, questions)
    outcome = random.random(questions) < logistic(belief)
    rows = [
        (f"f{who}", f"q{asked}", float(logistic(belief[asked] + shift + sd * random.normal())))
        for who, (sd, shift) in enumerate(zip(noise, offset, strict=True))
        for asked in range(questions)
    ]
    return panel_of(rows, {f"q{asked}": float(yes) for asked, yes in enumerate(outcome)})


def summaries(panel: Panel) -> Summaries:
    return summarise(panel, Posterior.prior())


def test_noise_bias_and_slope_come_back() -> None:
    panel = crowd(
        0,
        noise=[0.2, 0.2, 0.2, 0.2, 0.2, 0.9, 0.2, 0.2],
        offset=[0, 0, 0, 0, 0, 0, 1.0, -1.0],
        questions=400,
    )
    found = summaries(panel)
    quiet, noisy, rosy, gloomy = (found.of(f"f{who}") for who in (0, 5, 6, 7))
    assert quiet.noise.value == pytest.approx(0.2, abs=0.15)
    assert noisy.noise.value == pytest.approx(0.85, abs=0.15)
    assert rosy.bias.value - quiet.bias.value == pytest.approx(1.0, abs=0.15)
    assert gloomy.bias.value - quiet.bias.value == pytest.approx(-1.0, abs=0.15)
    assert noisy.slope.upper < quiet.slope.value
    assert quiet.resolved == 400


def test_the_less_is_resolved_the_more_everybody_is_alike() -> None:
    random = np.random.default_rng(0)
    said = {f"q{asked}": random.uniform(0.2, 0.8) for asked in range(60)}
    truth = {name: float(random.random() < chance) for name, chance in said.items()}
    rows = [(f"f{who}", name, chance) for name, chance in said.items() for who in range(4)]
    rows += [("late", "q0", 0.99), ("late", "q1", 0.99)]
    found = summaries(panel_of(rows, truth))
    usual, late, known = found.of("nobody"), found.of("late"), found.of("f0")
    assert (usual.resolved, late.resolved, known.resolved) == (0, 2, 60)
    for one in (late, known):
        assert one.slope.upper - one.slope.lower < usual.slope.upper - usual.slope.lower
    assert abs(late.slope.value - usual.slope.value) < 0.3
    assert known.bias.upper - known.bias.lower < late.bias.upper - late.bias.lower


def test_intervals_of_bias_cover_the_truth() -> None:
    covered = []
    for seed in range(20):
        made = opinions(seed=seed, questions=80, forecasters=20, per_question=8)
        panel = made.panel
        found = summaries(panel)
        z = np.log(panel.probability) - np.log1p(-panel.probability)
        mean = np.bincount(panel.forecaster, z) / np.bincount(panel.forecaster)
        truth = mean - (made.intercept + made.slope * mean)
        rows = [panel.forecasters.index(name) for name in found.forecasters]
        inside = (found.bias.lower[:-1] < truth[rows]) & (truth[rows] < found.bias.upper[:-1])
        covered.append(inside.mean())
    assert 0.68 < np.mean(covered) < 0.92


def test_nobody_and_one_alone_are_no_trouble() -> None:
    nobody = summaries(panel_of([], {"q": 1.0}))
    assert nobody.forecasters == ()
    assert nobody.of("ann").bias.value == pytest.approx(0.0)
    alone = summaries(panel_of([("ann", "q", 1.0)], {"q": 0.0})).of("ann")
    assert alone.resolved == 1
    assert alone.bias.value > 0.0
    for figure in (alone.weight, alone.bias, alone.noise, alone.slope):
        assert figure.lower < figure.value < figure.upper


def test_weights_are_those_of_the_posterior() -> None:
    random = np.random.default_rng(0)
    prior = Posterior.prior(draws=200)
    drawn = {name: getattr(prior, name) for name in ("t_w", "rho", "k0", "v0", "g0", "a0")}
    nothing = np.empty((200, 0))
    posterior = Posterior(
        **drawn,
        gamma=nothing,
        alpha=nothing,
        omega=random.normal(size=(200, 2)),
        forecasters=("ann", "bob"),
    )
    found = weights(posterior, ("bob", "nobody"), level=0.5)
    expected = np.quantile(np.exp(posterior.t_w * posterior.omega[:, 1]), [0.25, 0.5, 0.75])
    assert [found.lower[0], found.value[0], found.upper[0]] == pytest.approx(expected)
    assert found.value[1:].tolist() == [1.0, 1.0]
    assert found.lower[1] < 1.0 < found.upper[1]


def test_moderated_variances_are_those_of_the_marginal_likelihood() -> None:
    """With many variances the moments and the likelihood of the F distribution agree."""
    random = np.random.default_rng(2)
    size, freedom, prior = 4000, 6.0, 8.0
    variance = 2.0 * prior / random.chisquare(prior, size)
    squares = variance * random.chisquare(freedom, size)

    def loss(values: np.ndarray) -> float:
        d, usual = np.exp(values)
        return -float(np.sum(stats.f.logpdf(squares / freedom / usual, freedom, d) - np.log(usual)))

    d, usual = np.exp(optimize.minimize(loss, np.log([5.0, 1.0]), method="Nelder-Mead").x)
    found = moderated(squares, np.full(size, freedom), level=0.8)
    expected = np.sqrt((d * usual + squares) / stats.chi2.median(d + freedom))
    assert found.value == pytest.approx(expected, rel=0.05)
    truth = np.sqrt(variance)
    assert np.mean((found.lower < truth) & (truth < found.upper)) == pytest.approx(0.8, abs=0.02)


def test_variances_that_differ_by_chance_alone_are_pooled() -> None:
    squares = np.random.default_rng(0).chisquare(10, 40)
    found = moderated(squares, np.full(40, 10.0))
    assert np.ptp(found.value) < 0.3 * np.ptp(np.sqrt(squares / 10.0))


def test_a_level_outside_its_range_is_refused() -> None:
    with pytest.raises((ValueError, PosteriorError), match="outside"):
        summarise(panel_of([], {}), Posterior.prior(), level=1.0)
