"""The posterior of the pooling model as plain arrays, and how it is stored.

A posterior is a few hundred draws of every parameter, which is all that a live aggregate needs. It
comes from a fit or, before any question has resolved, from the priors alone.
"""

import dataclasses
import hashlib
import io
import json
import os
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from forecasting.files import replacing
from forecasting.thinning import representative
from forecasting.types import FloatArray, IntArray, frozen

FORMAT = 3
DRAWS = 400
RANKS = 1024
_DRAWN = 4000
"""Minimum number of prior draws from which the stored ones are selected."""

_SCALARS = ("t_w", "rho", "k0", "v0", "g0", "a0")
_BY_DOMAIN = ("gamma", "alpha")
_ARRAYS = (*_SCALARS, *_BY_DOMAIN, "omega")
_POSITIVE = ("t_w", "rho", "k0", "v0", "gamma")
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class PosteriorError(ValueError):
    """A posterior with inconsistent arrays, or stored bytes that are not a posterior."""


@dataclass(frozen=True, slots=True)
class Priors:
    """The parameters of the priors, in nats where they have a unit.

    Attributes:
        t_w: scale of the half-normal spread of skill between forecasters.
        rho: rate of the exponential discount of stale forecasts.
        k0_mean: mean of the normal log of the pull towards even odds, in forecasts.
        k0_sd: its standard deviation.
        v0: scale of the half-normal variance that one forecast leaves open.
        g0_mean: mean of the normal log-slope common to all domains.
        g0_sd: its standard deviation.
        a0_mean: mean of the normal shift common to all domains.
        a0_sd: its standard deviation.
        gamma_sd: standard deviation of a domain's log-slope around the common one.
        alpha_sd: standard deviation of a domain's shift around the common one.
    """

    t_w: float = 1.5
    rho: float = 2.0
    k0_mean: float = -0.7
    k0_sd: float = 1.0
    v0: float = 0.5
    g0_mean: float = 0.45
    g0_sd: float = 0.5
    a0_mean: float = 0.0
    a0_sd: float = 0.5
    gamma_sd: float = 0.3
    alpha_sd: float = 0.25


PRIORS = Priors()
"""The default priors of fits."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of every parameter; the leading axis of every array is the draw.

    Attributes:
        t_w: spread of skill between forecasters, positive, ``(draw,)``.
        rho: discount of stale forecasts, positive, ``(draw,)``.
        k0: weight of the pull towards even odds, in forecasts, positive, ``(draw,)``.
        v0: variance that one forecast leaves open, in squared nats, positive, ``(draw,)``.
        g0: log of the slope in an unseen domain, ``(draw,)``.
        a0: shift in nats in an unseen domain, ``(draw,)``.
        gamma: slope on pooled log-odds, positive, ``(draw, domain)``.
        alpha: shift in nats, ``(draw, domain)``.
        omega: skill, standard normal a priori, ``(draw, forecaster)``; fits use single precision,
            which halves the stored size.
        forecasters: names along the last axis of ``omega``.
        domains: names along the last axis of ``gamma`` and ``alpha``.
        copies: maps the name of a forecaster who never differs from another to the name
            representing both, which is itself not a copy; see ``forecasting.duplicates``.
        offset: how far each forecaster's log-odds lie above others', in nats, ``(forecaster,)``;
            it is subtracted before pooling, see ``forecasting.forecaster_bias``; by default 0.
        metadata: provenance (data hash, seed, priors, versions, diagnostics); JSON values only.

    Raises:
        PosteriorError: inconsistent shapes, duplicate names, or values out of range.
    """

    t_w: FloatArray
    rho: FloatArray
    k0: FloatArray
    v0: FloatArray
    g0: FloatArray
    a0: FloatArray
    gamma: FloatArray
    alpha: FloatArray
    omega: FloatArray
    forecasters: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    copies: dict[str, str] = field(default_factory=dict)
    offset: FloatArray = field(default_factory=lambda: np.empty(0))
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            given = np.asarray(getattr(self, name))
            kind = np.float32 if given.dtype == np.float32 else np.float64
            object.__setattr__(self, name, frozen(given, kind))
        object.__setattr__(self, "forecasters", tuple(self.forecasters))
        object.__setattr__(self, "domains", tuple(self.domains))
        for label, names in (("forecaster", self.forecasters), ("domain", self.domains)):
            if len(set(names)) != len(names):
                raise PosteriorError(f"a {label} is named twice: names must be unique")
        object.__setattr__(self, "copies", dict(self.copies))
        if not self.copies.keys().isdisjoint((*self.forecasters, *self.copies.values())):
            raise PosteriorError("a copy speaks for itself or for another: only one may speak")
        if not len(self.offset):
            object.__setattr__(self, "offset", np.zeros(len(self.forecasters)))
        object.__setattr__(self, "offset", frozen(self.offset))
        if self.offset.shape != (len(self.forecasters),) or not np.isfinite(self.offset).all():
            raise PosteriorError(
                f"offset has shape {self.offset.shape}, it must be a finite number for each of "
                f"{len(self.forecasters)} forecasters"
            )
        draws = self.t_w.size
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_SCALARS, (draws,))
        shapes |= dict.fromkeys(_BY_DOMAIN, (draws, len(self.domains)))
        shapes["omega"] = (draws, len(self.forecasters))
        for name, shape in shapes.items():
            array = getattr(self, name)
            if draws == 0 or array.shape != shape:
                raise PosteriorError(
                    f"{name} has shape {array.shape}, it must be {shape}, draws > 0"
                )
            if not np.isfinite(array).all() or (name in _POSITIVE and (array < 0.0).any()):
                raise PosteriorError(f"{name} has values that are not finite or below its range")

    @classmethod
    def prior(cls, *, seed: int = 0, draws: int = DRAWS) -> "Posterior":
        """Draw from the priors alone: the model before any question has resolved.

        The draws come in mirrored pairs that differ in the sign of a0, so the prior treats a
        question and its negation alike, exactly.

        Raises:
            PosteriorError: a number of draws that is not positive and even.
        """
        if draws <= 0 or draws % 2:
            raise PosteriorError(f"{draws} prior draws: the number must be positive and even")
        half, many = draws // 2, max(draws, _DRAWN) // 2
        random = np.random.default_rng(seed)
        drawn = {
            "t_w": np.abs(random.normal(0.0, PRIORS.t_w, many)),
            "rho": random.exponential(1.0 / PRIORS.rho, many),
            "k0": random.lognormal(PRIORS.k0_mean, PRIORS.k0_sd, many),
            "v0": np.abs(random.normal(0.0, PRIORS.v0, many)),
            "g0": random.normal(PRIORS.g0_mean, PRIORS.g0_sd, many),
            "a0": random.normal(PRIORS.a0_mean, PRIORS.a0_sd, many),
        }
        points = np.column_stack(list((drawn | {"k0": np.log(drawn["k0"])}).values()))
        kept = representative(points, half)
        shared: dict[str, Any] = {name: np.tile(values[kept], 2) for name, values in drawn.items()}
        shared["a0"][half:] = 2.0 * PRIORS.a0_mean - shared["a0"][half:]
        nobody = np.empty((draws, 0))
        return cls(
            **shared,
            gamma=nobody,
            alpha=nobody,
            omega=nobody,
            metadata={"kind": "prior", "seed": seed, "priors": dataclasses.asdict(PRIORS)},
        )

    @property
    def draws(self) -> int:
        """The number of draws."""
        return int(self.t_w.size)

    @property
    def chains(self) -> int:
        """The number of chains, with equally many draws each; 1 if unknown."""
        chains = int(self.metadata.get("chains", 1))
        return chains if self.draws % chains == 0 else 1

    def chain(self, number: int) -> "Posterior":
        """Return the draws of one chain alone."""
        length = self.draws // self.chains
        part = slice(number * length, (number + 1) * length)
        drawn: dict[str, Any] = {name: array[part] for name, array in self.arrays.items()}
        return dataclasses.replace(self, **drawn, metadata=self.metadata | {"chains": 1})

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """Every parameter's draws by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over the names, types, shapes and bytes of the arrays."""
        digest = hashlib.sha256()
        names = [self.forecasters, self.domains, sorted(self.copies.items())]
        digest.update(json.dumps(names).encode())
        for name in _ARRAYS:
            array = getattr(self, name)
            digest.update(f"|{name}|{array.dtype.str}|{array.shape}|".encode())
            digest.update(array.tobytes())
        digest.update(b"|offset|" + self.offset.tobytes())
        return digest.hexdigest()

    @cached_property
    def weights(self) -> FloatArray:
        """Return exp(t_w ω) as ``(forecaster, draw)``, with a last row for an unseen one."""
        known = np.exp(self.t_w[:, None] * self.omega).T
        return np.ascontiguousarray(np.vstack([known, np.ones((1, self.draws))]))

    def rank_powers(self, ranks: int) -> FloatArray:
        """Return rank^rho as ``(rank, draw)`` for ranks from 1 to at least the given number.

        A forecast of rank r among n is discounted by (r / n)^rho.
        """
        if len(self._powers[0]) < ranks:
            many = np.arange(1.0, max(RANKS, 1 << (ranks - 1).bit_length()) + 1.0)
            self._powers[0] = many[:, None] ** self.rho
        return self._powers[0]

    @cached_property
    def _powers(self) -> list[FloatArray]:
        """The shared table of powers, which grows with the largest crowd requested."""
        return [np.empty((0, self.draws))]

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of ``weights`` of each known forecaster; copies share one."""
        own = {name: row for row, name in enumerate(self.forecasters)}
        return own | {name: own[voice] for name, voice in self.copies.items() if voice in own}

    def rows_of(self, names: Sequence[str]) -> IntArray:
        """Return the row of ``weights`` and ``offsets`` of each forecaster, ``(name,)``."""
        unknown = len(self.forecasters)
        return np.array([self.rows.get(name, unknown) for name in names], dtype=np.int64)

    @cached_property
    def offsets(self) -> FloatArray:
        """Return ``offset``, followed by 0 for an unseen forecaster."""
        return np.append(self.offset, 0.0)

    def slope_and_shift(self, domain: str) -> tuple[FloatArray, FloatArray]:
        """Return gamma and alpha of a domain, each ``(draw,)``; the centre's for unseen domains."""
        if domain in self.domains:
            column = self.domains.index(domain)
            return self.gamma[:, column], self.alpha[:, column]
        return np.exp(self.g0), self.a0

    def to_bytes(self) -> bytes:
        """Return the posterior as a compressed archive of arrays, without pickle."""
        header = {
            "format": FORMAT,
            "forecasters": self.forecasters,
            "domains": self.domains,
            "copies": self.copies,
            "metadata": self.metadata,
            "fingerprint": self.fingerprint,
        }
        text = json.dumps(header, sort_keys=True, allow_nan=False).encode()
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            header=np.frombuffer(text, dtype=np.uint8),
            offset=self.offset,
            **{name: getattr(self, name) for name in _ARRAYS},
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Posterior":
        """Read the bytes written by ``to_bytes``.

        Raises:
            PosteriorError: bytes that are not a complete, unchanged posterior of this format.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                arrays = {name: archive[name] for name in (*_ARRAYS, "offset")}
            posterior = cls(
                **arrays,
                forecasters=tuple(header["forecasters"]),
                domains=tuple(header["domains"]),
                copies=header["copies"],
                metadata=header["metadata"],
            )
            found = (header["format"], header["fingerprint"])
        except _UNREADABLE as error:
            raise PosteriorError(
                f"these {len(content)} bytes do not hold a whole posterior: {error}"
            ) from error
        if found != (FORMAT, posterior.fingerprint):
            raise PosteriorError(
                f"a posterior of format {found[0]} with fingerprint {found[1]} was announced; its "
                f"arrays give {posterior.fingerprint}, and format {FORMAT} is the one read here"
            )
        return posterior

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file, which appears completely or not at all."""
        with replacing(path) as (file,):
            file.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Posterior":
        """Read a file written by ``save``.

        Raises:
            PosteriorError: a file without a complete posterior.
            OSError: a file that cannot be opened.
        """
        return cls.from_bytes(Path(path).read_bytes())

    def to_netcdf(self, *, forecasters: bool = True) -> bytes:
        """Return the draws as netCDF for ``arviz.from_netcdf``; does not import ArviZ.

        The group ``posterior`` has the dimensions chain, draw, forecaster and domain with their
        coordinates; a parameter of nobody or of no domain is left out. The chains are those of the
        fit when the metadata names their number, otherwise one.

        Args:
            forecasters: include the dimension forecaster, and with it each forecaster's skill.
        """
        import h5netcdf  # noqa: PLC0415 - only exports pay for this import
        import h5py  # noqa: PLC0415 - likewise

        coordinates = {
            "chain": np.arange(self.chains),
            "draw": np.arange(self.draws // self.chains),
            "forecaster": np.array(self.forecasters if forecasters else (), dtype=object),
            "domain": np.array(self.domains, dtype=object),
        }
        along = dict.fromkeys(_BY_DOMAIN, ("domain",)) | {"omega": ("forecaster",)}
        buffer = io.BytesIO()
        with h5netcdf.File(buffer, "w") as file:
            group = file.create_group("posterior")
            for name, values in coordinates.items():
                if values.size:
                    group.dimensions[name] = values.size
                    kind = h5py.string_dtype() if values.dtype == object else values.dtype
                    group.create_variable(name, (name,), kind, data=values)
            for name in _ARRAYS:
                array = getattr(self, name)
                axes = ("chain", "draw", *along.get(name, ()))
                if array.size and (forecasters or "forecaster" not in axes):
                    shape = (self.chains, -1, *array.shape[1:])
                    group.create_variable(name, axes, array.dtype, data=array.reshape(shape))
            group.attrs["fingerprint"] = self.fingerprint
            group.attrs["metadata"] = json.dumps(self.metadata, sort_keys=True)
        return buffer.getvalue()

    def to_inference_data(self) -> Any:
        """Return what ``to_netcdf`` writes as ArviZ reads it; this imports ArviZ.

        That is an xarray ``DataTree``, or ``InferenceData`` before ArviZ 1 (on Python 3.11).
        """
        with warnings.catch_warnings():
            # ArviZ announces its own refactoring on every import.
            warnings.simplefilter("ignore", FutureWarning)
            import arviz  # noqa: PLC0415 - takes seconds

        library: Any = arviz
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "posterior.nc"
            path.write_bytes(self.to_netcdf())
            on_disk = library.from_netcdf(str(path))
            loaded = on_disk.load()
            on_disk.close()
            return loaded

    def with_metadata(self, **metadata: Any) -> "Posterior":
        """Return the same draws with entries of the metadata added or replaced."""
        return dataclasses.replace(self, metadata=self.metadata | metadata)


@lru_cache(maxsize=16)
def standard_normal(draws: int) -> FloatArray:
    """Return fixed standard normal values, one per draw, ``(draw,)``, read-only.

    They are the quantiles at the midpoints of equal shares, in a fixed order in which the second
    half mirrors the first, so that results are reproducible and symmetric.
    """
    half = draws // 2
    random = np.random.default_rng(20_240_229)
    normal = NormalDist()
    lower = np.array([normal.inv_cdf((step + 0.5) / draws) for step in range(half)])
    first = random.permutation(lower) * random.choice([-1.0, 1.0], half)
    values: FloatArray = frozen(np.concatenate([first, -first, np.zeros(draws % 2)]))
    return values


def check_level(level: float) -> None:
    """Raise ValueError unless the level of an interval is strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level} is outside (0, 1)")
