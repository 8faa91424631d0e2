"""The judge where two implementations differ: closed forms in 60 digits, layer by layer, for one pair of inputs.

Sources: Cho and Saul 2009 (rectified monomials), Williams 1997 (erf, Gaussian), Tsuchida et al. 2021 (gelu), Mehler's
formula (polynomials), the Gaussian's characteristic function (sin, cos, exp). Written independently of ntkbench's own;
each is checked here against :mod:`.quadrature` before it judges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mpmath as mp
import numpy as np

from . import quadrature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .cases import Network

Number = Any  # mpmath's numbers carry no types
Closed = Callable[[Number, Number, Number], tuple[Number, Number]]  # q1, q2, k to E[phi phi], E[phi' phi']
_DIGITS = 60
_CHECK = 1e-10  # the quadrature's own error is below it


def kernels(network: Network, x: NDArray[np.float64], z: NDArray[np.float64]) -> tuple[Number, Number]:
    """Return nngp and ntk between two inputs."""
    with mp.workdps(_DIGITS):
        closed = _CLOSED_FORMS[network.activation](**network.parameters)
        weight, bias = mp.mpf(network.weight_std) ** 2, mp.mpf(network.bias_std) ** 2
        first, second = ([mp.mpf(float(value)) for value in point] for point in (x, z))
        q1, q2, k = (
            weight * mp.fdot(a, b) / len(x) + bias for a, b in ((first, first), (second, second), (first, second))
        )
        ntk = k
        for _ in range(network.depth):
            value, response = closed(q1, q2, k)
            q1, q2 = (weight * closed(q, q, q)[0] + bias for q in (q1, q2))
            k = weight * value + bias
            ntk = k + weight * response * ntk
        return k, ntk


def check(network: Network) -> None:
    """Compare an activation's closed forms with a quadrature.

    :raises AssertionError: if they differ: the reference is wrong and must not judge.
    """
    for q1, q2, c in ((1.0, 1.0, 0.3), (0.5, 1.7, -0.8), (1.3, 0.2, 0.95)):
        k = c * (q1 * q2) ** 0.5
        for found, phi in zip(
            _CLOSED_FORMS[network.activation](**network.parameters)(*map(mp.mpf, (q1, q2, k))),
            quadrature.activation(network),
            strict=True,
        ):
            expected = quadrature.expectation(phi, q1, q2, k)
            assert abs(found - expected) <= _CHECK * max(1.0, abs(expected)), (network, q1, q2, k, found, expected)


def _angle(q1: Number, q2: Number, k: Number) -> Number:
    return mp.acos(max(min(k / mp.sqrt(q1 * q2), mp.mpf(1)), mp.mpf(-1)))


def _cho_saul(degree: int, theta: Number) -> Number:
    """Return J_n(theta), by ``J_0 = pi - theta`` and (CS09, eqs. 5-7) written out to n = 3."""
    sine, cosine, rest = mp.sin(theta), mp.cos(theta), mp.pi - theta
    return (
        rest,
        sine + rest * cosine,
        3 * sine * cosine + rest * (1 + 2 * cosine**2),
        sine * (4 * sine**2 + 15 * cosine**2) + rest * cosine * (9 + 6 * cosine**2),
    )[degree]


def _rectified(degree: int) -> Closed:
    def closed(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
        theta, scale = _angle(q1, q2, k), mp.sqrt(q1 * q2)
        value = scale**degree * _cho_saul(degree, theta) / (2 * mp.pi)
        if degree == 0:
            return value, mp.mpf(0)
        return value, degree**2 * scale ** (degree - 1) * _cho_saul(degree - 1, theta) / (2 * mp.pi)

    return closed


def _leaky(slope: float) -> Closed:
    s = mp.mpf(slope)

    def closed(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
        value, response = _rectified(1)(q1, q2, k)
        return s * k + (1 - s) ** 2 * value, s + (1 - s) ** 2 * response

    return closed


def _polynomial(coefficients: list[float]) -> Closed:
    values = [mp.mpf(c) for c in coefficients]
    slopes = [m * c for m, c in enumerate(values)][1:]

    def hermite(polynomial: list[Number], q: Number) -> list[Number]:
        """Return ``E[p(sqrt(q) x) h_j(x)]``, from ``E[x^m h_j] = m! / (2^i i! sqrt(j!))`` with 2i = m - j."""
        return [
            mp.fsum(
                c * mp.sqrt(q) ** m * mp.factorial(m) / (2**i * mp.factorial(i) * mp.sqrt(mp.factorial(j)))
                for m, c in enumerate(polynomial)
                if m >= j and (m - j) % 2 == 0
                for i in [(m - j) // 2]
            )
            for j in range(len(polynomial))
        ]

    def closed(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
        c = k / mp.sqrt(q1 * q2)
        found = [
            mp.fsum(a * b * c**j for j, (a, b) in enumerate(zip(hermite(p, q1), hermite(p, q2), strict=True)))
            for p in (values, slopes)
        ]
        return found[0], found[1]

    return closed


def _hermite(degree: int) -> Closed:
    coefficients = np.polynomial.hermite_e.herme2poly([0] * degree + [1])  # whole numbers
    plain = _polynomial([float(c) for c in coefficients])

    def closed(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
        value, response = plain(q1, q2, k)
        return value / mp.factorial(degree), response / mp.factorial(degree)

    return closed


def _erf(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    product = (1 + 2 * q1) * (1 + 2 * q2)
    return 2 / mp.pi * mp.asin(2 * k / mp.sqrt(product)), 4 / mp.pi / mp.sqrt(product - 4 * k * k)


def _erf_sigmoid(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    squared = 1 / mp.mpf(2.4020563531719796) ** 2
    value, response = _erf(squared * q1, squared * q2, squared * k)
    return (1 + value) / 4, squared / 4 * response


def _gelu(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    plus, product = (1 + q1) * (1 + q2), q1 * q2
    squared = plus - k * k
    delta = mp.sqrt(squared)
    angle = mp.atan2(k, delta)
    value = ((k * k + product * squared) / (plus * delta) + k * angle) / (2 * mp.pi) + k / 4
    response = k / (2 * mp.pi * delta) * (1 / squared + (1 - product) / plus + 1) + angle / (2 * mp.pi)
    return value, response + mp.mpf(1) / 4


def _sin(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    damping = mp.exp(-(q1 + q2) / 2)
    return damping * mp.sinh(k), damping * mp.cosh(k)


def _rbf(gamma: float) -> Closed:
    g = mp.mpf(gamma)

    def closed(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
        value = mp.exp(-g * (q1 + q2 - 2 * k))
        return value, 2 * g * value

    return closed


def _exp(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    value = mp.exp((q1 + q2) / 2 + k)
    return value, value


def _gaussian(q1: Number, q2: Number, k: Number) -> tuple[Number, Number]:
    determinant = (1 + 2 * q1) * (1 + 2 * q2) - 4 * k * k
    return 1 / mp.sqrt(determinant), 4 * k / determinant ** mp.mpf(1.5)


_CLOSED_FORMS: dict[str, Callable[..., Closed]] = {
    "relu": lambda: _rectified(1),
    "leaky_relu": _leaky,
    "abs": lambda: _leaky(-1.0),
    "step": lambda: _rectified(0),
    "rectified_monomial": _rectified,
    "identity": lambda: _polynomial([0.0, 1.0]),
    "monomial": lambda degree: _polynomial([0.0] * degree + [1.0]),
    "polynomial": _polynomial,
    "hermite": _hermite,
    "erf": lambda: _erf,
    "erf_sigmoid": lambda: _erf_sigmoid,
    "gelu": lambda: _gelu,
    "sin": lambda: _sin,
    "cos": lambda: lambda q1, q2, k: _sin(q1, q2, k)[::-1],
    "rbf": _rbf,
    "exp": lambda: _exp,
    "gaussian": lambda: _gaussian,
}
