"""The density as a model of nutpie's that is called by address. Importing it takes seconds."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import nutpie
from nutpie import _lib
from nutpie.sample import CompiledModel

from forecasting import kernel
from forecasting.density import Density

TELL_MS = 500

# Gradients would set the steps of t_w far too short.
BY_DRAWS: Final[dict[str, Any]] = (
    {"adaptation": "draw_diag"}
    if "adaptation" in inspect.signature(nutpie.sample).parameters
    else {"use_grad_based_mass_matrix": False}  # nutpie before 0.16.9, on Python 3.11
)
"""The option of ``nutpie.sample`` that adapts the mass matrix to the variances of draws alone."""


@dataclass(frozen=True)
class NativeModel(CompiledModel):  # type: ignore[misc]
    """nutpie's own model of PyMC graphs takes addresses of compiled functions: here are ours.

    ``drawn`` is told every ``TELL_MS`` how many transitions are sampled, and of how many.
    """

    density: Density
    drawn: Callable[[int, int], None] | None = None

    @property
    def n_dim(self) -> int:
        """The number of parameters."""
        return self.density.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Nothing is derived from a point: whole points are stored."""
        return {}

    @property
    def coords(self) -> dict[str, Any]:
        """None."""
        return {}

    def _make_model(self, _: Any) -> Any:
        buffer = self.density.buffer()
        address = buffer.ctypes.data
        return _lib.PyMcModel(
            _lib.LogpFunc(kernel.called_by_address.address, address, buffer),
            _lib.ExpandFunc(self.n_dim, 0, kernel.nothing_by_address.address, address, buffer),
            _lib.PyVariable.new_variables([], [], [], {}, {}),
            self.n_dim,
            {},
            {},
            self.density.start,
            None,
        )

    def _make_sampler(
        self, settings: Any, init_mean: Any, cores: int, progress: Any, *others: Any
    ) -> Any:
        # The sampler takes the same further arguments as this method: the store and, since nutpie
        # 0.16.9, a callback and its rate before it.
        if self.drawn is not None:
            template = "{{ total_finished_draws }} {{ total_draws }}"
            progress = _lib.ProgressType.template_callback(TELL_MS, template, cores, self._tell)
        return _lib.PySampler.from_pymc(
            settings, cores, self._make_model(init_mean), progress, *others
        )

    def _tell(self, said: str) -> None:
        if self.drawn is not None:
            done, of = said.split()
            self.drawn(int(done), int(of))
