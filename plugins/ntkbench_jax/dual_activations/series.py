"""Activations known only as functions: a Hermite series or polar quadrature, as cheap as the tolerance allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntkbench.plugin import UnavailableError

from ..x64 import enable_x64
from .functions import Function, checked, value_and_slope
from .hermite import BLOCK, Hermite, Parity, nodes, weighted_polynomials
from .polar import polar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .interface import Smooth

    Floats = NDArray[np.float64]

TOLERANCE = 1e-13  # relative to the products of root mean squares
_TAIL = 1e-14  # target for the truncation error
_SHORT_TAIL = 1e-8  # enough for float32
_ROUNDING = float(np.finfo(float).eps)
_ORDERS = tuple(BLOCK * n for n in (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96))  # few programs
_REACHES = (13.0, 18.0, 26.0, 36.0)
_STEPS = (64, 96, 128, 192, 256, 384)  # to a side and 12 units
_FINE_STEPS = 768
_SAMPLES = 24  # deviations at which the error is measured


@dataclass(frozen=True, eq=False)
class Generic:
    """Any activation: a Hermite series where it converges (analytic functions, moderate deviations), or polar rules."""

    function: Function
    name: str

    def resolved(self, deviations: NDArray[np.float64]) -> tuple[Smooth, float]:
        """Return a dual activation with an error of at most 1e-13 at ``deviations`` (any shape), and its error.

        :raises UnavailableError: if that cannot be reached; the message gives the achieved error.
        """
        samples = _samples(np.asarray(deviations, dtype=np.float64))
        dual, error = series(self.function, samples)
        if dual is not None and error <= TOLERANCE:
            return dual, error
        by_pair, missed = polar(self.function, samples)
        if missed <= TOLERANCE:
            return by_pair, missed
        raise UnavailableError(
            f'activation "{self.name}": its kernels for pre-activations of standard deviation {samples.min():.3g} to '
            f"{samples.max():.3g} cannot be computed to {TOLERANCE:.0e}: a Hermite series of {_ORDERS[-1]} terms "
            f"misses {error:.1e}, quadrature that allows for a kink at 0 misses {missed:.1e}; it must be "
            "analytic on either side of 0 and grow more slowly than exp(x^2 / (4 variance))"
        )


def adaptive(function: Function, name: str) -> Generic:
    """Return the dual of ``function``, an elementwise function of a JAX array; messages call it ``name``.

    :raises DataError: for anything else.
    """
    checked(function, name)
    try:
        hash(function)
    except TypeError:  # programs are compiled for a function, which must be hashable
        return Generic(lambda x: function(x), name)
    return Generic(function, name)


class _Sampled(NamedTuple):
    """phi and phi' at (deviations, nodes), and the roots of the nodes' weights (nodes,)."""

    values: Floats
    slopes: Floats
    root: Floats


def series(function: Function, deviations: NDArray[np.float64]) -> tuple[Hermite | None, float]:
    """Return the cheapest Hermite series for ``deviations`` (n,) > 0, or the best, or None; and its error.

    The truncation error is ``E[phi^2] - sum_k a_k^2``, and the same for phi' (Parseval), relative to the first term;
    the grid's error is its difference from a finer grid.
    """
    for reach in _REACHES:
        fine = _sampled(function, deviations, reach, _steps(_FINE_STEPS, reach))
        if _decayed(fine):
            break
    else:
        return None, float("inf")
    parity, sign = _symmetry(fine)
    every, start = (1 if parity == "none" else 2), int(parity == "odd")
    ends = [start + every * (n - 1) + 1 for n in _ORDERS]
    cut = _tails(_moments(fine, reach, ends[-1]), deviations)[ends]
    chosen, short = (_first(cut <= tail) for tail in (_TAIL, _SHORT_TAIL))
    dual = Hermite(function, _ORDERS[chosen], _ORDERS[min(short, chosen)], reach, 0, parity, sign)
    steps, missed = _coarsest(function, deviations, reach, _moments(fine, reach, ends[chosen]))
    return replace(dual, steps=steps), float(cut[chosen]) + missed


def _steps(per_12_units: int, reach: float) -> int:
    return round(per_12_units * reach / 12)


def _samples(deviations: Floats) -> Floats:
    """Return representative deviations: the smallest, the largest, and quantiles between."""
    positive = deviations[deviations > 0]
    if not positive.size:
        return np.ones(1)
    return np.unique(np.quantile(positive, np.linspace(0, 1, _SAMPLES)))


def _sampled(function: Function, deviations: Floats, reach: float, steps: int) -> _Sampled:
    u, root = nodes(reach, steps)
    with enable_x64(True):
        values, slopes = _evaluate(function, jnp.asarray(deviations[:, None] * u))
    with np.errstate(all="ignore"):
        return _Sampled(np.asarray(values), np.asarray(slopes), root)


_evaluate = jax.jit(value_and_slope, static_argnums=0)


def _decayed(sampled: _Sampled) -> bool:
    """Return whether the ends of the grid are negligible: below a rounding of the root mean square."""
    for part in sampled[:2]:
        with np.errstate(all="ignore"):
            weighted = np.abs(part * sampled.root)
            largest = weighted.max(axis=1)
            ends = weighted[:, [0, -1]].max(axis=1)
        if not np.isfinite(part).all() or (ends > _ROUNDING * largest).any():
            return False
    return True


def _symmetry(sampled: _Sampled) -> tuple[Parity, int]:
    """Find, to rounding, whether phi' is even, or odd but for a constant, and whether phi is even (1) or odd (-1)."""
    values, slopes = sampled.values * sampled.root, sampled.slopes * sampled.root
    constant = sampled.slopes[:, [len(sampled.root) // 2]] * sampled.root
    parity: Parity = "none"
    if _vanishes(slopes - slopes[:, ::-1], slopes):
        parity = "even"
    elif _vanishes(slopes + slopes[:, ::-1] - 2 * constant, slopes):
        parity = "odd"
    odd, even = (_vanishes(values + sign * values[:, ::-1], values) for sign in (1, -1))
    return parity, -1 if odd and parity == "even" else int(even and parity == "odd")


def _vanishes(difference: Floats, whole: Floats) -> bool:
    """Return whether ``difference`` is only rounding of ``whole``, both (n, nodes)."""
    return bool((np.abs(difference) <= 8 * _ROUNDING * np.abs(whole).max(axis=1, keepdims=True)).all())


class _Moments(NamedTuple):
    """At n deviations: E[phi^2], E[phi'^2], E[phi] (n,), and b_k (n, order)."""

    square: Floats
    slope: Floats
    mean: Floats
    spectrum: Floats


def _moments(sampled: _Sampled, reach: float, order: int) -> _Moments:
    values, slopes = sampled.values * sampled.root, sampled.slopes * sampled.root
    polynomials = weighted_polynomials(reach, len(sampled.root) // 2, order)
    square, slope = (np.einsum("ij,ij->i", part, part) for part in (values, slopes))
    return _Moments(square, slope, values @ sampled.root, slopes @ polynomials.T)


def _tails(moments: _Moments, deviations: Floats) -> Floats:
    """Return the largest share of E[phi^2] and E[phi'^2] left after each number of terms, 0 to all."""
    k = np.arange(1, moments.spectrum.shape[1] + 1)
    squares = moments.spectrum**2
    of_slope = _left(squares, moments.slope)
    parts = deviations[:, None] ** 2 * squares / k
    return np.maximum(of_slope, _left(np.concatenate([moments.mean[:, None] ** 2, parts], 1), moments.square)[1:])


def _left(parts: Floats, whole: Floats) -> Floats:
    sums = np.concatenate([np.zeros((len(parts), 1)), np.cumsum(parts, axis=1)], axis=1)
    rest = np.abs(whole[:, None] - sums)
    shares = np.divide(rest, whole[:, None], out=np.zeros_like(rest), where=whole[:, None] > 0)
    return np.asarray(shares.max(axis=0))


def _coarsest(function: Function, deviations: Floats, reach: float, fine: _Moments) -> tuple[int, float]:
    """Return the coarsest grid (steps to a side) that agrees with ``fine`` to rounding, and its error."""
    for per_12_units in _STEPS:
        steps = _steps(per_12_units, reach)
        coarse = _moments(_sampled(function, deviations, reach, steps), reach, fine.spectrum.shape[1])
        missed = _changes(coarse, fine)
        if missed <= 16 * _ROUNDING:
            break
    return steps, missed


def _changes(coarse: _Moments, fine: _Moments) -> float:
    """Return the largest relative change of a sum of squares or of a coefficient."""
    square, slope = (np.where(part > 0, part, 1.0) for part in fine[:2])
    changes = (
        np.abs(coarse.square - fine.square) / square,
        np.abs(coarse.slope - fine.slope) / slope,
        np.abs(coarse.mean - fine.mean) / np.sqrt(square),
        np.abs(coarse.spectrum - fine.spectrum).max(axis=1) / np.sqrt(slope),
    )
    return float(max(change.max() for change in changes))


def _first(enough: NDArray[np.bool_]) -> int:
    return int(np.argmax(enough)) if enough.any() else len(enough) - 1
