"""The table of activations: every property of every name against 50-digit values of the function."""

from __future__ import annotations

import math
from functools import cache

import mpmath as mp
import numpy as np
import pytest

from ntkbench.theory.activations import CATALOGUE, ZERO, activation_facts, parse_activation

DIGITS = 50
NODES = 256  # even: none is 0
REACH = 3  # functions are expanded on [-3, 3]
LAST = range(NODES - 20, NODES)
SELU_ALPHA, SELU_SCALE = mp.mpf("1.6732632423543772"), mp.mpf("1.0507009873554805")


def step(x):
    return mp.mpf(x > 0)


def elu(x):
    return x if x > 0 else mp.expm1(x)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def leaky_relu(slope):
    return lambda x: x if x > 0 else slope * x


def polynomial(*coefficients):
    return lambda x: mp.polyval([mp.mpf(c) for c in coefficients[::-1]], x)


FUNCTIONS = {
    "relu": leaky_relu(0),
    "leaky_relu": leaky_relu(mp.mpf(0.01)),
    "leaky_relu(slope=-0.3)": leaky_relu(mp.mpf(-0.3)),
    "leaky_relu(slope=0.0)": leaky_relu(0),
    "leaky_relu(slope=1.0)": leaky_relu(1),
    "leaky_relu(slope=-1.0)": leaky_relu(-1),
    "abs": abs,
    "step": step,
    "rectified_monomial": lambda x: step(x) * x**2,
    "rectified_monomial(degree=0)": step,
    "rectified_monomial(degree=1)": lambda x: step(x) * x,
    "rectified_monomial(degree=3)": lambda x: step(x) * x**3,
    "identity": lambda x: x,
    "monomial": lambda x: x**3,
    "monomial(degree=0)": lambda x: mp.mpf(1),
    "monomial(degree=1)": lambda x: x,
    "monomial(degree=6)": lambda x: x**6,
    "polynomial": lambda x: x,
    "polynomial(coefficients=[0.7])": polynomial(0.7),
    "polynomial(coefficients=[0.0])": polynomial(0.0),
    "polynomial(coefficients=[0.0, 0.0, 2.0])": polynomial(0, 0, 2),
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])": polynomial(0.5, -1, 0, 0.25),
    "polynomial(coefficients=[0.0, -1.0, 0.0, 0.25])": polynomial(0, -1, 0, 0.25),
    "polynomial(coefficients=[1.0, 0.0, 0.25, 0.0, 0.0])": polynomial(1, 0, 0.25),
    "hermite": lambda x: (x**3 - 3 * x) / mp.sqrt(6),
    "hermite(degree=0)": lambda x: mp.mpf(1),
    "hermite(degree=1)": lambda x: x,
    "hermite(degree=2)": lambda x: (x**2 - 1) / mp.sqrt(2),
    "hermite(degree=4)": lambda x: (x**4 - 6 * x**2 + 3) / mp.sqrt(24),
    "erf": mp.erf,
    "erf_sigmoid": lambda x: (1 + mp.erf(x / mp.mpf("2.4020563531719796"))) / 2,
    "gelu": lambda x: x * mp.ncdf(x),
    "sin": mp.sin,
    "cos": mp.cos,
    "rbf": lambda x: mp.sqrt(2) * mp.sin(mp.sqrt(2) * x + mp.pi / 4),
    "rbf(gamma=0.3)": lambda x: mp.sqrt(2) * mp.sin(mp.sqrt(mp.mpf(0.6)) * x + mp.pi / 4),
    "exp": mp.exp,
    "gaussian": lambda x: mp.exp(-(x**2)),
    "arctan": mp.atan,
    "celu": elu,
    "elu": elu,
    "log_cosh": lambda x: mp.log(mp.cosh(x)),
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "swish": lambda x: x * sigmoid(x),
    "tanh": mp.tanh,
}


@cache
def cosines():
    with mp.workdps(DIGITS):
        return [mp.cos(mp.pi * k / (2 * NODES)) for k in range(4 * NODES)]


@cache
def chebyshev(spelling):
    """Return the leading and the last Chebyshev coefficients on [-3, 3], by degree, and the largest of them."""
    with mp.workdps(DIGITS):
        odd_angles = range(1, 2 * NODES, 2)
        values = [mp.mpf(FUNCTIONS[spelling](REACH * cosines()[j])) for j in odd_angles]
        found = {}
        for k in (*range(24), *LAST):
            terms = (value * cosines()[k * j % (4 * NODES)] for value, j in zip(values, odd_angles, strict=True))
            found[k] = abs(2 * mp.fsum(terms) / NODES)
        return found, max(found.values())


def measured_degree(spelling, parity):
    """Return the degree of the odd (1) or even (0) part; None for no polynomial, -1 for zero."""
    coefficients, largest = chebyshev(spelling)
    present = [k for k, size in coefficients.items() if k % 2 == parity and size > mp.mpf(10) ** -40 * largest]
    degree = max(present, default=-1)
    return degree if degree <= 10 else None


def measured_smoothness(spelling):
    """Coefficients of functions with a jump in a derivative decay as a power, those of analytic ones exponentially."""
    coefficients, largest = chebyshev(spelling)
    tail = max(coefficients[k] for k in LAST)
    assert tail <= 1e-18 * largest or tail >= 1e-10 * largest
    return bool(tail <= 1e-18 * largest)


def measured_homogeneity(spelling):
    with mp.workdps(DIGITS):
        phi = FUNCTIONS[spelling]
        pairs = [(mp.mpf(x), mp.mpf(c)) for x in (-2.1, -0.3, 0.4, 1.7) for c in (0.2, 3.5)]
        fitting = [k for k in range(9) if all(abs(phi(c * x) - c**k * phi(x)) < 1e-40 for x, c in pairs)]
        return fitting[0] if fitting and any(phi(x) != 0 for x, _ in pairs) else None


@pytest.mark.parametrize("spelling", FUNCTIONS)
def test_properties_are_those_of_the_function(spelling):
    facts = activation_facts(spelling)
    assert facts.smooth == measured_smoothness(spelling)
    assert facts.odd_degree == measured_degree(spelling, 1)
    assert facts.even_degree == measured_degree(spelling, 0)
    assert facts.homogeneous_degree == measured_homogeneity(spelling)


@pytest.mark.parametrize("spelling", FUNCTIONS)
def test_parity_and_degree_follow(spelling):
    facts = activation_facts(spelling)
    with mp.workdps(DIGITS):
        phi, points = FUNCTIONS[spelling], [mp.mpf(x) for x in (0.01, 0.4, 1.3, 5.0)]
        assert facts.odd == all(abs(phi(-x) + phi(x)) < 1e-40 for x in points)
        assert facts.even == all(abs(phi(-x) - phi(x)) < 1e-40 for x in points)
    degrees = {measured_degree(spelling, parity) for parity in (0, 1)}
    assert facts.polynomial_degree == (None if None in degrees else max(*degrees, 0))


@pytest.mark.parametrize("spelling", FUNCTIONS)
def test_both_backends_compute_that_function(spelling):
    """So what is measured above is what kernels and networks have."""
    torch = pytest.importorskip("torch")
    from ntkbench_torch.networks.activations import find_activation

    x = np.linspace(-4, 4, 40)  # 0 is not among them
    truth = np.array([float(FUNCTIONS[spelling](mp.mpf(point))) for point in x])
    z = torch.from_numpy(x.copy())
    units = torch.empty_like(z)
    find_activation(spelling).apply(z, units)
    np.testing.assert_allclose(units.numpy(), truth, rtol=1e-13, atol=1e-14 * np.abs(truth).max())
    functions = pytest.importorskip("ntkbench_jax.dual_activations.functions")
    if spelling in functions.FUNCTIONS:
        with functions.enable_x64(True):
            values = np.asarray(functions.FUNCTIONS[spelling](functions.jnp.asarray(x)))
        np.testing.assert_allclose(values, truth, rtol=1e-13, atol=1e-14 * np.abs(truth).max())


def test_every_name_that_a_backend_knows_is_in_the_table_and_measured():
    catalogue = pytest.importorskip("ntkbench_jax.dual_activations.catalogue")
    functions = pytest.importorskip("ntkbench_jax.dual_activations.functions")
    networks = pytest.importorskip("ntkbench_torch.networks.activations.catalogue")
    smooth = pytest.importorskip("ntkbench_torch.networks.activations.smooth")
    closed = {name for name, entry in CATALOGUE.items() if entry.closed_form}
    assert closed == set(catalogue._CLOSED_FORMS)
    assert set(CATALOGUE) - closed == set(functions.FUNCTIONS)
    assert set(CATALOGUE) == {*networks._MAKERS, *smooth.SMOOTH}
    assert set(CATALOGUE) == {parse_activation(spelling).name for spelling in FUNCTIONS}


def test_defaults_are_those_of_the_spelling():
    for name, entry in CATALOGUE.items():
        assert dict(parse_activation(name).parameters) == entry.defaults
        assert activation_facts(name) == activation_facts(str(parse_activation(name)))


def test_of_other_functions_nothing_is_known():
    assert activation_facts("torch:tanh") is None
    assert activation_facts("snake(frequency=2.0)") is None
    with pytest.raises(ValueError, match='"tanh" has no parameter scale; it has none'):
        activation_facts("tanh(scale=2.0)")
    assert math.isclose(SELU_ALPHA * SELU_SCALE, 1.7580993408473766)
    assert activation_facts("polynomial(coefficients=[0.0])").odd_degree == ZERO
