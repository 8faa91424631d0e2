"""The bound of the errors that a fitted law makes, against such errors worked out by hand or in 40 digits."""

from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from high_precision.activations import closed_form

from ntkbench.architecture.nodes import Architecture
from ntkbench_jax.dual_activations.catalogue import find_law
from ntkbench_jax.kernels.analytic import enable_x64
from ntkbench_jax.kernels.layer_statistics import _Errors, _grown, _Response, _response, trace

MISSED = 1e-6


@dataclass
class Point:
    """K and Theta of one point with itself, and what they are with expectations that are off."""

    covariance: float
    tangent: float
    wrong_covariance: float
    wrong_tangent: float

    def error(self):
        """Of both kernels, relative to the product of deviations."""
        return (
            abs(self.wrong_covariance - self.covariance) / self.covariance,
            abs(self.wrong_tangent - self.tangent) / self.covariance,
        )


def relu_layer(point, weight_std, bias_std, off):
    """E[phi^2] = K / 2 and E[phi'^2] = 1 / 2, both off by so much of themselves."""
    value, slope = 1 + off[0] * MISSED, 1 + off[1] * MISSED
    w, b = weight_std**2, bias_std**2
    covariance, wrong = w * point.covariance / 2 + b, w * point.wrong_covariance / 2 * value + b
    return Point(
        covariance,
        covariance + w * point.tangent / 2,
        wrong,
        wrong + w * point.wrong_tangent / 2 * slope,
    )


@dataclass
class Nearly:
    """An activation's law as one that says it may be off."""

    activation: str

    def resolved(self, deviations):
        return find_law(self.activation), MISSED


def within(depth, weight_std, bias_std, rms, activation="relu"):
    """Return the bound that is told for an activation's law that may be off by ``MISSED``."""
    architecture = Architecture(depth=depth, weight_std=weight_std, bias_std=bias_std)
    with enable_x64(True):
        return trace(np.array([rms]), Nearly(activation), architecture)[2]


@pytest.mark.parametrize("rms", [1e-3, 1.0, 1e2, 1e6])
@pytest.mark.parametrize("depth", [1, 3, 30])
@pytest.mark.parametrize(("weight_std", "bias_std"), [(2**0.5, 0.0), (2**0.5, 1.0), (1.0, 1.0), (0.5, 0.1), (3.0, 1.0)])
def test_errors_of_both_kernels_are_within_the_bound_and_reach_a_fifth_of_it(weight_std, bias_std, depth, rms):
    worst = 0.0
    for off in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        first = weight_std**2 * rms**2 + bias_std**2
        point = Point(first, first, first, first)
        for _ in range(depth):
            point = relu_layer(point, weight_std, bias_std, off)
        worst = max(worst, *point.error())
    bound = within(depth, weight_std, bias_std, rms)
    assert bound / 5 <= worst <= bound * (1 + 1e-3)  # errors of second order beside


def affine_layers(depth, weight_std, bias_std, slope, constant):
    """Return the bounds that are carried through layers of phi(u) = slope u + constant, and the errors themselves.

    From K = Theta = 1; E[phi phi] = slope^2 K + constant^2 and E[phi' phi'] = slope^2 are too large by ``MISSED`` of
    themselves in all layers, so that no error cancels another. In 40 digits, so that none is rounding.
    """
    with mpmath.workdps(40):
        w, b, s, c = (mpmath.mpf(part) ** 2 for part in (weight_std, bias_std, slope, constant))
        more = 1 + mpmath.mpf(MISSED)
        point, told = Point(*[mpmath.mpf(1)] * 4), _Errors()
        for _ in range(depth):
            covariance = w * (s * point.covariance + c) + b
            wrong = w * (s * point.wrong_covariance + c) * more + b
            gain, root = w * s * point.covariance / covariance, point.tangent / point.covariance
            roots = (np.array([float(mpmath.sqrt(part))]) for part in (gain, root))
            told = _grown(told, MISSED, *roots, _Response(float(gain), 0.0, 0.0, 0.0))
            point = Point(
                covariance, covariance + w * s * point.tangent, wrong, wrong + w * s * more * point.wrong_tangent
            )
        return np.array(told[1:]), np.array([float(error) for error in point.error()])


@pytest.mark.parametrize("depth", [1, 2, 5, 12])
@pytest.mark.parametrize(("weight_std", "slope", "constant"), [(1.0, 1.0, 0.0), (1.7, 0.4, 0.5), (0.3, 2.5, 0.2)])
def test_where_no_error_cancels_another_the_bound_is_the_error(depth, weight_std, slope, constant):
    told, errors = affine_layers(depth, weight_std, 0.0, slope, constant)
    np.testing.assert_allclose(told, errors, rtol=4 * depth * MISSED)  # errors of second order beside


def test_a_bias_has_no_error_and_the_bound_is_larger():
    told, errors = affine_layers(5, 1.7, 1.0, 0.4, 0.5)
    assert (errors < told).all() and (told < 3 * errors).all()


LINEAR = _Response(1.0, 0.0, 0.0, 0.0)


def test_the_largest_of_all_points_decides_and_a_point_that_is_nothing_does_not():
    errors = _Errors(1e-9, 2e-9, 3e-9)
    alone = _grown(errors, 1e-9, np.array([2.0]), np.array([3.0]), LINEAR)
    assert _grown(errors, 1e-9, np.array([0.5, 2.0, np.nan]), np.array([3.0, 1.0, 0.0]), LINEAR) == alone


def test_bounds_of_what_has_overflowed_of_no_points_and_of_closed_forms():
    errors, infinite, none = _Errors(1e-9, 2e-9, 3e-9), np.array([np.inf]), np.empty(0)
    assert _grown(errors, 1e-9, infinite, np.ones(1), LINEAR) == (2e-9, np.inf, np.inf)
    assert _grown(errors, 1e-9, none, none, _Response(0.0, 0.0, 0.0, 0.0)) == (1e-9, 1e-9, 1e-9)
    assert _grown(_Errors(), 0.0, infinite, infinite, _Response(*[np.inf] * 4)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("activation", "deviation", "exact"),
    [  # d log K' / d log K, E[phi phi''] K / E[phi^2], E[phi''^2] K / E[phi'^2] and the slope's rest
        ("monomial(degree=3)", 0.7, (3.0, 6 / 5, 4 / 3, 2 / 3)),
        ("relu", 3.0, (1.0, 0.0, 0.0, 0.0)),
        ("gaussian", 0.5, (-1 / 4, -3 / 8, 1 + 3 / 8, 1 - 3 / 4 - 11 / 8)),
        ("sin", 1e-3, (1.0, 0.0, 0.0, 0.0)),
    ],
)
def test_the_response_of_a_layer(activation, deviation, exact):
    with enable_x64(True):
        found = _response(find_law(activation), np.array([deviation]), 1.3, 0.0)
    np.testing.assert_allclose(found, np.abs(exact), rtol=1e-6, atol=3e-6)


@pytest.mark.parametrize("deviations", [[], [0.0], [0.0, np.inf], [1e-200, 1e200]])
def test_the_response_of_points_out_of_range(deviations):
    with enable_x64(True):
        assert np.isfinite(_response(find_law("monomial(degree=3)"), np.array(deviations), 1.3, 0.0)).all()


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_errors_of_a_curved_activation_are_within_the_bound(depth):
    """Of phi(u) = u^2, E[phi^2] = 3 K^2 and E[phi'^2] = 4 K; K = 3 in all layers at weight_std^2 = 1 / 9."""
    first, w = 3.0, 1 / 9
    point = Point(first, first, first, first)
    for _ in range(depth):
        covariance, wrong = 3 * w * point.covariance**2, 3 * w * point.wrong_covariance**2 * (1 + MISSED)
        tangent = covariance + 4 * w * point.covariance * point.tangent
        wrong_tangent = wrong + 4 * w * point.wrong_covariance * (1 + MISSED) * point.wrong_tangent
        point = Point(covariance, tangent, wrong, wrong_tangent)
    bound = within(depth, w**0.5, 0.0, (first / w) ** 0.5, "monomial(degree=2)")
    assert max(point.error()) <= bound * (1 + 1e-3)


def layers_of_two_points(activation, depth, weight_std, bias_std, inputs, off):
    """K(x,x), K(y,y), K(x,y) and the same of Theta; ``off`` are relative errors of E[phi phi] of each, E[phi' phi']."""
    w, b, duals = mpmath.mpf(weight_std) ** 2, mpmath.mpf(bias_std) ** 2, closed_form(activation).duals
    K = [w * value + b for value in inputs]
    T = list(K)
    for _ in range(depth):
        p, q, k = K
        found = [duals(p, p, p), duals(q, q, q), duals(p, q, k)]
        scale = [found[0][0], found[1][0], mpmath.sqrt(found[0][0] * found[1][0])]
        steep = [found[0][1], found[1][1], mpmath.sqrt(found[0][1] * found[1][1])]
        K = [w * (found[i][0] + off[i] * MISSED * scale[i]) + b for i in range(3)]
        T = [K[i] + w * T[i] * (found[i][1] + off[3] * MISSED * steep[i]) for i in range(3)]
    return K, T


@pytest.mark.parametrize("depth", [1, 3, 8])
@pytest.mark.parametrize(
    ("activation", "weight_std", "bias_std"),
    [("sin", 1.3, 0.3), ("cos", 1.2, 0.2), ("erf", 1.5, 0.1), ("gaussian", 1.4, 0.5), ("gelu", 1.9, 0.1)],
)
@pytest.mark.parametrize("cosine", [0.99, 0.3, -0.8])
def test_errors_of_points_and_pairs_of_curved_activations_are_within_the_bound(
    activation, weight_std, bias_std, depth, cosine
):
    """Whatever the signs of errors, so that of x with itself and with y may not cancel."""
    first, second = 1.1, 0.6
    with mpmath.workdps(40):
        inputs = [mpmath.mpf(value) for value in (first**2, second**2, first * second * cosine)]
        exact = layers_of_two_points(activation, depth, weight_std, bias_std, inputs, (0, 0, 0, 0))
        worst = 0.0
        for off in ((1, 1, 1, 1), (1, 1, -1, 1), (-1, 1, 1, -1), (-1, -1, 1, 1), (1, 1, -1, -1)):
            wrong = layers_of_two_points(activation, depth, weight_std, bias_std, inputs, off)
            (p, q, _), scale = exact[0], mpmath.sqrt(exact[0][0] * exact[0][1])
            for found, known in zip(wrong, exact, strict=True):
                for i, own in enumerate((p, q, scale)):
                    worst = max(worst, float(abs(found[i] - known[i]) / own))
    architecture = Architecture(depth=depth, weight_std=weight_std, bias_std=bias_std)
    with enable_x64(True):
        bound = trace(np.array([first, second]), Nearly(activation), architecture)[2]
    assert worst <= bound * (1 + 1e-3)
    assert worst > bound / 50
