"""The compiled arithmetic of ``forecasting.density``: one call gives density and gradient.

All that a call reads lies in one buffer of 8-byte words, so that the sampler can call by address,
without Python and without its lock. The loops have no branches and call nothing, so that they
compile to vector instructions; exponentials and logarithms are polynomials for that reason, right
to about one unit in the last place. Sums are taken in a fixed order: the same machine and versions
give the same bits. Importing this module imports Numba, which takes a second; the first import of
an installation also compiles for seven CPU seconds, and later ones load what that one kept.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # likewise
from numba import types
from numba.extending import intrinsic  # type: ignore[import-untyped]

from forecasting.pooling import GENERATOR
from forecasting.types import FloatArray, IntArray

SHARED = 6
"""Parameters that all share, before those of the domains."""
T_W, RHO, K0, V0, G0, A0 = range(SHARED)

_PARTS = (
    "prior",
    "middle",
    "factor",
    "crowd",
    "slope",
    "information",
    "log_rank",
    "z",
    "log_size",
    "sign",
    "weight",
    "forecaster",
    "level",
    "first_row",
    "parent",
    "first_shot",
)
_INDICES = _PARTS.index("forecaster")
(
    _PRIOR,
    _MIDDLE,
    _FACTOR,
    _CROWD,
    _SLOPE,
    _INFORMATION,
    _LOG_RANK,
    _Z,
    _LOG_SIZE,
    _SIGN,
    _WEIGHT,
    _FORECASTER,
    _LEVEL,
    _FIRST_ROW,
    _PARENT,
    _FIRST_SHOT,
) = range(1, len(_PARTS) + 1)

_MACKAY = math.pi / 8.0
_HALF_BY_GENERATOR = 0.5 / GENERATOR  # of 2 artanh
_LOG_TAU = math.log(2.0 * math.pi)
_SMALLEST, _LARGEST = -708.0, 709.0
_ROUNDER = 1.5 * 2.0**52
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_MANTISSA, _BIAS = 52, 1023
_ROOT_HALF = int(np.float64(math.sqrt(0.5)).view(np.int64))


def packed(**parts: Any) -> IntArray:
    """Return one buffer of the arrays named in this module, preceded by where each begins."""
    words = [np.ascontiguousarray(parts[name], np.float64).ravel() for name in _PARTS[:_INDICES]]
    for name in _PARTS[_INDICES:]:
        # An index is 4 bytes wide, so two fill a word.
        halves = np.append(np.asarray(parts[name], np.uint32), np.uint32(0))
        words.append(halves[: halves.size // 2 * 2].view(np.float64))
    header = len(_PARTS) + 2
    places = header + np.cumsum([0, *(each.size for each in words)])
    return np.concatenate([[places[-1]], places, np.concatenate(words).view(np.int64)])


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _has_cache() -> bool:
    """Return whether Numba finds a folder for compiled code: its own or the user's, to write in."""
    try:
        numba.njit(lambda: None, cache=True)
    except RuntimeError:  # a read-only installation, and a user without a home
        return False
    return True


_CACHE = _has_cache()


def _compiled(*, fast: bool = False, inline: bool = False) -> Callable[[_Function], _Function]:
    # Reordering a sum is allowed where that is all it does: it is what makes a vector of it.
    flags = {"contract", "reassoc", "nsz"} if fast else {"contract"}
    compiler: Callable[[_Function], _Function] = numba.njit(
        nogil=True, cache=_CACHE, error_model="numpy", fastmath=flags, forceinline=inline
    )
    return compiler


@intrinsic  # type: ignore[untyped-decorator]
def _bits(_: Any, __: Any) -> Any:
    """Return the bits of a float as an integer."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _float(_: Any, __: Any) -> Any:
    """Return the float of these bits."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@_compiled(inline=True)
def exponential(x: float) -> float:
    """Return exp(x), between exp(-708) and exp(709)."""
    x = min(max(x, _SMALLEST), _LARGEST)
    shifted = x * _LOG2_E + _ROUNDER
    whole = shifted - _ROUNDER
    r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    value = 1.0 / 6227020800.0
    value = value * r + 1.0 / 479001600.0
    value = value * r + 1.0 / 39916800.0
    value = value * r + 1.0 / 3628800.0
    value = value * r + 1.0 / 362880.0
    value = value * r + 1.0 / 40320.0
    value = value * r + 1.0 / 5040.0
    value = value * r + 1.0 / 720.0
    value = value * r + 1.0 / 120.0
    value = value * r + 1.0 / 24.0
    value = value * r + 1.0 / 6.0
    value = value * r + 0.5
    value = value * r + 1.0
    value = value * r + 1.0
    return float(value * _float((_bits(shifted) << _MANTISSA) + (_BIAS << _MANTISSA)))


@_compiled(inline=True)
def logarithm(x: float) -> float:
    """Return log(x) of a positive, finite x."""
    bits = _bits(x)
    whole = (bits - _ROOT_HALF) >> _MANTISSA
    part = _float(bits - (whole << _MANTISSA))
    u = (part - 1.0) / (part + 1.0)
    square = u * u
    value = 1.0 / 21.0
    value = value * square + 1.0 / 19.0
    value = value * square + 1.0 / 17.0
    value = value * square + 1.0 / 15.0
    value = value * square + 1.0 / 13.0
    value = value * square + 1.0 / 11.0
    value = value * square + 1.0 / 9.0
    value = value * square + 1.0 / 7.0
    value = value * square + 1.0 / 5.0
    value = value * square + 1.0 / 3.0
    value = 2.0 * u + 2.0 * u * square * value
    return float(whole * _LN2_HIGH + (value + whole * _LN2_LOW))


@_compiled(fast=True, inline=True)
def _answer(
    total: float, pull: float, k0: float, v0: float, gamma: float, alpha: float, sign: float
) -> tuple[float, float, float, float, float, float]:
    """Return the log-probability that the pool gives to what happened, and its slopes.

    ``total`` is the sum of the weights, ``pull`` that of weights times what was said, ``sign`` is 1
    for yes and -1 for no. The slopes are by total (and so by k0), by pull, by alpha and by the logs
    of gamma and v0. The equations are those of ``forecasting.live``.
    """
    inverse = 1.0 / (total + k0)
    ratio = pull * inverse
    pooled = gamma * logarithm((1.0 + ratio) / (1.0 - ratio)) * _HALF_BY_GENERATOR
    steepness = gamma * inverse / (GENERATOR * (1.0 - ratio * ratio))
    variance = v0 * gamma * gamma * inverse
    narrowing = 1.0 / (1.0 + _MACKAY * variance)
    root = math.sqrt(narrowing)
    centre = alpha + pooled
    against = -sign * centre * root
    small = exponential(-abs(against))
    value = -max(against, 0.0) - logarithm(1.0 + small)
    chance = (1.0 if against >= 0.0 else small) / (1.0 + small)  # of what did not happen
    of_alpha = sign * chance * root
    of_log_v0 = -0.5 * _MACKAY * of_alpha * centre * narrowing * variance
    of_pull = of_alpha * steepness
    of_total = -(of_pull * ratio + of_log_v0 * inverse)
    of_log_gamma = of_alpha * pooled + 2.0 * of_log_v0
    return value, of_total, of_pull, of_alpha, of_log_gamma, of_log_v0


@_compiled(fast=True)
def outcomes(
    shared: FloatArray,
    of_shared: FloatArray,
    first_shot: IntArray,
    log_size: FloatArray,
    sign: FloatArray,
    weight: FloatArray,
    sums: FloatArray,
) -> float:
    """Return the log-likelihood of the outcomes, adding to its slopes by what is shared.

    ``sums`` holds, by snapshot, Σ u and Σ u z of weights u = skill rank^rho, then both with a
    factor log rank; a weight is u / size^rho. The first two rows become the slopes by them.
    """
    domains = first_shot.size - 1
    rho, k0, v0 = math.exp(shared[RHO]), math.exp(shared[K0]), math.exp(shared[V0])
    total, pull, total_log, pull_log = sums[0], sums[1], sums[2], sums[3]
    value, of_rho, of_k0, of_v0 = 0.0, 0.0, 0.0, 0.0
    for domain in range(domains):
        gamma = math.exp(shared[SHARED + domain])
        alpha = shared[SHARED + domains + domain]
        of_log_gamma, of_alpha = 0.0, 0.0
        for shot in range(first_shot[domain], first_shot[domain + 1]):
            scale = exponential(-rho * log_size[shot])
            answer = _answer(
                scale * total[shot], scale * pull[shot], k0, v0, gamma, alpha, sign[shot]
            )
            value += weight[shot] * answer[0]
            by_total, by_pull = weight[shot] * answer[1], weight[shot] * answer[2]
            of_alpha += weight[shot] * answer[3]
            of_log_gamma += weight[shot] * answer[4]
            of_v0 += weight[shot] * answer[5]
            of_k0 += by_total
            by_total *= scale
            by_pull *= scale
            of_rho += by_total * (total_log[shot] - log_size[shot] * total[shot])
            of_rho += by_pull * (pull_log[shot] - log_size[shot] * pull[shot])
            total[shot] = by_total
            pull[shot] = by_pull
        of_shared[SHARED + domain] += of_log_gamma
        of_shared[SHARED + domains + domain] += of_alpha
    of_shared[RHO] += rho * of_rho
    of_shared[K0] += k0 * of_k0
    of_shared[V0] += of_v0
    return value


@_compiled(fast=True)
def _sum_up(
    skill: FloatArray,
    power: FloatArray,
    log_rank: FloatArray,
    z: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    first_row: IntArray,
    parent: IntArray,
    sums: FloatArray,
) -> None:
    """Fill in the sums that ``outcomes`` takes: a snapshot's own rows on top of its parent's."""
    for shot in range(parent.size):
        total, pull, total_log, pull_log = 0.0, 0.0, 0.0, 0.0
        for row in range(first_row[shot], first_row[shot + 1]):
            part = skill[forecaster[row]] * power[level[row]]
            logged = part * log_rank[level[row]]
            total += part
            pull += part * z[row]
            total_log += logged
            pull_log += logged * z[row]
        base = parent[shot]
        if base != shot:
            total += sums[0, base]
            pull += sums[1, base]
            total_log += sums[2, base]
            pull_log += sums[3, base]
        sums[0, shot] = total
        sums[1, shot] = pull
        sums[2, shot] = total_log
        sums[3, shot] = pull_log


@_compiled(fast=True)
def _pass_back(
    power: FloatArray,
    z: FloatArray,
    forecaster: IntArray,
    level: IntArray,
    first_row: IntArray,
    parent: IntArray,
    sums: FloatArray,
    of_skill: FloatArray,
) -> None:
    """Add to the slopes by skill from those by the sums, children before their parents."""
    for turn in range(parent.size):
        shot = parent.size - 1 - turn
        by_total, by_pull = sums[0, shot], sums[1, shot]
        for row in range(first_row[shot], first_row[shot + 1]):
            of_skill[forecaster[row]] += power[level[row]] * (by_total + by_pull * z[row])
        base = parent[shot]
        if base != shot:
            sums[0, base] += by_total
            sums[1, base] += by_pull


@_compiled()
def _prior(shared: FloatArray, of_shared: FloatArray, domains: int, prior: FloatArray) -> float:
    """Return the log-density of the priors of what is shared, adding to its slope."""
    t_w, rho, k0_mean, k0_sd, v0, g0_mean, g0_sd, a0_mean, a0_sd, gamma_sd, alpha_sd = prior
    value = 0.0
    value += math.log(2.0 / t_w) - 0.5 * _LOG_TAU - 0.5 * (shared[T_W] / t_w) ** 2
    of_shared[T_W] -= shared[T_W] / t_w**2
    square = (math.exp(shared[V0]) / v0) ** 2
    value += math.log(2.0 / v0) - 0.5 * _LOG_TAU - 0.5 * square + shared[V0]
    of_shared[V0] += 1.0 - square
    drop = rho * math.exp(shared[RHO])
    value += math.log(rho) - drop + shared[RHO]
    of_shared[RHO] += 1.0 - drop
    for place, centre, scale in (
        (K0, k0_mean, k0_sd),
        (G0, g0_mean, g0_sd),
        (A0, a0_mean, a0_sd),
    ):
        off = (shared[place] - centre) / scale
        value -= 0.5 * off * off + math.log(scale) + 0.5 * _LOG_TAU
        of_shared[place] -= off / scale
    for common, first, scale in (
        (G0, SHARED, gamma_sd),
        (A0, SHARED + domains, alpha_sd),
    ):
        for place in range(first, first + domains):
            off = (shared[place] - shared[common]) / scale
            value -= 0.5 * off * off + math.log(scale) + 0.5 * _LOG_TAU
            of_shared[place] -= off / scale
            of_shared[common] += off / scale
    return float(value)


@_compiled(fast=True)
def _unfold(
    t: float,
    values: FloatArray,
    slope: FloatArray,
    information: FloatArray,
    omega: FloatArray,
    skill: FloatArray,
) -> None:
    """Turn the values at the end of a point into omega, and that into skill.

    Those beyond the values are not sampled: theirs is the mean of the normal law that the sampled
    values would have, and the mean skill under it.
    """
    for who in range(values.size):
        spread = 1.0 + t * t * information[who]
        omega[who] = t * slope[who] / spread + values[who] / math.sqrt(spread)
        skill[who] = exponential(t * omega[who])
    for who in range(values.size, slope.size):
        inverse = 1.0 / (1.0 + t * t * information[who])
        omega[who] = t * slope[who] * inverse
        skill[who] = exponential(t * omega[who] + 0.5 * t * t * inverse)


@_compiled(fast=True)
def _fold(
    t: float,
    slope: FloatArray,
    information: FloatArray,
    omega: FloatArray,
    skill: FloatArray,
    of_skill: FloatArray,
    of_value: FloatArray,
) -> tuple[float, float]:
    """Return the log of prior times Jacobian of all values and the slope by t; fill in theirs.

    For those who are not sampled it is the log of the integral that Laplace's method gives.
    """
    value, of_t = 0.0, 0.0
    for who in range(of_value.size):
        by_log_skill = skill[who] * of_skill[who]
        known = t * t * information[who]
        inverse = 1.0 / (1.0 + known)
        by_omega = t * by_log_skill - omega[who]
        centre = t * slope[who] * inverse
        moved = slope[who] * (1.0 - 2.0 * known * inverse) * inverse
        moved -= (omega[who] - centre) * t * information[who] * inverse
        value -= 0.5 * (omega[who] * omega[who] + logarithm(1.0 + known))
        of_t += omega[who] * by_log_skill + by_omega * moved - t * information[who] * inverse
        of_value[who] = by_omega * math.sqrt(inverse)
    for who in range(of_value.size, omega.size):
        by_log_skill = skill[who] * of_skill[who]
        known = t * t * information[who]
        inverse = 1.0 / (1.0 + known)
        moved = slope[who] * (1.0 - 2.0 * known * inverse) * inverse
        value -= 0.5 * (omega[who] * omega[who] + logarithm(1.0 + known))
        of_t += by_log_skill * (omega[who] + t * (moved + inverse * inverse))
        of_t -= omega[who] * moved + t * information[who] * inverse
    return value - 0.5 * _LOG_TAU * of_value.size, of_t


@_compiled()
def unbend(shared: FloatArray, domains: int, crowd: float) -> float:
    """Raise g0 and log gamma by log(1 + k0 / crowd), in place; return its derivative by log k0."""
    k0 = math.exp(shared[K0])
    rise = math.log1p(k0 / crowd)
    shared[G0] += rise
    for place in range(SHARED, SHARED + domains):
        shared[place] += rise
    return k0 / (crowd + k0)


@_compiled()
def _numbers(buffer: IntArray, part: int) -> FloatArray:
    return buffer[buffer[part] : buffer[part + 1]].view(np.float64)


@_compiled()
def _indices(buffer: IntArray, part: int) -> IntArray:
    # Unsigned, so that no index needs a look at its sign.
    return buffer[buffer[part] : buffer[part + 1]].view(np.uint32)


@_compiled()
def log_density(point: FloatArray, gradient: FloatArray, buffer: IntArray) -> float:
    """Return the log-density at a point, and fill in its gradient."""
    middle, factor = _numbers(buffer, _MIDDLE), _numbers(buffer, _FACTOR)
    first_shot = _indices(buffer, _FIRST_SHOT)
    slope, information = _numbers(buffer, _SLOPE), _numbers(buffer, _INFORMATION)
    log_rank, z = _numbers(buffer, _LOG_RANK), _numbers(buffer, _Z)
    forecaster, level = _indices(buffer, _FORECASTER), _indices(buffer, _LEVEL)
    first_row, parent = _indices(buffer, _FIRST_ROW), _indices(buffer, _PARENT)
    size, people = middle.size, slope.size
    domains = (size - SHARED) // 2
    first_shot = first_shot[: domains + 1]
    log_size = _numbers(buffer, _LOG_SIZE)
    parent = parent[: log_size.size]

    shared, of_shared = middle.copy(), np.zeros(size)
    shared[T_W] = point[T_W]
    for place in range(1, size):
        for other in range(1, place + 1):
            shared[place] += factor[place * size + other] * point[other]
    bend = unbend(shared, domains, _numbers(buffer, _CROWD)[0])
    t = shared[T_W]

    omega, skill, of_skill = np.empty(people), np.empty(people), np.zeros(people)
    power = np.empty(log_rank.size)
    sums = np.empty((4, parent.size))
    _unfold(t, point[size:], slope, information, omega, skill)
    rho = math.exp(shared[RHO])
    for rank in range(power.size):
        power[rank] = exponential(rho * log_rank[rank])
    _sum_up(skill, power, log_rank, z, forecaster, level, first_row, parent, sums)
    value = _prior(shared, of_shared, domains, _numbers(buffer, _PRIOR))
    value += outcomes(
        shared,
        of_shared,
        first_shot,
        log_size,
        _numbers(buffer, _SIGN),
        _numbers(buffer, _WEIGHT),
        sums,
    )
    _pass_back(power, z, forecaster, level, first_row, parent, sums, of_skill)
    of_values, of_t = _fold(t, slope, information, omega, skill, of_skill, gradient[size:])
    value += of_values
    of_shared[T_W] += of_t
    of_shared[K0] += bend * (of_shared[G0] + of_shared[SHARED : SHARED + domains].sum())
    gradient[T_W] = of_shared[T_W]
    for place in range(1, size):
        value += math.log(factor[place * size + place])
        gradient[place] = 0.0
        for later in range(place, size):
            gradient[place] += factor[later * size + place] * of_shared[later]
    return value


_DOUBLES = types.CPointer(types.double)


@numba.cfunc(  # type: ignore[untyped-decorator]
    types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, types.voidptr),
    nopython=True,
    cache=_CACHE,
)
def called_by_address(size: int, point: Any, gradient: Any, value: Any, buffer: Any) -> int:
    """Do as ``log_density`` for a caller that has addresses only; 0 unless a figure is none."""
    words = numba.carray(buffer, (1,), np.int64)[0]
    found = log_density(
        numba.carray(point, (size,)),
        numba.carray(gradient, (size,)),
        numba.carray(buffer, (words,), np.int64),
    )
    numba.carray(value, (1,))[0] = found
    return 0 if math.isfinite(found) else 1


@numba.cfunc(  # type: ignore[untyped-decorator]
    types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, types.voidptr),
    nopython=True,
    cache=_CACHE,
)
def nothing_by_address(_: int, __: int, ___: Any, ____: Any, _____: Any) -> int:
    """Derive nothing from a point."""
    return 0
