"""The density as a model of nutpie's that is called by address. Importing it takes seconds."""

from dataclasses import dataclass
from typing import Any

from nutpie import _lib
from nutpie.sample import CompiledModel

from forecasting import kernel
from forecasting.density import Density


@dataclass(frozen=True)
class NativeModel(CompiledModel):  # type: ignore[misc]
    """nutpie's own model of PyMC graphs takes addresses of compiled functions: here are ours."""

    density: Density

    @property
    def n_dim(self) -> int:
        """The number of parameters."""
        return self.density.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of what is kept: the point itself."""
        return {"point": (self.density.size,)}

    @property
    def coords(self) -> dict[str, Any]:
        """None."""
        return {}

    def _make_model(self, _: Any) -> Any:
        size, buffer = self.density.size, self.density.buffer()
        address, sizes = buffer.ctypes.data, {"place": size}
        return _lib.PyMcModel(
            _lib.LogpFunc(kernel.called_by_address.address, address, buffer),
            _lib.ExpandFunc(size, size, kernel.copied_by_address.address, address, buffer),
            _lib.PyVariable.new_variables(
                ["point"], ["float64"], [(size,)], sizes, {"point": ["place"]}
            ),
            size,
            sizes,
            {},
            self.density.start,
            None,
        )

    def _make_sampler(
        self, settings: Any, init_mean: Any, cores: int, progress: Any, store: Any
    ) -> Any:
        return _lib.PySampler.from_pymc(
            settings, cores, self._make_model(init_mean), progress, store
        )
