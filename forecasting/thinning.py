"""Which of many draws to keep, so that few stand for all as well as they can."""

import numpy as np

from forecasting.arrays import FloatArray, IntArray

_TOGETHER = 500


def representative(points: FloatArray, count: int) -> IntArray:
    """Choose the draws to keep, the same number of each chain, ``(chain, kept)``, ascending.

    They are chosen one after another, a chain after the other, each so that the energy distance
    from those chosen to all draws becomes least: greedy support points (Mak and Joseph 2018,
    doi:10.1214/17-AOS1629). Averages over them then lie much nearer to those over all draws than
    averages over as many that are evenly spaced. The same points give the same choice.

    Args:
        points: what the draws are compared by, ``(chain, draw, parameter)``; brought to one scale.
        count: how many are wanted in all; every draw is kept where there are no more.
    """
    chains, draws = points.shape[:2]
    kept = min(draws, max(count // chains, 1))
    if kept == draws:
        return np.tile(np.arange(draws), (chains, 1))
    flat = points.reshape(chains * draws, -1)
    scale = flat.std(axis=0)
    flat = (flat - flat.mean(axis=0)) / np.where(scale > 0.0, scale, 1.0)
    to_all = np.concatenate(
        [
            _distances(flat[first : first + _TOGETHER], flat).mean(axis=1)
            for first in range(0, len(flat), _TOGETHER)
        ]
    )
    to_chosen, chosen = np.zeros(len(flat)), np.zeros(len(flat), dtype=bool)
    for step in range(kept * chains):
        chain = slice(step % chains * draws, (step % chains + 1) * draws)
        gain = np.where(chosen[chain], np.inf, to_all[chain] - to_chosen[chain] / (step + 1))
        best = chain.start + int(gain.argmin())
        chosen[best] = True
        to_chosen += _distances(flat[best : best + 1], flat)[0]
    return np.nonzero(chosen.reshape(chains, draws))[1].reshape(chains, kept)


def _distances(some: FloatArray, points: FloatArray) -> FloatArray:
    """Return the Euclidean distances, ``(some, point)``."""
    squares = (some**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2.0 * some @ points.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
