"""Laws the kernels obey, and how they treat the caller."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from ntkbench.architecture import Architecture
from ntkbench.errors import DataError, UnavailableError
from ntkbench_jax import Kernels, analytic_kernels, kernel_diagonal

ACTIVATIONS = ["relu", "erf"]


@st.composite
def settings_and_inputs(draw, points=9):
    architecture = Architecture(
        depth=draw(st.integers(0, 6)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        weight_std=draw(st.floats(0.1, 3)),
        bias_std=draw(st.sampled_from([0.0, 0.1, 2.0])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(points, draw(st.integers(1, 6)))) * draw(st.sampled_from([1e-3, 1.0, 30.0]))
    return architecture, np.vstack([x, x[:2], -x[:2], x[:2] + 1e-9])


@settings(max_examples=60, deadline=None)
@given(settings_and_inputs())
def test_symmetric_to_the_bit_and_positive_semidefinite_to_rounding(case):
    architecture, x = case
    for kernel in analytic_kernels(x, architecture=architecture):
        assert (kernel == kernel.T).all()
        values = np.linalg.eigvalsh(kernel)
        assert values[0] >= -1e-14 * values[-1] * len(x)


@settings(max_examples=40, deadline=None)
@given(settings_and_inputs(), st.integers(0, 2**32 - 1))
def test_rotations_change_nothing(case, seed):
    architecture, x = case
    rotation = ortho_group.rvs(x.shape[1], random_state=seed) if x.shape[1] > 1 else np.array([[-1.0]])
    for a, b in zip(*(analytic_kernels(z, architecture=architecture) for z in (x, x @ rotation)), strict=True):
        scale = np.sqrt(np.outer(np.diag(a), np.diag(a)))
        # rotated inputs are rounded: their angles move by 1e-16 times the gain of six layers
        assert (np.abs(a - b) <= 1e-11 * scale).all()


@settings(max_examples=40, deadline=None)
@given(settings_and_inputs(), st.floats(1e-6, 1e6))
def test_relu_without_bias_is_homogeneous(case, factor):
    architecture = case[0].model_copy(update={"activation": "relu", "bias_std": 0.0})
    one, other = (analytic_kernels(z, architecture=architecture) for z in (case[1], factor * case[1]))
    for a, b in zip(one, other, strict=True):
        scale = np.sqrt(np.outer(np.diag(a), np.diag(a)))
        assert (np.abs(b / factor**2 - a) <= 1e-13 * scale).all()


@settings(max_examples=40, deadline=None)
@given(settings_and_inputs())
def test_the_tangent_kernel_exceeds_the_nngp_by_a_positive_kernel(case):
    architecture, x = case
    found = analytic_kernels(x, architecture=architecture)
    values = np.linalg.eigvalsh(found.ntk - found.nngp)
    assert values[0] >= -1e-13 * max(np.trace(found.ntk), 1e-300)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_depth_zero_is_the_linear_model(activation):
    x = np.random.default_rng(0).normal(size=(5, 3))
    found = analytic_kernels(x, architecture=Architecture(depth=0, activation=activation, weight_std=2, bias_std=0.5))
    np.testing.assert_allclose(found.nngp, 4 * x @ x.T / 3 + 0.25, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(found.nngp, found.ntk)


def test_relu_at_its_critical_scale_keeps_norms_and_adds_one_per_layer():
    x = np.random.default_rng(0).normal(size=(4, 3))
    found = kernel_diagonal(x, architecture=Architecture(depth=9, weight_std=2**0.5, bias_std=0))
    first = 2 * np.sum(x**2, axis=1) / 3
    np.testing.assert_allclose(found.nngp, first, rtol=1e-14)
    np.testing.assert_allclose(found.ntk, 10 * first, rtol=1e-14)


def test_small_inputs_make_erf_linear():
    x = 1e-6 * np.random.default_rng(0).normal(size=(4, 3))
    found = analytic_kernels(x, architecture=Architecture(depth=1, activation="erf", weight_std=1, bias_std=0))
    np.testing.assert_allclose(found.nngp, 4 / np.pi * x @ x.T / 3, rtol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_order_and_the_company_of_points_do_not_matter(activation):
    """Across the edges of tiles, and from both sides."""
    x = np.random.default_rng(0).normal(size=(600, 4))
    architecture = Architecture(depth=2, activation=activation)
    whole = analytic_kernels(x, architecture=architecture)
    part, mirror = (
        analytic_kernels(x[500:], x, architecture=architecture),
        analytic_kernels(x, x[500:], architecture=architecture),
    )
    for a, b, c in zip(whole, part, mirror, strict=True):
        np.testing.assert_allclose(a[500:], b, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(b, c.T, rtol=1e-13, atol=1e-14)
        assert (a == a.T).all()


@pytest.mark.parametrize(("n1", "n2"), [(0, 0), (0, 3), (1, 1), (65, 2)])
def test_any_number_of_points(n1, n2):
    found = analytic_kernels(np.ones((n1, 2)), np.ones((n2, 2)), architecture=Architecture())
    assert isinstance(found, Kernels)
    assert found.nngp.shape == found.ntk.shape == (n1, n2)


def test_the_type_follows_the_inputs():
    single, double = np.ones((2, 3), np.float32), np.ones((2, 3))
    architecture = Architecture()
    assert analytic_kernels(single, architecture=architecture).ntk.dtype == np.float32
    assert analytic_kernels(jax.numpy.ones((2, 3)), architecture=architecture).ntk.dtype == np.float32
    assert analytic_kernels(single, double, architecture=architecture).ntk.dtype == np.float64
    assert analytic_kernels(double.astype(int), architecture=architecture).ntk.dtype == np.float64
    assert analytic_kernels(double, architecture=architecture, dtype="float32").nngp.dtype == np.float32
    assert kernel_diagonal(single, architecture=architecture).ntk.dtype == np.float32


def test_the_callers_configuration_is_left_alone_and_respected():
    before = dict(jax.config.values)
    x = np.ones((3, 2))
    expected = analytic_kernels(x, architecture=Architecture())
    assert dict(jax.config.values) == before
    assert jax.numpy.ones(2).dtype == np.float32
    with jax.debug_nans(True), jax.transfer_guard("disallow"), jax.numpy_dtype_promotion("strict"):
        for activation in ACTIVATIONS:
            analytic_kernels(0 * x, x, architecture=Architecture(activation=activation, bias_std=0))
    np.testing.assert_array_equal(analytic_kernels(x, architecture=Architecture()).ntk, expected.ntk)


def test_it_runs_without_compilation():
    x = np.ones((3, 2))
    compiled = analytic_kernels(x, architecture=Architecture(depth=1))
    with jax.disable_jit():
        found = analytic_kernels(x, architecture=Architecture(depth=1))
    np.testing.assert_allclose(found.ntk, compiled.ntk, rtol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "architecture", "error", "message"),
    [
        ([np.ones(3)], {}, DataError, r"shape \(3,\), expected \(points, features\)"),
        ([np.ones((3, 0))], {}, DataError, r"shape \(3, 0\)"),
        ([np.array([[1.0, np.nan]])], {}, DataError, r"input \[0, 1\] is nan"),
        ([np.array([[np.inf, 1.0]])], {}, DataError, r"input \[0, 0\] is inf"),
        ([np.ones((2, 3)), np.ones((2, 4))], {}, DataError, "x1 has 3 features, x2 has 4"),
        ([np.ones((2, 3))], {"activation": "rellu"}, UnavailableError, 'did you mean "relu"'),
        ([np.ones((2, 3))], {"parameterization": "standard"}, UnavailableError, 'use "ntk"'),
    ],
)
def test_mistakes_are_named(arguments, architecture, error, message):
    with pytest.raises(error, match=message):
        analytic_kernels(*arguments, architecture=Architecture(**architecture))


def test_types_and_devices_that_are_not_there():
    with pytest.raises(DataError, match="float16 is not float32 or float64"):
        analytic_kernels(np.ones((2, 3)), architecture=Architecture(), dtype=np.float16)
    for device in ("abacus", "cpu:77", "cpu:x"):
        with pytest.raises(UnavailableError, match="JAX has no device"):
            analytic_kernels(np.ones((2, 3)), architecture=Architecture(), device=device)
