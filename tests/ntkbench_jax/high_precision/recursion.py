"""The recursion of the kernels over layers, in the conventions of the theory, from float64 inputs taken exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from mpmath import mp, mpf, sqrt

from . import quadrature
from .activations import closed_form

DIGITS = 100  # nearly coincident points hold 1 - c to 1e-18 of itself, a square root halves what is left


@dataclass(frozen=True)
class Entry:
    """One entry of both kernels, and the root of the product of its two diagonal entries."""

    nngp: mpf
    ntk: mpf
    nngp_scale: mpf
    ntk_scale: mpf


State = tuple[mpf, mpf, mpf, mpf]  # K(x,x), K(y,y), K(x,y), Theta(x,y)


def weight_share(weight_std: float, features: int) -> mpf:
    """weight_std^2 / features to 45 digits: few enough that parallel points are so in all digits of K_1."""
    exact = mpf(weight_std) ** 2
    with mp.workprec(150):
        return exact / features


def first_layer(x: Sequence[float], y: Sequence[float], share: mpf, bias: mpf) -> State:
    """The network of depth 0: ``share`` is weight_std^2 / features, ``bias`` is bias_std^2."""
    p, q, k = (share * mp.fdot(a, b) + bias for a, b in ((x, x), (y, y), (x, y)))
    return p, q, k, k


def next_layer(state: State, activation: str, weight: mpf, bias: mpf) -> State:
    """One layer deeper; ``weight`` and ``bias`` are the squares of weight_std and bias_std."""
    (p, q, k, ntk), duals = state, closed_form(activation).duals
    value, slope = duals(p, q, k)
    p, q, k = weight * duals(p, p, p)[0] + bias, weight * duals(q, q, q)[0] + bias, weight * value + bias
    return p, q, k, k + weight * ntk * slope


def layers(
    x: Sequence[float], y: Sequence[float], activation: str, weight_std: float, bias_std: float
) -> Iterator[State]:
    """Yield the network of depth 0, 1, 2, ..."""
    scales = mpf(weight_std) ** 2, mpf(bias_std) ** 2
    state = first_layer(x, y, weight_share(weight_std, len(x)), scales[1])
    while True:
        yield state
        state = next_layer(state, activation, *scales)


@lru_cache(maxsize=200_000)
def _pair(
    x: tuple[float, ...],
    y: tuple[float, ...],
    activation: str,
    depths: tuple[int, ...],
    scales: tuple[float, float],
    digits: int,
) -> dict[int, tuple[mpf, mpf]]:
    with mp.workdps(digits):
        found = islice(layers([mpf(v) for v in x], [mpf(v) for v in y], activation, *scales), max(depths) + 1)
        return {depth: (row[2], row[3]) for depth, row in enumerate(found) if depth in depths}


def reference(
    x1: Sequence[float], x2: Sequence[float], activation: str, depth: int, weight_std: float, bias_std: float
) -> tuple[mpf, mpf]:
    """The NNGP and the NTK of two points, to at least 40 digits; to about 17 if by quadrature (tanh, elu, ...)."""
    entry = entries(x1, x2, activation, (depth,), weight_std, bias_std)[depth]
    return entry.nngp, entry.ntk


def entries(
    x1: Sequence[float],
    x2: Sequence[float],
    activation: str,
    depths: Sequence[int],
    weight_std: float,
    bias_std: float,
    digits: int = DIGITS,
) -> dict[int, Entry]:
    """The entry at each of several depths, from one pass over the layers."""
    x, y = (tuple(float(value) for value in vector) for vector in (x1, x2))
    if activation in quadrature.ACTIVATIONS:
        return _entries_by_quadrature(x, y, activation, tuple(sorted(depths)), float(weight_std), float(bias_std))
    rest = activation, tuple(sorted(depths)), (float(weight_std), float(bias_std)), digits
    with mp.workdps(digits):
        xx, yy, xy = (_pair(a, b, *rest) for a, b in ((x, x), (y, y), (x, y)))
        return {depth: Entry(*xy[depth], *(sqrt(xx[depth][i] * yy[depth][i]) for i in range(2))) for depth in rest[1]}


@lru_cache(maxsize=10_000)
def _entries_by_quadrature(
    x: tuple[float, ...],
    y: tuple[float, ...],
    activation: str,
    depths: tuple[int, ...],
    weight_std: float,
    bias_std: float,
) -> dict[int, Entry]:
    found = quadrature.entries(x, y, activation, depths, weight_std, bias_std)
    return {depth: Entry(*values) for depth, values in found.items()}
