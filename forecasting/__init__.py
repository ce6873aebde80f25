"""Pooling, scoring and calibration of probability forecasts; NumPy and SciPy only.

The names in ``__all__`` are the public interface of the library: import them from here. Each is
loaded from its module when it is first used, so ``import forecasting`` is immediate, and none of
them brings in PyMC, nutpie or ArviZ before a fit, a model or InferenceData is asked for.

Examples:
    >>> from forecasting import pool
    >>> round(pool("mean", [0.2, 0.4]), 2)
    0.3
"""

import importlib
import sys
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecasting.backtest import Backtest, backtest
    from forecasting.calibration import Reliability, reliability
    from forecasting.csv_io import Dialect, PanelError
    from forecasting.fit import FitRefused, fit
    from forecasting.forecasters import Estimate, ForecasterSummary, Summaries, summarise
    from forecasting.live import Aggregate, Standing, aggregate, aggregate_many, influence
    from forecasting.model import build_model
    from forecasting.panel import Panel, PanelQuestion
    from forecasting.pooling import POOLS, log_odds, logistic, pool
    from forecasting.posterior import Posterior, PosteriorError, Priors
    from forecasting.scores import QuestionScores, baseline, brier, log_score, score_question
    from forecasting.simulate import Simulation, simulate
    from forecasting.skill import Skill, skill

__all__ = [
    "POOLS",
    "Aggregate",
    "Backtest",
    "Dialect",
    "Estimate",
    "FitRefused",
    "ForecasterSummary",
    "Panel",
    "PanelError",
    "PanelQuestion",
    "Posterior",
    "PosteriorError",
    "Priors",
    "QuestionScores",
    "Reliability",
    "Simulation",
    "Skill",
    "Standing",
    "Summaries",
    "aggregate",
    "aggregate_many",
    "backtest",
    "baseline",
    "brier",
    "build_model",
    "fit",
    "influence",
    "log_odds",
    "log_score",
    "logistic",
    "pool",
    "reliability",
    "score_question",
    "simulate",
    "skill",
    "summarise",
]

_NAMES_BY_MODULE = {
    "backtest": ("Backtest", "backtest"),
    "calibration": ("Reliability", "reliability"),
    "csv_io": ("Dialect", "PanelError"),
    "fit": ("FitRefused", "fit"),
    "forecasters": ("Estimate", "ForecasterSummary", "Summaries", "summarise"),
    "live": ("Aggregate", "Standing", "aggregate", "aggregate_many", "influence"),
    "model": ("build_model",),
    "panel": ("Panel", "PanelQuestion"),
    "pooling": ("POOLS", "log_odds", "logistic", "pool"),
    "posterior": ("Posterior", "PosteriorError", "Priors"),
    "scores": ("QuestionScores", "baseline", "brier", "log_score", "score_question"),
    "simulate": ("Simulation", "simulate"),
    "skill": ("Skill", "skill"),
}
_MODULES = MappingProxyType(
    {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}
)


class _Package(ModuleType):
    """A package whose public names win over modules of the same name.

    Importing ``forecasting.fit`` makes Python set the attribute ``fit`` of this package to the
    module; here it becomes the function, whatever was imported first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _MODULES.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
