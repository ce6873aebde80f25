"""What a fit needs beyond the base distribution. Importing this module is cheap."""

from importlib.util import find_spec

_PACKAGES = ("numba", "nutpie", "pymc")


class WorkerNotInstalled(ImportError):  # noqa: N818 - named after what the message says
    """The extra ``worker`` of the distribution is not installed."""


def require_worker() -> None:
    """Refuse to go on where the packages that fit the model are not installed.

    Raises:
        WorkerNotInstalled: with one sentence that says how to install them.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise WorkerNotInstalled(
            f"fits and the worker need {', '.join(missing)}; "
            "install them with `pip install 'credence-forecasts[worker]'`"
        )
