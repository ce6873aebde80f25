"""The stored posterior: round trips, fingerprints, refusals, and the prior."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from forecasting.live import aggregate
from forecasting.posterior import Posterior, PosteriorError, standard_normal


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    random = np.random.default_rng(5)
    prior = Posterior.prior(draws=40)
    return dataclasses.replace(
        prior,
        gamma=np.exp(random.normal(size=(40, 2))),
        alpha=random.normal(size=(40, 2)),
        omega=random.normal(size=(40, 3)),
        forecasters=("ann", "bob", "Zoë"),
        domains=("", "weather"),
        metadata={"seed": 1, "chains": 4},
    )


def test_bytes_and_files_round_trip(posterior: Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "posterior.npz")
    for again in (
        Posterior.from_bytes(posterior.to_bytes()),
        Posterior.load(tmp_path / "posterior.npz"),
    ):
        assert again.fingerprint == posterior.fingerprint
        assert again.forecasters == posterior.forecasters
        assert again.metadata == posterior.metadata
        assert again.omega.tobytes() == posterior.omega.tobytes()
    assert posterior.to_bytes() == posterior.to_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["posterior.npz"]


def test_the_fingerprint_is_of_the_arrays_and_names(posterior: Posterior) -> None:
    assert posterior.with_metadata(note="x").fingerprint == posterior.fingerprint
    other = dataclasses.replace(posterior, rho=np.nextafter(posterior.rho, 9.0))
    assert other.fingerprint != posterior.fingerprint
    renamed = dataclasses.replace(posterior, domains=("", "sport"))
    assert renamed.fingerprint != posterior.fingerprint


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_bytes_are_refused(posterior: Posterior, keep: int) -> None:
    with pytest.raises(PosteriorError):
        Posterior.from_bytes(posterior.to_bytes()[:keep])


def test_every_flipped_byte_is_refused_or_harmless(posterior: Posterior) -> None:
    content = posterior.to_bytes()
    for position in range(0, len(content), 97):
        bad = bytearray(content)
        bad[position] ^= 0xFF
        try:
            again = Posterior.from_bytes(bytes(bad))
        except PosteriorError:
            continue
        assert again.fingerprint == posterior.fingerprint


def test_pickles_are_never_loaded() -> None:
    import io  # noqa: PLC0415 - only this test forges a file

    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"format": 1}], dtype=object))
    with pytest.raises(PosteriorError):
        Posterior.from_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rho": np.ones(3)}, "rho has shape"),
        ({"omega": np.zeros((40, 2))}, "omega has shape"),
        ({"k0": np.full(40, np.nan)}, "not finite"),
        ({"v0": np.full(40, -1.0)}, "below its range"),
        ({"forecasters": ("ann", "ann", "bob")}, "twice"),
    ],
)
def test_arrays_that_disagree_are_refused(
    posterior: Posterior, change: dict[str, object], reason: str
) -> None:
    with pytest.raises(PosteriorError, match=reason):
        dataclasses.replace(posterior, **change)


def test_the_prior_is_reproducible_and_follows_its_distributions() -> None:
    prior = Posterior.prior(seed=3, draws=20_000)
    assert prior.fingerprint == Posterior.prior(seed=3, draws=20_000).fingerprint
    assert prior.fingerprint != Posterior.prior(seed=4, draws=20_000).fingerprint
    assert prior.t_w.mean() == pytest.approx(1.5 * np.sqrt(2 / np.pi), abs=0.02)
    assert prior.rho.mean() == pytest.approx(0.5, abs=0.02)
    assert np.median(prior.k0) == pytest.approx(np.exp(-0.7), abs=0.03)
    assert prior.g0.mean() == pytest.approx(0.45, abs=0.02)
    assert prior.a0.mean() == pytest.approx(0.0, abs=1e-12)
    assert prior.a0.std() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("draws", [0, -2, 7])
def test_prior_draws_come_in_pairs(draws: int) -> None:
    with pytest.raises(PosteriorError, match="even"):
        Posterior.prior(draws=draws)


@pytest.mark.parametrize("draws", [1, 2, 7, 400])
def test_fixed_normals_are_symmetric_and_standard(draws: int) -> None:
    values = standard_normal(draws)
    assert sorted(values) == pytest.approx(sorted(-values))
    if draws == 400:
        assert values.std() == pytest.approx(1.0, abs=0.01)


def test_inference_data_has_named_dimensions(posterior: Posterior) -> None:
    data = posterior.to_inference_data()
    assert dict(data.posterior.sizes) == {"chain": 4, "draw": 10, "domain": 2, "forecaster": 3}
    ann = data.posterior["omega"].sel(forecaster="Zoë").to_numpy().ravel()
    assert ann.tolist() == posterior.omega[:, 2].tolist()
    assert data.posterior.attrs["fingerprint"] == posterior.fingerprint


def test_the_prior_answers_before_anything_is_known() -> None:
    nobody = aggregate(Posterior.prior(), [], [])
    assert nobody.probability == pytest.approx(0.5, abs=1e-12)
    assert nobody.forecasters == 0
