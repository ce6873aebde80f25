"""The PyMC model and its fit: against the live formulas, and what is refused."""

import dataclasses
import importlib
from typing import Any

import numpy as np
import pytest
from scipy import stats

from forecasting.density import Density
from forecasting.fit import FitRefused, fit
from forecasting.live import aggregate
from forecasting.panel import Panel
from forecasting.pooling import logistic
from forecasting.posterior import PRIORS, Posterior
from forecasting.simulate import Simulation, simulate
from forecasting.trained_pools import Crowd
from forecasting.training import TrainingRows

pytestmark = pytest.mark.slow

fitting = importlib.import_module("forecasting.fit")  # the package's `fit` is the function

SHORT: dict[str, Any] = {"draws": 1000, "tune": 400}


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return simulate(seed=4, questions=150, forecasters=8, per_question=8, domains=2)


@pytest.fixture(scope="session")
def fitted(simulation: Simulation) -> Posterior:
    return fit(simulation.panel, seed=7, **SHORT)


@pytest.fixture(scope="session")
def graph(simulation: Simulation) -> Any:
    from forecasting.model import build_model  # noqa: PLC0415 - imports PyMC

    return build_model(simulation.panel)


def test_a_fit_records_what_made_it(simulation: Simulation, fitted: Posterior) -> None:
    found = fitted.metadata
    assert found["kind"] == "fit"
    assert found["data_hash"] == simulation.panel.data_hash
    assert found["seed"] == 7
    assert found["questions"] == 150
    assert set(found["versions"]) >= {"pymc", "nutpie", "numpy", "python"}
    assert found["priors"]["rho"] == 2.0
    assert found["diagnostics"]["max_r_hat"] <= 1.01
    assert found["diagnostics"]["min_ess_bulk"] >= 400
    assert found["diagnostics"]["min_ess_tail"] >= 400
    assert found["diagnostics"]["divergences"] == 0
    assert fitted.draws == 400
    assert fitted.domains == ("domain 0", "domain 1")
    assert Posterior.from_bytes(fitted.to_bytes()).metadata == found


def test_the_error_of_simulation_is_what_another_seed_changes(
    simulation: Simulation, fitted: Posterior
) -> None:
    panel = simulation.panel
    asked = panel.snapshots(())
    crowds = [Crowd.of(panel, asked, snapshot) for snapshot in range(asked.question.size)]

    def answers(posterior: Posterior) -> np.ndarray:
        return np.array(
            [
                aggregate(
                    posterior, one.forecasters, one.probability, one.time, domain=one.domain
                ).probability
                for one in crowds
            ]
        )

    fits = [fitted, *(fit(panel, seed=seed, **SHORT) for seed in (8, 9, 10))]
    told = [one.metadata["diagnostics"]["monte_carlo_error"] for one in fits]
    found = np.sqrt(np.var([answers(one) for one in fits], axis=0, ddof=1).mean())
    assert 0.5 * found < np.mean(told) < 2.0 * found
    assert found < 0.006


def test_the_skilled_are_believed_more(simulation: Simulation, fitted: Posterior) -> None:
    skill = dict(zip(fitted.forecasters, fitted.omega.mean(axis=0), strict=True))
    learned = [skill[name] for name in simulation.panel.forecasters]
    assert stats.spearmanr(learned, simulation.noise).statistic < -0.7


def test_the_fit_beats_the_prior_on_the_truth(simulation: Simulation, fitted: Posterior) -> None:
    fresh = simulate(seed=99, questions=150, forecasters=8, per_question=8, domains=2)
    errors = []
    for posterior in (fitted, Posterior.prior()):
        said = []
        for index in range(150):
            rows = fresh.panel.standing(index)
            names = [fresh.panel.forecasters[who] for who in fresh.panel.forecaster[rows]]
            answer = aggregate(
                posterior,
                names,
                fresh.panel.probability[rows],
                fresh.panel.time[rows],
                domain=fresh.panel.domains[fresh.panel.domain[index]],
            )
            said.append(answer.probability)
        errors.append(np.mean((np.array(said) - logistic(fresh.log_odds)) ** 2))
    assert errors[0] < errors[1]


def test_the_same_data_and_seed_give_the_same_fingerprint_in_any_order(
    simulation: Simulation, fitted: Posterior
) -> None:
    order = np.random.default_rng(0).permutation(simulation.panel.time.size)
    columns = ("forecaster", "question", "time", "until", "probability")
    shuffled = dataclasses.replace(
        simulation.panel, **{name: getattr(simulation.panel, name)[order] for name in columns}
    )
    # Another panel in between: what a process fitted before must not matter.
    fit(simulate(seed=1, questions=40, forecasters=5, per_question=5).panel, seed=1, **SHORT)
    told: list[tuple[int, int]] = []
    again = fit(shuffled, seed=7, drawn=lambda *much: told.append(much), **SHORT)
    assert again.fingerprint == fitted.fingerprint
    assert told
    assert all(0 <= done <= of for done, of in told)


def test_the_graph_and_the_live_aggregate_agree(
    simulation: Simulation, fitted: Posterior, graph: Any
) -> None:
    """The graph's log-likelihood is the sum over snapshots of the live answers, draw by draw."""
    panel, model = simulation.panel, graph
    likelihood = _compiled(model, model.replace_rvs_by_values(model.potentials)[0])
    point = model.initial_point()
    shown = panel.snapshots()
    correlation = TrainingRows.of(panel).neighbours
    share = (1.0 - correlation) / (1.0 + correlation)
    for draw in (0, 150, 399):
        one = _single(fitted, draw)
        expected = 0.0
        for snapshot, question in enumerate(shown.question):
            rows = slice(shown.start[snapshot], shown.end[snapshot])
            answer = aggregate(
                one,
                [panel.forecasters[who] for who in shown.forecaster[rows]],
                shown.probability[rows],
                shown.time[rows],
                domain=panel.domains[panel.domain[question]],
            ).probability
            chance = answer if shown.outcome[snapshot] else 1.0 - answer
            expected += share * shown.weight[snapshot] * np.log(chance)
        assert float(likelihood(_at(point, one))) == pytest.approx(expected, abs=1e-6)


def test_the_density_that_is_sampled_is_that_of_the_graph(
    simulation: Simulation, graph: Any
) -> None:
    density = Density(TrainingRows.of(simulation.panel), PRIORS)
    value = _compiled(graph, graph.logp())
    initial = graph.initial_point()
    for seed in range(3):
        flat = density.start(seed)
        flat[0] = (0.2, -0.9, 1.8)[seed]  # skill from nearly equal to very unequal
        named = _named(density, flat)
        logs = {f"{name}_log__": np.log(named[name]) for name in ("t_w", "rho", "k0", "v0")}
        inner = named | logs | {"log_gamma": np.log(named["gamma"])}
        point = {name: np.reshape(inner[name], np.shape(initial[name])) for name in initial}
        evaluate = density.evaluator()
        found, slope = evaluate(flat)
        jacobian = _log_jacobian(density, flat) - np.log(named["t_w"])
        assert found == pytest.approx(float(value(point)) + jacobian, abs=1e-4)
        for place in range(flat.size):
            step = np.zeros(flat.size)
            step[place] = 1e-5
            rise = (evaluate(flat + step)[0] - evaluate(flat - step)[0]) / 2e-5
            assert slope[place] == pytest.approx(rise, rel=1e-4, abs=1e-5)


def test_where_skills_are_integrated_out_the_slope_is_that_of_the_density(
    simulation: Simulation,
) -> None:
    density = Density(TrainingRows.of(simulation.panel), PRIORS, sampled=4)
    assert (density.sampled, density.size) == (4, density.shared + 4)
    evaluate = density.evaluator()
    for seed, t in enumerate((0.2, -0.9, 1.8)):
        flat = density.start(seed)
        flat[0] = t
        slope = evaluate(flat)[1]
        for place in range(flat.size):
            step = np.zeros(flat.size)
            step[place] = 1e-5
            rise = (evaluate(flat + step)[0] - evaluate(flat - step)[0]) / 2e-5
            assert slope[place] == pytest.approx(rise, rel=1e-4, abs=1e-5)


def test_integrating_skills_out_hardly_changes_answers_and_weights() -> None:
    panel = simulate(seed=3, questions=150, forecasters=60, per_question=30).panel
    whole = fit(panel, seed=1)
    part, again = (fit(panel, seed=1, sampled=20) for _ in range(2))
    assert part.fingerprint == again.fingerprint
    assert part.metadata["integrated_out"] == 40
    assert "integrated_out" not in whole.metadata
    assert part.forecasters == whole.forecasters
    last = panel.snapshots(())
    crowds = [Crowd.of(panel, last, snapshot) for snapshot in range(last.question.size)]

    def answers(posterior: Posterior) -> Any:
        return np.array(
            [
                aggregate(posterior, crowd.forecasters, crowd.probability, crowd.time).probability
                for crowd in crowds
            ]
        )

    off = np.abs(answers(part) - answers(whole))
    assert np.median(off) < 0.01
    log_weights = [(each.t_w[:, None] * each.omega).mean(axis=0) for each in (part, whole)]
    assert np.corrcoef(*log_weights)[0, 1] > 0.6, "each weight is its own forecaster's"


def _named(density: Density, flat: Any) -> dict[str, Any]:
    values = flat[density.shared :]
    return density.named(flat) | {"omega": density.omega(flat[0], values)}


def _log_jacobian(density: Density, flat: Any) -> float:
    """The log-determinant of the parameters by the point, by differences; logs of the positive."""

    def parameters(point: Any) -> Any:
        named = _named(density, point)
        positive = {name: np.log(named[name]) for name in ("rho", "k0", "v0", "gamma")}
        return np.hstack([np.ravel(value) for value in (named | positive).values()])

    steps = 1e-5 * np.eye(flat.size)
    slopes = [(parameters(flat + step) - parameters(flat - step)) / 2e-5 for step in steps]
    return float(np.linalg.slogdet(np.array(slopes))[1])


def _compiled(model: Any, output: Any) -> Any:
    return model.compile_fn(
        output,
        inputs=model.value_vars,
        mode="FAST_COMPILE",
        point_fn=True,
        on_unused_input="ignore",
    )


def _single(posterior: Posterior, draw: int) -> Posterior:
    names = ("t_w", "rho", "k0", "v0", "g0", "a0", "gamma", "alpha", "omega")
    kept = {name: getattr(posterior, name)[draw : draw + 1] for name in names}
    return dataclasses.replace(posterior, **kept)


def _at(point: dict[str, Any], one: Posterior) -> dict[str, Any]:
    found = dict(point)
    for name in ("t_w", "rho", "k0", "v0"):
        found[f"{name}_log__"] = np.log(getattr(one, name)[0])
    found |= {"g0": one.g0[0], "a0": one.a0[0]}
    for name, values in (
        ("log_gamma", np.log(one.gamma[0])),
        ("alpha", one.alpha[0]),
        ("omega", one.omega[0]),
    ):
        found[name] = np.concatenate([values, np.zeros(point[name].size - values.size)])
    return found


def test_with_nothing_resolved_the_prior_is_the_answer() -> None:
    panel = simulate(seed=1, questions=5, open_share=1.0).panel
    found = fit(panel, seed=3)
    assert found.fingerprint == Posterior.prior(seed=3).fingerprint
    assert found.metadata["kind"] == "prior"
    assert found.metadata["data_hash"] == panel.data_hash


def test_inference_data_keeps_the_chains(fitted: Posterior) -> None:
    sizes = fitted.to_inference_data().posterior.sizes
    assert (sizes["chain"], sizes["draw"], sizes["forecaster"]) == (4, 100, 8)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_r_hat": 1.02}, "R-hat of omega is 1.02"),
        ({"max_r_hat": None}, "R-hat of omega is None"),
        ({"min_ess_bulk": 399.0}, "bulk effective draws of g0 are 399"),
        ({"min_ess_tail": 12.0}, "tail effective draws of t_w are 12"),
        ({"divergences": 1}, "1 divergent"),
    ],
)
def test_bad_diagnostics_are_refused_after_a_second_try(
    simulation: Simulation,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    reason: str,
) -> None:
    figures = {
        "max_r_hat": 1.001,
        "max_r_hat_of": "omega",
        "min_ess_bulk": 900.0,
        "min_ess_bulk_of": "g0",
        "min_ess_tail": 900.0,
        "min_ess_tail_of": "t_w",
        "divergences": 0,
    }
    asked = _without_sampling(monkeypatch, figures | change)
    with pytest.raises(FitRefused) as refusal:
        fit(simulation.panel, seed=1, draws=10, tune=20)
    assert reason in refusal.value.reason
    assert refusal.value.diagnostics["attempt"] == 2
    assert [(each["draws"], each["tune"]) for each in asked] == [(10, 20), (20, 40)]


def test_a_sampler_that_dies_is_a_refusal(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nutpie  # noqa: PLC0415 - only the tests of fitting pay for it

    class PanicException(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise PanicException("poisoned sampler state")

    monkeypatch.setattr(nutpie, "sample", dies)
    with pytest.raises(FitRefused, match="poisoned sampler state"):
        fit(simulation.panel, seed=1)


def test_draws_that_never_moved_have_no_r_hat(simulation: Simulation) -> None:
    density = Density(TrainingRows.of(simulation.panel), PRIORS)
    stuck = fitting._Sample(
        shared=np.zeros((4, 100, density.shared)),
        values=[np.zeros((100, density.people))] * 4,
        divergences=0,
    )
    assert "R-hat of t_w is None" in fitting._fault(fitting._diagnose(density, stuck))


def test_one_chain_is_not_enough(simulation: Simulation) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        fit(simulation.panel, seed=1, chains=1)


def _without_sampling(
    monkeypatch: pytest.MonkeyPatch, figures: dict[str, Any]
) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def sample(*_: object, **settings: Any) -> Any:
        asked.append(settings)
        return None

    monkeypatch.setattr(fitting, "_sample", sample)
    monkeypatch.setattr(fitting, "_diagnose", lambda *_: dict(figures))
    return asked


def test_training_rows_are_sorted_and_whole() -> None:
    panel: Panel = simulate(seed=2, questions=40, forecasters=70, per_question=9, domains=9).panel
    rows = TrainingRows.of(panel)
    assert list(rows.forecasters) == sorted(rows.forecasters)
    independent = (1.0 - rows.neighbours) / (1.0 + rows.neighbours)
    assert rows.weight.sum() == pytest.approx(40.0 * independent)
    assert rows.end[-1] == rows.said.size == rows.forecaster.size
    assert (rows.end > rows.start).all()
