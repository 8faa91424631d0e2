"""Both kernels against 45 digits, at the inputs where a naive recursion loses half of them."""

import numpy as np
import pytest
from high_precision import integral, kernels
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkbench.architecture import Architecture
from ntkbench_jax import analytic_kernels, kernel_diagonal

TOLERANCE = 1e-13
SCALES = [(2**0.5, 0.1), (2**0.5, 0.0), (1.0, 1.0), (4.0, 0.3), (0.5, 0.0)]


def special_inputs():
    """A point; then its copies, multiples, antipodes and near neighbours; an orthogonal point; zero."""
    rng = np.random.default_rng(0)
    x, y, orthogonal = rng.normal(size=(3, 5))
    orthogonal -= orthogonal @ x / (x @ x) * x
    rows = [x, x.copy(), -x, 2 * x, -3 * x, orthogonal, 0 * x]
    for distance in (1e-3, 1e-5, 1e-7, 1e-9):
        rows += [x + distance * y, -x + distance * y, 2 * x + distance * y, x * (1 + distance)]
    return np.array(rows)


def error(found, x, y, architecture, **precision):
    """Return the larger of the kernels' errors over ``sqrt(k(x,x) k(y,y))``."""
    a = architecture
    *exact, nngp_scale, ntk_scale = kernels(x, y, a.activation, a.depth, a.weight_std, a.bias_std, **precision)
    scales = (nngp_scale or 1, ntk_scale or 1)
    return max(abs(float((value - e) / scale)) for value, e, scale in zip(found, exact, scales, strict=True))


@pytest.mark.parametrize("magnitude", [1.0, 1e-8, 1e8])
@pytest.mark.parametrize(("weight_std", "bias_std"), SCALES)
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_special_inputs_at_any_depth(activation, weight_std, bias_std, magnitude):
    x = magnitude * special_inputs()
    for depth in (0, 1, 3, 64):
        architecture = Architecture(depth=depth, activation=activation, weight_std=weight_std, bias_std=bias_std)
        found = analytic_kernels(x, architecture=architecture)
        assert np.isfinite(found).all()
        partners = (0, 6) if depth == 64 else (0, 3, 6)
        for j in range(len(x)):
            for i in {*partners, j}:
                pair = found.nngp[i, j], found.ntk[i, j]
                assert error(pair, x[i], x[j], architecture) <= TOLERANCE, (depth, i, j)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), activation=st.sampled_from(["relu", "erf"]))
def test_pairs_of_any_norm_and_angle(data, seed, activation):
    rng = np.random.default_rng(seed)
    features = data.draw(st.sampled_from([1, 2, 3, 40]))
    multiple = data.draw(st.sampled_from([1, -1, 2, -0.3, 1e-5, 1e4]))
    distance = data.draw(st.sampled_from([0, 1, 1e-2, 1e-6, 1e-9, 1e-13]))
    x = rng.normal(size=features) * 10 ** data.draw(st.floats(-8, 8))
    y = multiple * (x + distance * np.linalg.norm(x) * rng.normal(size=features))
    architecture = Architecture(
        depth=data.draw(st.sampled_from([0, 1, 2, 5, 20])),
        activation=activation,
        weight_std=10 ** data.draw(st.floats(-1, 1)),
        bias_std=data.draw(st.sampled_from([0, 0.01, 0.1, 3])),
    )
    found = analytic_kernels(x[None], y[None], architecture=architecture)
    assert error((found.nngp[0, 0], found.ntk[0, 0]), x, y, architecture) <= TOLERANCE


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("angle", [0.3, 2.0])
def test_the_defining_expectations(activation, angle):
    """The closed forms are not taken on trust: one layer by quadrature over the plane."""
    x, y = np.array([1.1, 0.0]), 0.8 * np.array([np.cos(angle), np.sin(angle)])
    architecture = Architecture(depth=1, activation=activation, weight_std=1.3, bias_std=0.2)
    found = analytic_kernels(x[None], y[None], architecture=architecture)
    exact = kernels(x, y, activation, 1, 1.3, 0.2, expectation=integral)
    assert abs(float(found.nngp[0, 0] - exact[0])) <= TOLERANCE
    assert abs(float(found.ntk[0, 0] - exact[1])) <= TOLERANCE


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_float32_is_the_rounded_float64(activation):
    x = special_inputs().astype(np.float32)
    for depth in (1, 3, 64):
        architecture = Architecture(depth=depth, activation=activation)
        single, double = (analytic_kernels(x, architecture=architecture, dtype=t) for t in (None, np.float64))
        for a, b in zip(single, double, strict=True):
            assert a.dtype == np.float32
            scale = np.sqrt(np.outer(np.diag(b), np.diag(b)))
            assert (np.abs(a - b) <= 2.0**-24 * scale).all()


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_the_diagonal_alone_is_the_diagonal(activation):
    x = np.random.default_rng(0).normal(size=(150, 3))
    architecture = Architecture(depth=3, activation=activation)
    whole, diagonal = analytic_kernels(x, architecture=architecture), kernel_diagonal(x, architecture=architecture)
    for a, b in zip(whole, diagonal, strict=True):
        np.testing.assert_array_equal(np.diag(a), b)
    assert kernel_diagonal(x[:0], architecture=architecture).ntk.shape == (0,)


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize(
    ("weight_std", "bias_std"), [(1e-200, 0), (1e-200, 1), (1, 0), (2**0.5, 0.1), (1e10, 0), (1e160, 1e160)]
)
def test_beyond_the_range_it_is_infinite_or_zero_never_nan(activation, weight_std, bias_std):
    x = np.outer([1e308, -1e200, 1e100, 1.0, 1e-100, 1e-200, 5e-324, 0.0], [0.3, -1.0])
    for depth in (0, 1, 3, 200):
        architecture = Architecture(depth=depth, activation=activation, weight_std=weight_std, bias_std=bias_std)
        for dtype in (np.float64, np.float32):
            for kernel in analytic_kernels(x, architecture=architecture, dtype=dtype):
                assert not np.isnan(kernel).any()
                assert (kernel == kernel.T).all()


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_very_different_magnitudes_are_exact_too(activation):
    x = np.outer([1e150, 1e60, 1.0, 1e-60, 1e-150], [0.3, -1.0])
    x[1::2] += 1e-7 * np.abs(x[1::2])
    architecture = Architecture(depth=2, activation=activation)
    found = analytic_kernels(x, architecture=architecture)
    for i in range(len(x)):
        for j in range(len(x)):
            pair = found.nngp[i, j], found.ntk[i, j]
            if np.isfinite(pair).all():
                assert error(pair, x[i], x[j], architecture, digits=650) <= TOLERANCE
