"""Spectral filters of training: per eigenvalue, how much of a target is learned and of a residual left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError
from .checks import Array, ridge
from .momentum import LARGEST_RATE, momentum_response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .schedule import StepSchedule
    from .spectrum import Spectrum

_LARGEST_EXPONENT = 300.0  # beyond exp(300) factors are carried with a separate power of two
_LARGEST_POWER = 1e9  # the largest power that ldexp accepts; numbers overflow long before
_SMALLEST_RATE = 1e-290  # below it (1 - decay) / rate loses digits to underflow, and its limit is exact


class Filters(NamedTuple):
    """Functions of the eigenvalues (T, N), to be multiplied by ``2**power`` (T,), which is 1 unless descent diverges.

    ``gain`` is g_t(lambda); ``retained`` is ``1 - lambda g_t(lambda)``, the fraction left of a residual. ``rank``
    and ``cutoff`` are those of the pseudo-inverse, None if no time is inf.
    """

    elapsed: Array
    gain: Array
    retained: Array
    power: NDArray[np.int64]
    rank: int | None
    cutoff: float | None


def make_filters(spectrum: Spectrum, schedule: StepSchedule, rho: float) -> Filters:
    """Return the filters of a kernel, a schedule and an absolute ridge (docs/theory.md, "Gradient descent, exactly").

    :raises DataError: for a ridge that is negative or not finite, or a rate beyond the range of float64.
    """
    rho, n, eigenvalues = ridge(rho), len(spectrum.eigenvalues), spectrum.cleaned
    remembers = schedule.steps is not None and schedule.optimizer != "gradient-descent"
    with np.errstate(over="ignore"):
        rate = schedule.unit * ((eigenvalues + rho) / n)
    if not (np.abs(rate) < (LARGEST_RATE if remembers else np.inf)).all():
        raise DataError(f"dynamics: learning_rate {schedule.unit:g} times the kernel is beyond the range of float64")
    null = np.isinf(schedule.elapsed)[:, None] & (eigenvalues + rho <= spectrum.cutoff)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        if remembers and schedule.steps is not None:
            nesterov = schedule.optimizer == "nesterov"
            decay, learned, power = momentum_response(rate, schedule.steps, schedule.momentum, nesterov)
            power = np.minimum(power, int(_LARGEST_POWER))
        else:
            decay, learned, power = _memoryless(rate, schedule, null)
        gain = np.where(null, 0.0, learned) * (schedule.unit / n)
        ridged = (np.ldexp(rho, -power[:, None]) + eigenvalues * decay) / (eigenvalues + rho)
    retained = np.where(null, 1.0, ridged) if rho > 0 else decay
    at_infinity = np.isinf(schedule.elapsed).any()
    return Filters(
        schedule.elapsed,
        gain,
        retained,
        power,
        spectrum.rank(rho) if at_infinity else None,
        spectrum.cutoff if at_infinity else None,
    )


def _memoryless(rate: Array, schedule: StepSchedule, null: NDArray[np.bool_]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return decay and (1 - decay) / rate of flow or gradient descent, (T, N), over 2**power, and power (T,)."""
    elapsed = schedule.elapsed[:, None]
    log_decay, sign = _log_decay(rate, elapsed, discrete=schedule.steps is not None)
    log_decay = np.where(null | (elapsed == 0), 0.0, log_decay)
    decay, grown, power = _exponentials(log_decay, sign)
    limit = np.ldexp(np.where(np.isinf(elapsed), 0.0, elapsed), -power[:, None])
    return decay, np.where((np.abs(rate) < _SMALLEST_RATE) & np.isfinite(elapsed), limit, grown / rate), power


def _log_decay(rate: Array, elapsed: Array, discrete: bool) -> tuple[Array, Array]:
    """Return log|decay| and the sign of decay, (T, N); rate - 2 is exact where |1 - rate| is close to 1."""
    if not discrete:
        return -elapsed * rate, np.ones_like(elapsed * rate)
    magnitude = elapsed * np.log1p(np.where(rate < 1, -rate, rate - 2))
    return magnitude, np.where((rate > 1) & (elapsed % 2 == 1), -1.0, 1.0)


def _exponentials(log_decay: Array, sign: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return decay and 1 - decay, (T, N), both divided by 2**power (T,)."""
    excess = np.ceil(np.maximum(log_decay.max(axis=1) - _LARGEST_EXPONENT, 0.0) / np.log(2))
    power = np.minimum(excess, _LARGEST_POWER).astype(np.int64)
    decay = sign * np.exp(log_decay - excess[:, None] * np.log(2))
    stable = np.where(sign > 0, -np.expm1(log_decay), 1 - decay)
    return decay, np.where(power[:, None] > 0, np.ldexp(1.0, -power)[:, None] - decay, stable), power
