"""Thinning of draws: selection of the most representative ones."""

import numpy as np

from forecasting.types import FloatArray, IntArray

_TOGETHER = 500
_HALF = 0.5


def representative(points: FloatArray, count: int) -> IntArray:
    """Choose the draws to keep, ascending, ``(count,)``, or all if there are no more.

    They are chosen one after another: greedy support points (Mak and Joseph 2018,
    doi:10.1214/17-AOS1629). Where ``step`` draws c are chosen, the next is the x for which

        mean over all draws y of |x - y|  -  sum over c of |x - c| / (step + 1/2)

    is least. With 1 in the place of 1/2 the energy distance from those chosen to all becomes least,
    but 100 of 1,000 then spread 2% less than all, and with 0 up to 2% more. Averages over them lie
    much nearer to those over all draws than averages over as many that are evenly spaced. The same
    points give the same choice.

    Args:
        points: the draws to compare, ``(draw, parameter)``; standardised internally.
        count: number of draws to keep.
    """
    if count >= len(points):
        return np.arange(len(points))
    scale = points.std(axis=0)
    scaled = (points - points.mean(axis=0)) / np.where(scale > 0.0, scale, 1.0)
    to_all = np.concatenate(
        [
            _distances(scaled[first : first + _TOGETHER], scaled).mean(axis=1)
            for first in range(0, len(scaled), _TOGETHER)
        ]
    )
    to_chosen, chosen = np.zeros(len(scaled)), np.zeros(len(scaled), dtype=bool)
    for step in range(count):
        best = np.where(chosen, np.inf, to_all - to_chosen / (step + _HALF)).argmin()
        chosen[best] = True
        to_chosen += _distances(scaled[best : best + 1], scaled)[0]
    return np.flatnonzero(chosen)


def _distances(some: FloatArray, points: FloatArray) -> FloatArray:
    """Return the Euclidean distances, ``(some, point)``."""
    squares = (some**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2.0 * some @ points.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
