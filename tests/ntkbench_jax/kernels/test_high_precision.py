"""The reference itself: each closed form against quadrature over the plane, the recursion against what it must give."""

from functools import lru_cache

import numpy as np
import pytest
from grids import exhaustive
from high_precision import SHORT, all_pairs, condition, coordinate_condition, entries, quadrature, reference, regimes
from high_precision.activations import closed_form
from mpmath import mp, mpf, nsum, quad, sqrt

DIGITS = 30
COVARIANCES = [("1.3", "0.7", "0.4"), ("0.5", "1.5", "-0.7"), ("1", "1", "0.9")]
ONE_OR_ALL = [COVARIANCES[1], *(pytest.param(each, marks=pytest.mark.exhaustive) for each in COVARIANCES[::2])]
KINKED = [name for name in regimes.CLOSED_FORM if closed_form(name).degree is not None]
ENTIRE = [name for name in regimes.CLOSED_FORM if name not in KINKED]


@lru_cache
def density(covariance):
    """The trapezoidal rule over the plane, which converges faster than any power for entire functions."""
    p, q, k = map(mpf, covariance)
    step, determinant = mpf(1) / 6, p * q - k * k
    u, v = ([i * step for i in range(int(-12 * sqrt(var) / step), int(12 * sqrt(var) / step) + 1)] for var in (p, q))
    left = [mp.exp(-q * a * a / (2 * determinant)) * step / (2 * mp.pi) for a in u]
    right = [mp.exp(-p * b * b / (2 * determinant)) * step / sqrt(determinant) for b in v]
    weights = []
    for a, outer in zip(u, left, strict=True):
        ratio = mp.exp(k * a * step / determinant)
        power, row = mp.exp(k * a * v[0] / determinant), []
        for inner in right:
            row.append(outer * inner * power)
            power *= ratio
        weights.append(row)
    return u, v, weights


def over_the_plane(function, covariance):
    u, v, weights = density(covariance)
    g = [function(b) for b in v]
    return mp.fsum(function(a) * mp.fdot(row, g) for a, row in zip(u, weights, strict=True))


def over_the_angle(function, degree, p, q, k):
    """For a function homogeneous of this degree: r separates, and the angle is cut where u or v is 0."""
    angle = mp.atan2(sqrt(p * q - k * k), k)
    cuts = sorted([-mp.pi / 2, mp.pi / 2, angle - mp.pi / 2, angle + mp.pi / 2, 3 * mp.pi / 2])
    radial = quad(lambda r: r ** (2 * degree + 1) * mp.exp(-r * r / 2), [0, 4, 8, 20])
    around = quad(lambda t: function(sqrt(p) * mp.cos(t)) * function(sqrt(q) * mp.cos(t - angle)), cuts)
    return radial * around / (2 * mp.pi)


@pytest.mark.parametrize("covariance", ONE_OR_ALL)
@pytest.mark.parametrize("name", KINKED)
def test_piecewise_homogeneous_closed_forms(name, covariance):
    with mp.workdps(DIGITS):
        activation, (p, q, k) = closed_form(name), map(mpf, covariance)
        value, slope = activation.duals(p, q, k)
        assert abs(value - over_the_angle(activation.function, activation.degree, p, q, k)) < 1e-20
        expected = over_the_angle(activation.derivative, activation.degree - 1, p, q, k) if activation.degree else 0
        assert abs(slope - expected) < 1e-20


@pytest.mark.parametrize("covariance", ONE_OR_ALL)
@pytest.mark.parametrize("name", ENTIRE)
def test_entire_closed_forms(name, covariance):
    with mp.workdps(DIGITS):
        activation = closed_form(name)
        value, slope = activation.duals(*map(mpf, covariance))
        assert abs(value - over_the_plane(activation.function, covariance)) < 1e-20 * max(1, abs(value))
        assert abs(slope - over_the_plane(activation.derivative, covariance)) < 1e-20 * max(1, abs(slope))


@pytest.mark.parametrize("sign", [-1, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", regimes.CLOSED_FORM)
def test_closed_forms_of_points_on_one_line(name, sign):
    """u = sqrt(p) z and v = +- sqrt(q) z: one integral over z."""
    with mp.workdps(DIGITS):
        activation, p, q = closed_form(name), mpf(1), mpf("0.25")
        found = activation.duals(p, q, sign * sqrt(p * q))
        for value, function in zip(found, (activation.function, activation.derivative), strict=True):

            def integrand(z, f=function):
                return f(sqrt(p) * z) * f(sign * sqrt(q) * z) * mp.npdf(z)

            expected = quad(integrand, [-16, -8, -4, 0]) + quad(integrand, [0, 4, 8, 16])
            assert abs(value - expected) < 1e-20 * max(1, abs(value))


@pytest.mark.parametrize("covariance", ONE_OR_ALL)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "silu", "softplus"])
def test_quadrature_of_analytic_activations(name, covariance):
    """Against the trapezoidal rule in mpmath, whose step is far below the distance of the poles from the line."""
    functions = {
        "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2),
        "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), lambda x: 1 / (2 + 2 * mp.cosh(x))),
        "silu": (
            lambda x: x / (1 + mp.exp(-x)),
            lambda x: 1 / (1 + mp.exp(-x)) + x / (2 + 2 * mp.cosh(x)),
        ),
        "softplus": (lambda x: mp.log(1 + mp.exp(x)), lambda x: 1 / (1 + mp.exp(-x))),
    }[name]
    with mp.workdps(DIGITS):
        found = quadrature.expectations(name, layer(*map(mpf, covariance)), 32)[2:]
        for value, function in zip(found, functions, strict=True):
            assert abs(mp.convert(value) - over_the_plane(function, covariance)) < 3e-18


@pytest.mark.parametrize(
    ("name", "function", "derivative"),
    [
        ("elu", lambda x: x if x > 0 else mp.expm1(x), lambda x: mpf(1) if x > 0 else mp.exp(x)),
        ("softsign", lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    ],
)
def test_quadrature_of_activations_with_a_kink(name, function, derivative):
    """Quadrant by quadrant in mpmath, for independent u and v: a product of integrals over a line."""
    with mp.workdps(DIGITS):
        p, q = mpf("1.3"), mpf("0.7")
        found = quadrature.expectations(name, layer(p, q, mpf(0)), 32)[2:]
        for value, f in zip(found, (function, derivative), strict=True):
            means = [
                sum(quad(lambda z, s=s, f=f: f(s * z) * mp.npdf(z), ends) for ends in ([-16, -4, 0], [0, 4, 16]))
                for s in (sqrt(p), sqrt(q))
            ]
            assert abs(mp.convert(value) - means[0] * means[1]) < 1e-18


def layer(p, q, k):
    opposite = sqrt(p * q - k * k)
    values = (p, q, k, mp.atan2(opposite, k), mp.atan2(opposite, -k), p, q, k)
    return quadrature.Layer(*(quadrature.Extended(mp.nstr(value, 25)) for value in values))


@pytest.mark.parametrize(("name", "scales"), [("relu", (1.5, 0.0)), *exhaustive(("sin", (1.3, 0.1)))])
def test_the_two_references_agree(name, scales, monkeypatch):
    one = quadrature.Extended(1)
    functions = {"relu": (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, one, 0)), "sin": (np.sin, np.cos)}
    pairs = all_pairs()
    for pair in ("near 1e-07 any way", "near antipodal 1e-03 any way", "generic"):
        exact = entries(*pairs[pair], name, (2,), *scales)[2]
        with monkeypatch.context() as context:
            context.setitem(quadrature.ACTIVATIONS, name, functions[name])
            found = entries(*pairs[pair], name, (2,), *scales)[2]
        assert abs(found.nngp - exact.nngp) < 1e-17 * exact.nngp_scale
        assert abs(found.ntk - exact.ntk) < 1e-17 * exact.ntk_scale
        assert abs(found.ntk_scale - exact.ntk_scale) < 1e-17 * exact.ntk_scale


@pytest.mark.parametrize(
    "name",
    [
        *("step", "gaussian"),
        *(
            pytest.param(name, marks=pytest.mark.exhaustive)
            for name in ("relu", "rectified_monomial(degree=3)", "erf", "gelu", "sin")
        ),
    ],
)
def test_forty_digits_at_the_worst_inputs(name):
    pairs, depths = all_pairs(), (1, max(regimes.depths(name)))
    for scales in regimes.scales(name)[1::4]:
        for pair in SHORT[1::3]:
            short = entries(*pairs[pair], name, depths, *scales)
            long = entries(*pairs[pair], name, depths, *scales, digits=160)
            for depth in depths:
                assert abs(short[depth].nngp - long[depth].nngp) <= mpf("1e-40") * long[depth].nngp_scale
                assert abs(short[depth].ntk - long[depth].ntk) <= mpf("1e-40") * long[depth].ntk_scale


def test_a_linear_network():
    """K = w^2 (w^2)^depth x.y / n + b^2 sum_i (w^2)^i; without biases Theta = (depth + 1) K."""
    x, y = [1.5, -0.25, 3.0], [0.5, 2.0, 1.0]
    nngp, _ = reference(x, y, "identity", 3, 1.5, 0.5)
    weight = mpf("2.25")
    assert abs(nngp - (weight**4 * mpf("3.25") / 3 + mpf("0.25") * nsum(lambda i: weight**i, [0, 3]))) < 1e-14
    nngp, ntk = reference(x, y, "identity", 5, 1.5, 0.0)
    assert abs(ntk - 6 * nngp) < 1e-14


def test_the_diagonal_of_a_relu_network_at_criticality():
    """weight_std^2 = 2: K keeps x.x 2 / n at every depth, and Theta = (depth + 1) K up to the rounding of sqrt(2)."""
    x = [1.0, 2.0, -2.0]
    nngp, ntk = reference(x, x, "relu", 64, 2**0.5, 0.0)
    assert abs(nngp - 6) < 1e-12
    assert abs(ntk - 65 * nngp) < 1e-12


def test_the_step_has_the_tangent_kernel_of_its_last_layer():
    x, y = all_pairs()["generic"]
    nngp, ntk = reference(x, y, "step", 3, 1.5, 0.5)
    assert nngp == ntk


@pytest.mark.parametrize(
    ("name", "depth", "power"), [("monomial(degree=3)", 2, 9), ("abs", 3, 1), *exhaustive(("relu", 64, 1))]
)
def test_the_condition_of_a_homogeneous_diagonal(name, depth, power):
    """k(s x, s x) = s^(2 power) k(x, x), and so in each layer's weight_std."""
    x, degree = [1.0, 2.0, 0.5], round(power ** (1 / depth))
    expected = 2 * sum(degree**layer for layer in range(depth + 1))
    nngp, ntk = condition(x, x, name, depth, 1.2, 0.0)
    assert np.isclose(nngp, expected, rtol=1e-12)
    assert 2 * power <= ntk <= expected * (1 + 1e-12)
    assert coordinate_condition(x, x, name, depth, 1.2, 0.0)[1] >= 2 * power * (1 - 1e-12)


def test_the_condition_of_a_linear_network():
    """K = w_1^2 (w_0^2 x.y + b_0^2) + b_1^2: antipodal points of the length at which it vanishes."""
    nngp, _ = condition([1.0], [-1.0], "identity", 1, 1.0, 1.0)
    assert np.isclose(nngp, (2 * 0 + 2 + 2 + 2) / 3, rtol=1e-12)


def test_the_conditions_of_entries_that_vanish():
    assert min(coordinate_condition([1.0, 1e-3], [-1e-3, 1.0 + 1e-9], "relu", 0, 1.0, 0.0)) > 1e5
    assert coordinate_condition([1.0, 2.0], [-2.0, 1.0], "relu", 0, 1.0, 0.0) == (np.inf, np.inf)
    for numbers in (condition, coordinate_condition):
        assert numbers([0.0, 0.0], [-2.0, 1.0], "relu", 2, 1.0, 0.0) == (0, 0)
