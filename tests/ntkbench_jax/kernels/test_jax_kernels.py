"""Laws the kernels obey, and how they treat the caller."""

from itertools import pairwise, product

import jax
import numpy as np
import pytest
from grids import exhaustive
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError, UnavailableError
from ntkbench_jax import Kernels, analytic_kernel, analytic_kernels, kernel_diagonal

ACTIVATIONS = [
    "relu",
    "erf",
    "abs",
    "step",
    "leaky_relu(slope=0.2)",
    "erf_sigmoid",
    "gelu",
    "sin",
    "cos",
    "rbf",
    "gaussian",
]


FAMILIES = ["relu", "erf", "gelu", "step"]  # homogeneous, closed forms, and a jump
REST = [name for name in ACTIVATIONS if name not in FAMILIES]
FEATURES = 4  # one number of them, since a program is compiled for each


SOME, EVERY = (0, 2, 6), tuple(range(7))  # depths: none, a program for this very depth, one for any
few_and_many = pytest.mark.parametrize("depths", [SOME, *exhaustive((EVERY,))], ids=["some", "every"])


@st.composite
def settings_and_inputs(draw, depths, points=9):
    """Points of up to six features; of four, some of them 0, where few programs are to be compiled."""
    architecture = Architecture(
        depth=draw(st.sampled_from(depths)),
        activation=draw(st.sampled_from(FAMILIES if depths is SOME else ACTIVATIONS)),
        weight_std=draw(st.floats(0.1, 3)),
        bias_std=draw(st.sampled_from([0.0, 0.1, 2.0])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(points, FEATURES if depths is SOME else draw(st.integers(1, 6))))
    x *= draw(st.sampled_from([1e-3, 1.0, 30.0]))
    if depths is SOME:
        x[:, draw(st.integers(1, FEATURES)) :] = 0
    return architecture, np.vstack([x, x[:2], -x[:2], x[:2] + 1e-9])


@few_and_many
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_symmetric_to_the_bit_and_positive_semidefinite_to_rounding(data, depths):
    architecture, x = data.draw(settings_and_inputs(depths))
    for kernel in analytic_kernels(x, architecture=architecture):
        assert (kernel == kernel.T).all()
        values = np.linalg.eigvalsh(kernel)
        assert values[0] >= -1e-14 * values[-1] * len(x)


@few_and_many
@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_rotations_change_nothing(data, seed, depths):
    architecture, x = data.draw(settings_and_inputs(depths))
    rotation = ortho_group.rvs(x.shape[1], random_state=seed) if x.shape[1] > 1 else np.array([[-1.0]])
    # rotated inputs are rounded: their angles move by 1e-16 times the gain of six layers, which has no bound for a jump
    jump = architecture.activation == "step" and architecture.depth > 1
    rounded = 1e-16 ** (0.5**architecture.depth) if jump else 1e-11
    signs = np.diag(np.random.default_rng(seed).choice([-1.0, 1.0], x.shape[1]))  # rounds nothing
    for turned, tolerance in ((x @ rotation, rounded), (x[:, ::-1] @ signs, 1e-13)):
        for a, b in zip(*(analytic_kernels(z, architecture=architecture) for z in (x, turned)), strict=True):
            scale = np.sqrt(np.outer(np.diag(a), np.diag(a)))
            assert (np.abs(a - b) <= tolerance * scale).all()


@few_and_many
@settings(max_examples=40, deadline=None)
@given(data=st.data(), factor=st.floats(1e-6, 1e6))
def test_relu_without_bias_is_homogeneous(data, factor, depths):
    drawn, x = data.draw(settings_and_inputs(depths))
    architecture = drawn.model_copy(update={"activation": "relu", "bias_std": 0.0})
    one, other = (analytic_kernels(z, architecture=architecture) for z in (x, factor * x))
    for a, b in zip(one, other, strict=True):
        scale = np.sqrt(np.outer(np.diag(a), np.diag(a)))
        assert (np.abs(b / factor**2 - a) <= 1e-13 * scale).all()


@few_and_many
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_tangent_kernel_exceeds_the_nngp_by_a_positive_kernel(data, depths):
    architecture, x = data.draw(settings_and_inputs(depths))
    found = analytic_kernels(x, architecture=architecture)
    values = np.linalg.eigvalsh(found.ntk - found.nngp)
    assert values[0] >= -1e-13 * max(np.trace(found.ntk), 1e-300)


@pytest.mark.parametrize("activation", [*FAMILIES[:2], *exhaustive(*FAMILIES[2:], *REST)])
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


@pytest.mark.parametrize("activation", [*FAMILIES[:2], *exhaustive(*FAMILIES[2:], *REST)])
def test_the_order_and_the_company_of_points_do_not_matter(activation):
    """Across the edges of tiles, and from both sides."""
    x = np.random.default_rng(0).normal(size=(600, FEATURES))
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
    x = np.ones((3, FEATURES))
    expected = analytic_kernels(x, architecture=Architecture())
    assert dict(jax.config.values) == before
    assert jax.numpy.ones(2).dtype == np.float32
    with jax.debug_nans(True), jax.transfer_guard("disallow"), jax.numpy_dtype_promotion("strict"):
        for activation in FAMILIES:
            analytic_kernels(0 * x, x, architecture=Architecture(activation=activation, bias_std=0))
    np.testing.assert_array_equal(analytic_kernels(x, architecture=Architecture()).ntk, expected.ntk)


def test_points_beyond_the_range_raise_nothing_when_nans_are_debugged():
    x = np.outer([1e308, 1e200, 1.0, 1e-200, 0.0], [0.3, -1.0])
    for activation in ("erf", "gaussian", "hermite(degree=3)"):
        with jax.debug_nans(True):
            analytic_kernels(x, architecture=Architecture(depth=3, activation=activation))


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
        ([np.ones((2, 3))], {"parameterization": "standard-global-rate", "depth": 0}, UnavailableError, "no kernel"),
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


@pytest.mark.parametrize(
    ("activation", "depth"),
    [
        *(("relu", 6), ("erf", 2)),
        *exhaustive(*product(["relu", "erf", "gelu", "rectified_monomial(degree=2)"], [1, 2, 6])),
    ],
)
def test_one_global_rate_leaves_middle_and_last_weights(activation, depth):
    """D_l = (Theta_{l+1} - K_{l+1}) / (w^2 Theta_l) from the layers, then the sum without first weights and biases."""
    x = np.random.default_rng(0).normal(size=(6, 4))
    x[1] = x[0] * (1 + 1e-9)
    scales = {"activation": activation, "weight_std": 1.1, "bias_std": 0.3}
    layers = [analytic_kernels(x, architecture=Architecture(depth=n, **scales)) for n in range(depth + 1)]
    expected = np.zeros((6, 6))
    for below, above in pairwise(layers):
        slopes = (above.ntk - above.nngp) / below.ntk
        expected = (above.nngp - 0.3**2) / 1.1**2 + slopes * expected
    architecture = Architecture(depth=depth, parameterization="standard-global-rate", **scales)
    np.testing.assert_allclose(analytic_kernels(x, architecture=architecture).ntk, expected, rtol=2e-12)
    standard = analytic_kernels(x, architecture=Architecture(depth=depth, parameterization="standard", **scales))
    np.testing.assert_array_equal(standard.ntk, layers[-1].ntk)
    np.testing.assert_array_equal(
        np.diag(standard.ntk), kernel_diagonal(x, architecture=Architecture(depth=depth, **scales)).ntk
    )


@pytest.mark.parametrize(
    ("activation", "dtype"),
    [
        *(("relu", "float32"), ("relu", "float64"), ("erf", "float32"), ("erf", "float64"), ("step", "float64")),
        *exhaustive(*product(ACTIVATIONS, ["float32", "float64"])),
    ],
)
def test_points_of_equal_norm_are_one_function_of_the_angle(activation, dtype, monkeypatch):
    """The series in the angle against layer by layer, for many points at once and for both types."""
    x = np.random.default_rng(1).normal(size=(40, FEATURES))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)
    architecture = Architecture(depth=12, activation=activation, weight_std=1.3, bias_std=0.2)
    found = analytic_kernels(x, architecture=architecture)
    monkeypatch.setattr("ntkbench_jax.kernels.analytic._SHALLOW", 100)
    layered = analytic_kernels(x, architecture=architecture, dtype="float64")
    for one, other in zip(found, layered, strict=True):
        scale = np.sqrt(np.outer(np.diag(other), np.diag(other)))
        assert (np.abs(one - other) <= (4e-6 if dtype == "float32" else 1e-13) * scale).all()


@pytest.mark.parametrize(
    ("activation", "depth"),
    [
        *(("relu", 3), ("erf", 3), ("relu", 20), ("erf", 20), ("gelu", 20), ("step", 20)),
        *exhaustive(*product(ACTIVATIONS, [1, 3, 20])),
    ],
)
def test_float32_is_close_to_float64(activation, depth):
    """Within 4e-6 of sqrt(k(x,x) k(x',x')), the diagonal and close and antipodal points included."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, FEATURES)).astype(np.float32)
    x = np.vstack([x, x[:4] * np.float32(1.001), -x[:4], x[:4] + np.float32(1e-3), 100 * x[:2]])
    architecture = Architecture(depth=depth, activation=activation, weight_std=1.3, bias_std=0.2)
    found = analytic_kernels(x, architecture=architecture)
    exact = analytic_kernels(x.astype(np.float64), architecture=architecture)
    for one, other in zip(found, exact, strict=True):
        scale = np.sqrt(np.outer(np.diag(other), np.diag(other)))
        assert one.dtype == np.float32
        assert np.abs((one - other) / scale).max() <= 4e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_problems_are_tiles_of_small_ones(dtype):
    """Two tiles and a part of a third, in both directions, against single rows."""
    x = np.random.default_rng(3).normal(size=(600, 3)).astype(dtype)
    architecture = Architecture(depth=2, activation="erf", weight_std=1.5)
    whole = analytic_kernels(x, architecture=architecture)
    between = analytic_kernels(x[:300], x, architecture=architecture)
    rows = analytic_kernels(x[[0, 299, 599]].astype(np.float64), x.astype(np.float64), architecture=architecture)
    tolerance = 2e-6 if dtype == "float32" else 1e-14
    for one, two, other in zip(whole, between, rows, strict=True):
        np.testing.assert_allclose(one[[0, 299, 599]], other, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(two, one[:300], rtol=tolerance, atol=tolerance)
        assert (one == one.T).all()


def test_one_kernel_is_written_where_it_is_wanted():
    x = np.random.default_rng(4).normal(size=(20, 3))
    architecture, place = Architecture(), np.zeros((20, 40), order="F")
    found = analytic_kernel(x, architecture=architecture, kernel="nngp", out=place[:, 20:])
    assert found.base is place
    np.testing.assert_array_equal(place[:, 20:], analytic_kernels(x, architecture=architecture).nngp)
    with pytest.raises(DataError, match=r"out is float64 \(20, 40\), expected float64 \(20, 20\)"):
        analytic_kernel(x, architecture=architecture, out=place)
