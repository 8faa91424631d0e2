"""Heavy-ball and Nesterov momentum on one eigenvalue: the exact iterates, to rounding, after any number of steps.

With ``a = eta (lambda + rho) / N`` let ``d_k`` be the error after k steps from an initial error of 1, and
``s_k = (1 - d_k) / a``. The update of :mod:`ntkbench.theory.optimizers` is the affine map, with a velocity ``u``,

    u' = mu u - a s + 1        s' = s + u'                      heavy-ball
    u' = mu u - a s + 1        s' = s + (1 - a s) + mu u'       Nesterov

Started at s = 1 without the constant 1, the map gives s = ``d_k``; started at s = 0 with it, s = ``s_k``; for any a,
including 0. The closed form by the roots of the companion matrix loses all digits where the roots coincide, and its
angles are off by k * eps. So the map is raised to its powers by repeated squaring, in double-double arithmetic, all
eigenvalues at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .double_double import DoubleDouble

Array = NDArray[np.float64]
LARGEST_RATE = 2.0**900  # the range that double-double arithmetic can multiply
_LARGE = 100  # entries beyond 2**100 are scaled down, so that the next product is in range
_LARGEST_POWER = 2**40  # beyond it a number is infinite anyway


@dataclass(frozen=True, eq=False)
class _Affine:
    """``2**power`` times affine maps of the plane, one per eigenvalue.

    ``entries`` (2, C, N): columns of the linear part, all or some, then the constant's, for a last coordinate of
    ``2**-power``. ``power`` (N,) int64 is 0 unless the map grows.
    """

    entries: DoubleDouble
    power: NDArray[np.int64]

    @classmethod
    def scaled(cls, entries: DoubleDouble, power: NDArray[np.int64]) -> Self:
        """Return the map with entries that can be multiplied without overflow: near 1 if it grows, at most 2**100."""
        _, exponent = np.frexp(np.abs(entries.high).max(axis=(0, 1)))
        shift = np.where((exponent > _LARGE) | (power > 0), np.maximum(exponent, -power), 0).astype(np.int64)
        return cls(entries.scaled(-shift), np.minimum(power + shift, _LARGEST_POWER))

    def after(self, earlier: _Affine) -> _Affine:
        """Return the map that applies ``earlier`` first."""
        products = self.entries[:, :2, None] * earlier.entries[None]
        total = products[:, 0] + products[:, 1]
        constant = DoubleDouble.of(np.ldexp(1.0, -earlier.power)) * self.entries[:, -1]
        total.high[:, -1], total.low[:, -1] = _pair(total[:, -1] + constant)
        return _Affine.scaled(total, self.power + earlier.power)

    def columns(self, kept: list[int]) -> _Affine:
        return _Affine(self.entries[:, kept], self.power)


def momentum_response(
    rate: Array, steps: NDArray[np.int64], momentum: float, nesterov: bool
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return ``d_k`` and ``s_k``, each (T, N) and divided by ``2**power``, and power (T,), 0 unless training diverges.

    :param rate: (N,), below ``LARGEST_RATE``: ``a``, each taken as the exact number it is.
    :param steps: (T,), in any order.
    """
    single = _single_step(rate, momentum, nesterov)
    powers = _Powers(single)
    decay, learned = np.empty((2, len(steps), len(rate)))
    power = np.zeros(len(steps), dtype=np.int64)
    state, done = powers.identity.columns([0, 2]), 0
    for t in np.argsort(steps, kind="stable"):
        if steps[t] > done:
            state, done = powers.of(int(steps[t]) - done).after(state), int(steps[t])
        power[t] = state.power.max()
        decay[t], learned[t] = np.ldexp(state.entries.high[0], state.power - power[t])
    return decay, learned, power


def _single_step(rate: Array, momentum: float, nesterov: bool) -> _Affine:
    """Return one step, on (s, u)."""
    one, zero = np.ones_like(rate), np.zeros_like(rate)
    a, mu = DoubleDouble.of(rate), DoubleDouble.of(momentum * one)
    identity, velocity = [DoubleDouble.of(v) for v in (one, zero, zero)], [-a, mu, DoubleDouble.of(one)]
    if nesterov:
        plain = [DoubleDouble.of(one) - a, DoubleDouble.of(zero), DoubleDouble.of(one)]
        position = [p + mu * v for p, v in zip(plain, velocity, strict=True)]
    else:
        position = [s + v for s, v in zip(identity, velocity, strict=True)]
    entries = DoubleDouble(
        np.array([[entry.high for entry in row] for row in (position, velocity)]),
        np.array([[entry.low for entry in row] for row in (position, velocity)]),
    )
    return _Affine.scaled(entries, np.zeros(len(rate), dtype=np.int64))


class _Powers:
    """Powers of a map, each computed once."""

    def __init__(self, single: _Affine) -> None:
        unit = np.zeros_like(single.entries.high)
        unit[0, 0] = unit[1, 1] = 1
        self.identity = _Affine(DoubleDouble.of(unit), np.zeros_like(single.power))
        self._squares, self._found = [single], {0: self.identity, 1: single}

    def of(self, count: int) -> _Affine:
        if count not in self._found:
            highest = count.bit_length() - 1
            self._found[count] = self._square(highest).after(self.of(count - (1 << highest)))
        return self._found[count]

    def _square(self, index: int) -> _Affine:
        while len(self._squares) <= index:
            self._squares.append(self._squares[-1].after(self._squares[-1]))
        return self._squares[index]


def _pair(value: DoubleDouble) -> tuple[Array, Array]:
    return value.high, value.low
