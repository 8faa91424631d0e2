"""The kernels of activations without a closed form, by quadrature over the plane in 64-bit mantissas.

Whitened, ``(u, v) = r (sqrt(p) cos t, sqrt(q) cos(t - alpha))``, alpha being the angle between the points. The lines
u = 0 and v = 0 cut the plane into four sectors, and an activation that is analytic on either side of 0 is analytic in
(r, t) on each, however thin it is. Gauss-Legendre on panels there, twice, with different nodes; the two must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from mpmath import mp, mpf
from numpy.polynomial.legendre import leggauss

Array = np.ndarray
Extended = np.longdouble
AVAILABLE = bool(np.finfo(Extended).eps < 1e-18)
PI = Extended("3.14159265358979323846264338327950288")
REACH = 10.5  # exp(-r^2 / 2) is 1e-24 there
NODES = 24, 32  # on each panel
AGREEMENT = 1e-16  # of the two, relative to the scale


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _elu(scale: float, alpha: float) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    scale, alpha = Extended(scale), Extended(alpha)
    return (
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    )


def _silu_derivative(x: Array) -> Array:
    return _sigmoid(x) * (1 + x * _sigmoid(-x))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "silu": (lambda x: x * _sigmoid(x), _silu_derivative),
    "swish": (lambda x: x * _sigmoid(x), _silu_derivative),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), _sigmoid),
    "elu": _elu(1.0, 1.0),
    "selu": _elu(1.0507009873554804934193349852946, 1.6732632423543772848170429916717),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
}


@dataclass(frozen=True)
class Layer:
    """K at (x,x), (y,y), (x,y); the angle between the two points and pi less it; Theta at the same three."""

    p: Extended
    q: Extended
    k: Extended
    angle: Extended
    supplement: Extended
    ntk_p: Extended
    ntk_q: Extended
    ntk: Extended

    @property
    def entry(self) -> tuple[Extended, ...]:
        """Both kernels' entry and scale, as in Entry."""
        return self.k, self.ntk, np.sqrt(self.p * self.q), np.sqrt(self.ntk_p * self.ntk_q)


@cache
def _legendre(n: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]: numpy's, polished by Newton in extended precision."""
    x = leggauss(n)[0].astype(Extended)
    for _ in range(2):
        before, value = np.ones_like(x), x.copy()
        for j in range(2, n + 1):
            before, value = value, ((2 * j - 1) * x * value - (j - 1) * before) / j
        slope = n * (x * value - before) / (x * x - 1)
        x = x - value / slope
    return (1 + x) / 2, 1 / ((1 - x * x) * slope * slope)


def _panels(length: Extended, count: int, n: int) -> tuple[Array, Array]:
    nodes, weights = _legendre(n)
    width = length / count
    return (width * (np.arange(count)[:, None] + nodes)).ravel(), np.tile(width * weights, count)


def expectations(activation: str, layer: Layer, n: int) -> list[Extended]:
    """E[(phi(u) - phi(v))^2], E[(phi(u) + phi(v))^2], E[phi(u) phi(v)], E[phi'(u) phi'(v)], by panels of n nodes."""
    phi, derivative = ACTIVATIONS[activation]
    steep = max(1.0, float(np.sqrt(max(layer.p, layer.q) / 10)))
    r, weight = _panels(Extended(REACH), int(np.ceil(11 * steep)), n)
    weight = weight * r * np.exp(-r * r / 2) / (2 * PI)
    a, b = np.sqrt(layer.p) * r, np.sqrt(layer.q) * r
    totals = [Extended(0)] * 4
    for width, side in ((layer.supplement, 1), (layer.angle, -1)):
        s, sector = _panels(width, max(1, int(np.ceil(float(width) * 5 * steep))), n)
        for sign in (1, -1):
            u, v = sign * side * np.multiply.outer(np.sin(width - s), a), sign * np.multiply.outer(np.sin(s), b)
            f, g, slopes = phi(u), phi(v), derivative(u) * derivative(v)
            for i, values in enumerate(((f - g) ** 2, (f + g) ** 2, f * g, slopes)):
                totals[i] += sector @ (values @ weight)
    return totals


def moment(function: Callable[[Array], Array], p: Extended, n: int) -> Extended:
    """E[function(u)^2], by panels of n nodes on either half-line."""
    a, weight = _panels(Extended(REACH), int(np.ceil(11 * max(1.0, float(np.sqrt(p / 10))))), n)
    u = np.sqrt(p) * a
    return (weight * np.exp(-a * a / 2) / np.sqrt(2 * PI)) @ (function(u) ** 2 + function(-u) ** 2)


def layers(
    x: Sequence[float], y: Sequence[float], activation: str, weight_std: float, bias_std: float, n: int
) -> Iterator[Layer]:
    """Yield the network of depth 0, 1, 2, ..., the first from exact arithmetic."""
    phi, derivative = ACTIVATIONS[activation]
    weight, bias = Extended(weight_std) ** 2, Extended(bias_std) ** 2
    layer = _first(x, y, weight_std, bias_std)
    while True:
        yield layer
        apart, together, k, slope = expectations(activation, layer, n)
        p, q = (weight * moment(phi, value, n) + bias for value in (layer.p, layer.q))
        ntk_p = p + weight * layer.ntk_p * moment(derivative, layer.p, n)
        ntk_q = q + weight * layer.ntk_q * moment(derivative, layer.q, n)
        k = weight * k + bias
        opposite = _opposite(p, q, k, weight * (apart if k > 0 else together) + (0 if k > 0 else 4 * bias))
        angles = np.arctan2(opposite, k), np.arctan2(opposite, -k)
        layer = Layer(p, q, k, *angles, ntk_p, ntk_q, k + weight * layer.ntk * slope)


def _opposite(p: Extended, q: Extended, k: Extended, small: Extended) -> Extended:
    """sqrt(pq - k^2), for close or nearly antipodal points from the variance of their difference or sum (Heron)."""
    close = 2 * k * k > p * q and (p - q) ** 2 < p * q
    square = (2 * small * (p + q) - small**2 - (p - q) ** 2) / 4 if close else p * q - k * k
    return np.sqrt(max(square, Extended(0)))


def _first(x: Sequence[float], y: Sequence[float], weight_std: float, bias_std: float) -> Layer:
    with mp.workdps(100):
        a, b = ([mpf(float(value)) for value in vector] for vector in (x, y))
        weight, bias = mpf(weight_std) ** 2, mpf(bias_std) ** 2
        p, q, k = (weight * mp.fdot(s, t) / len(a) + bias for s, t in ((a, a), (b, b), (a, b)))
        opposite = mp.sqrt(max(p * q - k * k, mpf(0)))
        values = p, q, k, mp.atan2(opposite, k), mp.atan2(opposite, -k), p, q, k
        return Layer(*(Extended(mp.nstr(value, 25)) for value in values))


def entries(
    x: Sequence[float], y: Sequence[float], activation: str, depths: Sequence[int], weight_std: float, bias_std: float
) -> dict[int, tuple[mpf, ...]]:
    """NNGP and NTK at each depth and their scales; fails where two sets of nodes do not agree."""
    found = []
    for n in NODES:
        rows = layers(x, y, activation, weight_std, bias_std, n)
        found.append([next(rows).entry for _ in range(max(depths) + 1)])
    for coarse, fine in zip(*found, strict=True):
        for a, b, scale in zip(coarse, fine, 2 * fine[2:], strict=True):
            if not abs(a - b) <= AGREEMENT * scale:
                raise ArithmeticError(f"{activation}: two quadratures differ, {a} and {b}, at {x}, {y}")
    return {depth: tuple(mp.convert(value) for value in found[1][depth]) for depth in depths}
