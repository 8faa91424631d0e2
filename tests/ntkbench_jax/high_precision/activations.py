"""Activations with closed-form dual functions, in as many digits as mpmath is set to.

Each is derived here from the bivariate normal ``(u, v) ~ N(0, [[p, k], [k, q]])`` by one of three routes, without a
look at the package under test: Wick's theorem (polynomials), tilting the Gaussian by an exponential (erf, gaussian,
gelu, sin, cos, rbf, exp) and Price's theorem ``d/dk E[f(u) g(v)] = E[f'(u) g'(v)]`` (piecewise homogeneous ones).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mpmath import binomial, factorial, mp, mpf, sqrt

Scalar = Callable[[mpf], mpf]
LARGEST_EXPONENT = mpf(10) ** 30  # beyond it exp is capped, far outside float64, so that signs still come out right


@dataclass(frozen=True)
class ClosedForm:
    """``duals(p, q, k)`` is E[phi(u) phi(v)] and E[phi'(u) phi'(v)]; ``degree`` is that of a homogeneous phi."""

    function: Scalar
    derivative: Scalar
    duals: Callable[[mpf, mpf, mpf], tuple[mpf, mpf]]
    degree: int | None = None


def exponential(x: mpf) -> mpf:
    return mp.exp(max(-LARGEST_EXPONENT, min(LARGEST_EXPONENT, x)))


# -- piecewise homogeneous ---------------------------------------------------------------------------------------------


def half_lines(n: int, p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
    """E[u_+^n v_+^n] and E[u_+^n (-v)_+^n], with ``0^0 = 0`` here.

    With t the angle between the points and c its cosine the first is ``(pq)^(n/2) / 2 pi (P_n sin t + Q_n (pi - t))``;
    Price's theorem gives ``Q_n' = n^2 Q_{n-1}`` and ``(1 - c^2) P_n' - c P_n + Q_n = n^2 (1 - c^2) P_{n-1}``.
    """
    norm = sqrt(p * q)
    if norm == 0:
        return mpf(0), mpf(0)
    opposite = sqrt(max(p * q - k * k, mpf(0)))
    theta, supplement = mp.atan2(opposite, k), mp.atan2(opposite, -k)
    c, s = k / norm, opposite / norm
    P, Q = {  # P_n has the parity of n - 1, Q_n that of n
        0: (mpf(0), mpf(1)),
        1: (mpf(1), c),
        2: (3 * c, 1 + 2 * c * c),
        3: (4 + 11 * c * c, 9 * c + 6 * c**3),
    }[n]
    factor, parity = norm**n / (2 * mp.pi), (-1) ** n
    return factor * (P * s + Q * supplement), parity * factor * (Q * theta - P * s)


def two_slopes(right: mpf, left: mpf) -> ClosedForm:
    """phi(x) = right * x for x > 0, left * x for x < 0."""
    same, across = right * right + left * left, 2 * right * left

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        (value, value_across), (slope, slope_across) = half_lines(1, p, q, k), half_lines(0, p, q, k)
        return same * value - across * value_across, same * slope + across * slope_across

    return ClosedForm(lambda x: right * x if x > 0 else left * x, lambda x: right if x > 0 else left, duals, degree=1)


def rectified_monomial(degree: int = 2) -> ClosedForm:
    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        slope = degree**2 * half_lines(degree - 1, p, q, k)[0] if degree else mpf(0)
        return half_lines(degree, p, q, k)[0], slope

    return ClosedForm(
        lambda x: x**degree if x > 0 else mpf(0),
        lambda x: degree * x ** (degree - 1) if x > 0 and degree else mpf(0),
        duals,
        degree=degree,
    )


# -- polynomials -------------------------------------------------------------------------------------------------------


def moment(a: int, b: int, p: mpf, q: mpf, k: mpf) -> mpf:
    """E[u^a v^b] by Wick: m pairs (u, v), the others within u and within v."""
    if (a + b) % 2:
        return mpf(0)
    total = mpf(0)
    for m in range(a % 2, min(a, b) + 1, 2):
        i, j = (a - m) // 2, (b - m) // 2
        pairings = factorial(a) * factorial(b) / (factorial(m) * factorial(i) * factorial(j) * 2 ** (i + j))
        total += pairings * p**i * q**j * k**m
    return total


def polynomial(coefficients: list[float]) -> ClosedForm:
    """The coefficients ascend; each is taken exactly."""
    c = [mpf(value) for value in coefficients]
    d = [i * value for i, value in enumerate(c)][1:]

    def expectation(f: list[mpf], p: mpf, q: mpf, k: mpf) -> mpf:
        return mp.fsum(a * b * moment(i, j, p, q, k) for i, a in enumerate(f) if a for j, b in enumerate(f) if b)

    return ClosedForm(
        lambda x: mp.polyval(c[::-1], x),
        lambda x: mp.polyval(d[::-1], x) if d else mpf(0),
        lambda p, q, k: (expectation(c, p, q, k), expectation(d, p, q, k)),
    )


def monomial(degree: int = 3) -> ClosedForm:
    return polynomial([0.0] * degree + [1.0])


def hermite(degree: int = 3) -> ClosedForm:
    """He_d(x) / sqrt(d!), He_d the probabilists' polynomial: E[he_j(x) he_k(x)] = 1 if j = k else 0, x ~ N(0, 1)."""
    c = [mpf(0)] * (degree + 1)
    for i in range(degree // 2 + 1):
        c[degree - 2 * i] = (
            (-1) ** i * binomial(degree, 2 * i) * factorial(2 * i) / (factorial(i) * 2**i) / sqrt(factorial(degree))
        )
    return polynomial(c)


# -- entire functions under an exponential tilt ------------------------------------------------------------------------


def normal_cdf_like(scale: mpf) -> ClosedForm:
    """erf(scale x): the arcsine law of a threshold of correlated normals, and a Gaussian integral."""

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        p, q, k = (2 * scale * scale * value for value in (p, q, k))
        determinant = 1 + p + q + (p * q - k * k)
        value = 2 / mp.pi * mp.atan2(k, sqrt(determinant))
        return value, 4 * scale * scale / mp.pi / sqrt(determinant)

    return ClosedForm(
        lambda x: mp.erf(scale * x), lambda x: 2 * scale / sqrt(mp.pi) * mp.exp(-((scale * x) ** 2)), duals
    )


def erf_sigmoid() -> ClosedForm:
    inner = normal_cdf_like(1 / mpf(2.4020563531719796))

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        value, slope = inner.duals(p, q, k)
        return (1 + value) / 4, slope / 4

    return ClosedForm(lambda x: (1 + inner.function(x)) / 2, lambda x: inner.derivative(x) / 2, duals)


def gelu() -> ClosedForm:
    """x Phi(x): Stein's lemma twice reduces E[uv Phi(u) Phi(v)] to the orthant probability and E[phi(u) phi(v)]."""

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        determinant = 1 + p + q + (p * q - k * k)
        densities = 1 / (2 * mp.pi * sqrt(determinant))
        both_above = mpf(1) / 4 + mp.atan2(k, sqrt(determinant)) / (2 * mp.pi)
        inverses = 1 / (1 + p) + 1 / (1 + q)
        value = k * both_above + densities * (p * q - k * k + k * k * inverses)
        return value, both_above + densities * k * (inverses + 1 / determinant)

    return ClosedForm(lambda x: x * mp.ncdf(x), lambda x: mp.ncdf(x) + x * mp.npdf(x), duals)


def sin() -> ClosedForm:
    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        damping = mp.exp(-(p + q) / 2)
        return damping * mp.sinh(k), damping * mp.cosh(k)

    return ClosedForm(mp.sin, mp.cos, duals)


def cos() -> ClosedForm:
    return ClosedForm(mp.cos, lambda x: -mp.sin(x), lambda p, q, k: sin().duals(p, q, k)[::-1])


def rbf(gamma: float = 1.0) -> ClosedForm:
    """sqrt(2) sin(sqrt(2 gamma) x + pi / 4) = sin + cos of sqrt(2 gamma) x: the terms in u + v cancel."""
    rate = sqrt(2 * mpf(gamma))

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        value = mp.exp(-mpf(gamma) * (p + q - 2 * k))
        return value, 2 * mpf(gamma) * value

    return ClosedForm(
        lambda x: mp.sin(rate * x) + mp.cos(rate * x), lambda x: rate * (mp.cos(rate * x) - mp.sin(rate * x)), duals
    )


def exp() -> ClosedForm:
    return ClosedForm(mp.exp, mp.exp, lambda p, q, k: (exponential((p + q) / 2 + k),) * 2)


def gaussian() -> ClosedForm:
    """exp(-x^2)."""

    def duals(p: mpf, q: mpf, k: mpf) -> tuple[mpf, mpf]:
        determinant = 1 + 2 * (p + q) + 4 * (p * q - k * k)
        return 1 / sqrt(determinant), 4 * k / sqrt(determinant) ** 3

    return ClosedForm(lambda x: mp.exp(-x * x), lambda x: -2 * x * mp.exp(-x * x), duals)


CLOSED_FORMS: dict[str, Callable[..., ClosedForm]] = {
    "relu": lambda: two_slopes(mpf(1), mpf(0)),
    "leaky_relu": lambda slope=0.01: two_slopes(mpf(1), mpf(slope)),
    "abs": lambda: two_slopes(mpf(1), mpf(-1)),
    "step": lambda: rectified_monomial(0),
    "rectified_monomial": rectified_monomial,
    "identity": lambda: polynomial([0.0, 1.0]),
    "monomial": monomial,
    "polynomial": polynomial,
    "hermite": hermite,
    "erf": lambda: normal_cdf_like(mpf(1)),
    "erf_sigmoid": erf_sigmoid,
    "gelu": gelu,
    "sin": sin,
    "cos": cos,
    "rbf": rbf,
    "exp": exp,
    "gaussian": gaussian,
}


def name_and_arguments(spec: str) -> tuple[str, dict[str, object]]:
    """``"leaky_relu(slope=0.1)"`` is ``("leaky_relu", {"slope": 0.1})``."""
    node = ast.parse(spec, mode="eval").body
    if isinstance(node, ast.Call):
        return ast.unparse(node.func), {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    return ast.unparse(node), {}


@cache
def _closed_form(spec: str, digits: int) -> ClosedForm:
    name, arguments = name_and_arguments(spec)
    with mp.workdps(digits):
        return CLOSED_FORMS[name](**arguments)


def closed_form(spec: str) -> ClosedForm:
    """The activation that a string names, its constants to the digits now set."""
    return _closed_form(spec, mp.dps)
