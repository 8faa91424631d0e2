"""Where a tangent kernel is positive definite, and where singular: each rule against kernels of plain networks."""

from math import erf, pi, sqrt

import numpy as np
import pytest

from ntkbench.theory.claims import expectation
from ntkbench.theory.definiteness import definiteness
from ntkbench.theory.input_geometry import input_geometry

PHI = np.vectorize(lambda z: (1 + erf(z / sqrt(2))) / 2)
ERF = np.vectorize(erf)
QUADRATIC = "polynomial(coefficients=[0.0, 1.0, 0.5])"
ACTIVATIONS = {  # with their derivatives
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "leaky_relu(slope=-1.0)": (np.abs, np.sign),
    "rectified_monomial(degree=2)": (lambda z: np.maximum(z, 0) ** 2, lambda z: 2 * np.maximum(z, 0)),
    "step": (lambda z: 1.0 * (z > 0), np.zeros_like),
    "erf": (ERF, lambda z: 2 / sqrt(pi) * np.exp(-(z**2))),
    "cos": (np.cos, lambda z: -np.sin(z)),
    "gelu": (lambda z: z * PHI(z), lambda z: PHI(z) + z * np.exp(-(z**2) / 2) / sqrt(2 * pi)),
    "sigmoid": (lambda z: (1 + np.tanh(z / 2)) / 2, lambda z: (1 - np.tanh(z / 2) ** 2) / 4),
    "exp": (np.exp, np.exp),
    "identity": (lambda z: z, np.ones_like),
    "monomial(degree=3)": (lambda z: z**3, lambda z: 3 * z**2),
    QUADRATIC: (lambda z: z + z**2 / 2, lambda z: 1 + z),
}


def row(activation, x, depth=1, bias_std=0.1):
    """Return the columns of ``cells`` that definiteness depends on."""
    geometry = input_geometry(x)._asdict()
    return {
        "activation": activation,
        "depth": depth,
        "bias_std": bias_std,
        "n_train": len(x),
        "n_features": x.shape[1],
        **geometry,
    }


def tangent_kernel(x, activation, depth, bias_std, width=150):
    """Return the tangent kernel (N, N) of one random network with one output, by backpropagation."""
    phi, slope = ACTIVATIONS[activation]
    rng = np.random.default_rng(0)
    layers, weights, derivatives = [x], [], []
    for _ in range(depth):
        h = layers[-1]
        weights.append(rng.standard_normal((width, h.shape[1])) / sqrt(h.shape[1]))
        z = h @ weights[-1].T + bias_std * rng.standard_normal(width)
        layers.append(phi(z))
        derivatives.append(slope(z))
    weights.append(rng.standard_normal((1, layers[-1].shape[1])) / sqrt(layers[-1].shape[1]))
    signal, kernel = np.ones((len(x), 1)), 0.0
    for level in range(depth, -1, -1):
        h = layers[level]
        kernel = kernel + signal @ signal.T * (h @ h.T / h.shape[1] + bias_std**2)
        if level:
            signal = signal @ weights[level] * derivatives[level - 1]
    return kernel


def even_circle(n):
    angles = -np.pi + 2 * np.pi * (np.arange(n) + 0.5) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def gaussian(n, features=2):
    return np.random.default_rng(1).standard_normal((n, features))


def sphere(n, features=2):
    x = gaussian(n, features)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pairs(n, features=2):
    """n antipodal pairs of any norms."""
    half = gaussian(n, features)
    return np.concatenate([half, -half])


SINGULAR = [
    ("relu", even_circle(12), 1, 0.0),
    ("relu", pairs(3), 1, 0.0),
    ("gelu", pairs(3), 1, 0.0),  # its odd part is x / 2, as ReLU's
    ("rectified_monomial(degree=2)", pairs(5), 1, 0.0),  # its even part has monomials 1, x^2, x y, y^2
    ("sigmoid", pairs(2), 1, 0.0),  # its even part is 1 / 2
    ("step", pairs(2), 1, 0.0),
    ("leaky_relu(slope=-1.0)", even_circle(12), 3, 0.0),
    ("cos", np.concatenate([gaussian(4), -gaussian(1)]), 2, 0.0),  # one pair
    ("erf", even_circle(12), 3, 0.0),
    ("erf", np.concatenate([gaussian(4), -gaussian(1)]), 2, 0.0),
    ("exp", even_circle(4), 0, 0.0),  # no activation at depth 0
    ("exp", gaussian(4), 0, 0.1),
    ("identity", sphere(12), 1, 0.1),
    ("identity", gaussian(4), 3, 0.1),
    ("monomial(degree=3)", gaussian(11), 1, 0.1),  # C(5, 3) = 10
    (QUADRATIC, gaussian(7), 1, 0.1),  # C(2 + 2, 2) = 6
    (QUADRATIC, gaussian(16), 2, 0.1),  # C(2 + 4, 4) = 15
    ("relu", np.concatenate([sphere(4), sphere(1)]), 2, 0.1),  # a point twice
]
POSITIVE = [
    ("relu", even_circle(12), 1, 0.1),
    ("relu", sphere(9), 2, 0.1),
    ("relu", 7 * sphere(9, 5), 2, 0.1),
    ("erf", sphere(6), 3, 0.1),
    ("cos", even_circle(6), 1, 0.5),
    ("exp", sphere(4), 1, 0.1),
]
SILENT = [
    ("relu", pairs(2), 1, 0.0),  # as many pairs as monomials of degree 1
    ("relu", even_circle(8), 2, 0.0),
    ("relu", even_circle(9), 1, 0.0),  # an odd number of points has no pairs
    ("gelu", pairs(2), 1, 0.0),
    ("rectified_monomial(degree=2)", pairs(3), 1, 0.0),
    ("sigmoid", pairs(1), 1, 0.0),
    ("exp", pairs(3), 1, 0.0),
    ("erf", gaussian(4), 1, 0.1),
    ("erf", gaussian(4), 2, 0.0),
    (QUADRATIC, gaussian(6), 1, 0.1),
    (QUADRATIC, gaussian(10), 2, 0.1),
    ("exp", gaussian(3), 0, 0.1),
]


def ratio(activation, x, depth, bias_std):
    values = np.linalg.eigvalsh(tangent_kernel(x, activation, depth, bias_std))
    return values[0] / values[-1]


@pytest.mark.parametrize(("activation", "x", "depth", "bias_std"), SINGULAR)
def test_where_it_is_singular(activation, x, depth, bias_std):
    assert definiteness(row(activation, x, depth, bias_std)) == "singular"
    assert abs(ratio(activation, x, depth, bias_std)) < 1e-13


@pytest.mark.parametrize(("activation", "x", "depth", "bias_std"), POSITIVE)
def test_where_it_is_positive(activation, x, depth, bias_std):
    assert definiteness(row(activation, x, depth, bias_std)) == "positive"
    assert ratio(activation, x, depth, bias_std) > 1e-9


@pytest.mark.parametrize(("activation", "x", "depth", "bias_std"), SILENT)
def test_where_nothing_is_said_it_need_not_be_singular(activation, x, depth, bias_std):
    assert definiteness(row(activation, x, depth, bias_std)) is None
    assert ratio(activation, x, depth, bias_std) > 1e-11


@pytest.mark.parametrize("depth", [3, 1000])
def test_the_degree_of_a_deep_polynomial_may_be_huge(depth):
    assert definiteness(row("monomial(degree=6)", gaussian(50, 30), depth)) is None


def test_of_an_unknown_function_nothing_is_known_but_for_coinciding_points():
    assert definiteness(row("torch:tanh", sphere(5))) is None
    assert definiteness(row("torch:tanh", np.ones((2, 2)))) == "singular"


def test_where_points_lie():
    assert input_geometry(even_circle(12)) == (12, pytest.approx(1.0, rel=1e-15), 6)
    assert input_geometry(even_circle(13)) == (13, pytest.approx(1.0, rel=1e-15), 0)
    assert input_geometry(even_circle(4096)).antipodal_pairs == 2048
    assert input_geometry(gaussian(100)) == (100, None, 0)
    assert input_geometry(1e-9 * pairs(50, 20)) == (100, None, 50)
    assert input_geometry([[1.0], [-1.0], [1.0]]) == (2, 1.0, 1)
    assert input_geometry([[0.0, 0.0], [-0.0, 0.0]]) == (1, None, 0)
    assert input_geometry([[1.0, 0.0], [-1.0, 1e-12]]).antipodal_pairs == 0
    cube = np.random.default_rng(0).permutation([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)] * 3)
    assert input_geometry(cube) == (8, pytest.approx(sqrt(3)), 4)


def test_what_is_expected():
    positive = expectation("smallest_eigenvalue", row("erf", sphere(5)))
    assert (positive.band_low, positive.one_sided) == (0.0, True)
    singular = expectation("ntk_smallest_eigenvalue", row("identity", sphere(5)))
    assert singular.band_low < 0 < singular.band_high < 1e-9
    assert expectation("smallest_eigenvalue", row("relu", even_circle(8), depth=2, bias_std=0.0)) is None


def test_of_a_cell_that_was_not_solved_the_claim_is_expected():
    unknown = dict.fromkeys(("distinct_inputs", "input_norm", "antipodal_pairs"))
    assert expectation("smallest_eigenvalue", row("identity", sphere(5)) | unknown, "C13").noun == "ratio"


def test_antipodal_pairs_are_those_of_each_points_own_norm():
    """One huge point makes no pair of small ones; points near the end of the range overflow nothing."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 5))
    outlier = points.copy()
    outlier[0] *= 1e16
    assert input_geometry(outlier).antipodal_pairs == 0
    assert input_geometry(np.concatenate([outlier, -outlier])).antipodal_pairs == 300
    with np.errstate(all="raise", under="ignore"):
        assert input_geometry(1e160 * points).antipodal_pairs == 0
        found = input_geometry(1e160 * even_circle(12))
    assert found == (12, pytest.approx(1e160, rel=1e-15), 6)
