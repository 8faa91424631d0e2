"""A second opinion on any activation: one layer's Gaussian expectations by Gauss-Legendre rules split at zero.

In float64, to about 1e-14 for functions that are analytic on either side of zero with no singularity near by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .cases import Network

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_NODES = 240  # per half line
_REACH = 14.0  # standard deviations: activations may grow like exp
_CONSTANT = 1 / 2.4020563531719796


class Activation(NamedTuple):
    """An activation and its derivative."""

    value: Function
    slope: Function


def activation(network: Network) -> Activation:
    """Return the activation of a network as functions of arrays."""
    return _ACTIVATIONS[network.activation](**network.parameters)


def expectation(phi: Function, q1: float, q2: float, k: float) -> float:
    """Return ``E[phi(u) phi(v)]`` for ``(u, v) ~ N(0, [[q1, k], [k, q2]])``; q1, q2 > 0."""
    s1, s2, rest = np.sqrt(q1), np.sqrt(q2), np.sqrt(max(1 - k * k / (q1 * q2), 0.0))
    u, weight = _halves(np.zeros(1), s1)
    u, weight = u[0], weight[0] * phi(u[0])
    if rest == 0:
        return float(weight @ phi(u * np.copysign(s2 / s1, k)))
    v, inner = _halves(k / q1 * u, s2 * rest)
    return float(weight @ (inner * phi(v)).sum(axis=1))


def kernels(network: Network, x: NDArray[np.float64], z: NDArray[np.float64]) -> tuple[float, float]:
    """Return nngp and ntk between two inputs, layer by layer."""
    phi = activation(network)
    weight, bias = network.weight_std**2, network.bias_std**2
    q1, q2, k = (weight * float(a @ b) / len(x) + bias for a, b in ((x, x), (z, z), (x, z)))
    ntk = k
    for _ in range(network.depth):
        response = weight * expectation(phi.slope, q1, q2, k)
        q1, q2, k = (
            weight * expectation(phi.value, *pair) + bias for pair in ((q1, q1, q1), (q2, q2, q2), (q1, q2, k))
        )
        ntk = k + response * ntk
    return k, ntk


def _halves(mean: NDArray[np.float64], deviation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights, (n, nodes), of N(mean, deviation^2) on both sides of zero, for each mean (n,)."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    low, high = mean - _REACH * deviation, mean + _REACH * deviation
    nodes, weights = [], []
    for start, end in ((np.minimum(low, 0.0), np.minimum(high, 0.0)), (np.maximum(low, 0.0), np.maximum(high, 0.0))):
        half = 0.5 * (end - start)[:, None]
        at = start[:, None] + half * (node + 1)
        density = np.exp(-0.5 * ((at - mean[:, None]) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
        nodes.append(at)
        weights.append(half * weight * density)
    return np.concatenate(nodes, axis=1), np.concatenate(weights, axis=1)


def _polynomial(coefficients: list[float]) -> Activation:
    found = np.polynomial.Polynomial(coefficients)
    return Activation(found, found.deriv())


def _hermite(degree: int) -> Activation:
    found = np.polynomial.HermiteE.basis(degree) / np.sqrt(scipy.special.factorial(degree))
    return Activation(found, found.deriv())


def _rectified(degree: int) -> Activation:
    return Activation(
        lambda x: (x > 0) * x**degree,
        lambda x: degree * (x > 0) * x ** max(degree - 1, 0),
    )


def _normal_density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def _rbf(gamma: float) -> Activation:
    scale = np.sqrt(2 * gamma)
    return Activation(
        lambda x: np.sqrt(2) * np.sin(scale * x + np.pi / 4),
        lambda x: np.sqrt(2) * scale * np.cos(scale * x + np.pi / 4),
    )


_ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "relu": lambda: _rectified(1),
    "leaky_relu": lambda slope: Activation(
        lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope)
    ),
    "abs": lambda: Activation(np.abs, np.sign),
    "step": lambda: _rectified(0),
    "rectified_monomial": _rectified,
    "identity": lambda: _polynomial([0.0, 1.0]),
    "monomial": lambda degree: _polynomial([0.0] * degree + [1.0]),
    "polynomial": _polynomial,
    "hermite": _hermite,
    "erf": lambda: Activation(scipy.special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "erf_sigmoid": lambda: Activation(
        lambda x: 0.5 * (1 + scipy.special.erf(_CONSTANT * x)),
        lambda x: _CONSTANT / np.sqrt(np.pi) * np.exp(-((_CONSTANT * x) ** 2)),
    ),
    "gelu": lambda: Activation(
        lambda x: x * scipy.special.ndtr(x), lambda x: scipy.special.ndtr(x) + x * _normal_density(x)
    ),
    "sin": lambda: Activation(np.sin, np.cos),
    "cos": lambda: Activation(np.cos, lambda x: -np.sin(x)),
    "rbf": _rbf,
    "exp": lambda: Activation(np.exp, np.exp),
    "gaussian": lambda: Activation(lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "tanh": lambda: Activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
