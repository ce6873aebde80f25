"""Convergence diagnostics of chains of draws, R-hat and effective sample size, for many parameters.

These are the diagnostics of Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021),
doi:10.1214/20-BA1221, as ArviZ computes them one parameter at a time; a test holds the figures to
ArviZ's. Here a block of parameters is one array, which takes a tenth of the time and makes fits of
many thousand forecasters possible.
"""

import math

import numpy as np
from scipy import fft, special, stats

from forecasting.types import FloatArray

_BLOCK = 300_000
_TAILS = (0.05, 0.95)


def diagnose(draws: FloatArray) -> dict[str, FloatArray]:
    """Return R-hat, bulk and tail effective draws of each parameter, each ``(parameter,)``.

    Args:
        draws: ``(chain, draw, parameter)``, at least two chains of four draws.

    Returns:
        By the names ``r_hat`` (1 is best), ``ess_bulk`` and ``ess_tail`` (more is better); nan for
        a parameter that never moved.
    """
    width = max(_BLOCK // (draws.shape[0] * draws.shape[1]), 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # draws that never moved give nan
        blocks = [
            _block(np.ascontiguousarray(draws[..., first : first + width].transpose(2, 0, 1)))
            for first in range(0, draws.shape[2], width)
        ] or [np.empty((3, 0))]
    found = np.concatenate(blocks, axis=1)
    return dict(zip(("r_hat", "ess_bulk", "ess_tail"), found, strict=True))


def _block(draws: FloatArray) -> FloatArray:
    """Return the three figures, ``(3, parameter)``, of draws ``(parameter, chain, draw)``."""
    halves = _split(draws.astype(np.float64))
    scores = _normal_scores(halves)
    folded = np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
    r_hat = np.maximum(_r_hat(scores), _r_hat(_normal_scores(folded)))
    ends = np.quantile(draws, _TAILS, axis=(1, 2))[..., None, None]
    tails = [_effective(_split((draws <= end).astype(np.float64))) for end in ends]
    figures = np.array([r_hat, _effective(scores), np.minimum(*tails)])
    figures[:, np.ptp(draws, axis=(1, 2)) == 0.0] = np.nan
    return figures


def _split(draws: FloatArray) -> FloatArray:
    """Return the halves of chains as chains; the middle draw of an odd number is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _normal_scores(draws: FloatArray) -> FloatArray:
    """Return the normal quantiles of fractional ranks (Blom), ties sharing the mean rank."""
    flat = draws.reshape(draws.shape[0], -1)
    rank = stats.rankdata(flat, axis=1)
    scores = special.ndtri((rank - 0.375) / (flat.shape[1] + 0.25))
    return np.asarray(scores.reshape(draws.shape))


def _r_hat(draws: FloatArray) -> FloatArray:
    size = draws.shape[2]
    between = size * draws.mean(axis=2).var(axis=1, ddof=1)
    within = draws.var(axis=2, ddof=1).mean(axis=1)
    return np.asarray(np.sqrt((between / within + size - 1.0) / size))


def _effective(draws: FloatArray) -> FloatArray:
    """Return the effective draws by Geyer's initial monotone sequence, ``(parameter,)``."""
    parameters, chains, size = draws.shape
    centred = draws - draws.mean(axis=2, keepdims=True)
    length = fft.next_fast_len(2 * size, real=True)
    power = fft.rfft(centred, length, axis=2)
    power = (power.real**2 + power.imag**2).mean(axis=1)
    covariance = fft.irfft(power, length, axis=1)[:, :size] / size
    within = covariance[:, 0] * size / (size - 1.0)
    total = within * (size - 1.0) / size + draws.mean(axis=2).var(axis=1, ddof=1)
    correlation = 1.0 - (within[:, None] - covariance) / total[:, None]
    correlation[:, 0] = 1.0
    # Sums of neighbouring lags count while they are positive, and are made to fall.
    pairs = correlation[:, : (size - 3) // 2 * 2 + 2].reshape(parameters, -1, 2)
    summed = pairs.sum(axis=2)
    ended = summed <= 0.0
    ended[:, -1] = True
    end = ended.argmax(axis=1)
    before = np.arange(summed.shape[1]) < end[:, None]
    time = 2.0 * np.where(before, np.minimum.accumulate(summed, axis=1), 0.0).sum(axis=1) - 1.0
    time += np.maximum(pairs[np.arange(parameters), end, 0], 0.0)
    return np.asarray(chains * size / np.maximum(time, 1.0 / math.log10(chains * size)))
