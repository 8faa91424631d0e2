"""Both kernels against 40 digits, at the inputs where a naive recursion loses half of them.

Each activation gets a share of pairs and scales; all of them are marked exhaustive.
"""

import numpy as np
import pytest
from high_precision import SHORT, all_pairs, entries, quadrature, regimes
from high_precision.measure import TOLERANCE, filled, measure
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkbench.architecture.nodes import Architecture
from ntkbench_jax import analytic_kernels, kernel_diagonal

ALL = all_pairs()
PAIRS = {name: pair for name, pair in ALL.items() if name in SHORT}
FEW = [
    "near 1e-03 any way",
    "near 1e-07 any way",
    "near 1e-09 in angle",
    "near antipodal 1e-03 any way",
    "generic",
    "tiny and huge",
]
DEEP = {name: PAIRS[name] for name in FEW}
AGAIN = {  # of a class of laws that is measured anyway, with other parameters
    "leaky_relu(slope=-0.7)",
    "abs",
    "rectified_monomial(degree=0)",
    "rectified_monomial(degree=1)",
    "identity",
    "monomial(degree=2)",
    "monomial(degree=3)",
    "hermite(degree=2)",
    "hermite(degree=3)",
    "rbf(gamma=0.1)",
}
ACTIVATIONS = [name for name in regimes.CLOSED_FORM if name not in AGAIN]
# whose programs differ from another activation's in constants
ALIKE = {"abs", "identity", "rectified_monomial(degree=3)", "hermite(degree=5)", "erf_sigmoid", "cos"}
ONE_OF_A_KIND = [name for name in ACTIVATIONS if name not in ALIKE]
BOUNDED_OR_HOMOGENEOUS = [name for name in ONE_OF_A_KIND if 64 in regimes.depths(name)]
GENERIC = ["tanh", "elu", "softplus", "sigmoid", "silu", "selu", "softsign"]
WEIGHTS, BIASES = (1e-3, 0.1, 1.0, 4.0, 1e3), (0.0, 1e-3, 0.3, 3.0, 20.0, 1e3)
SIZES = (1e-8, 1e-3, 0.1, 1.0, 30.0, 1e8)


def share(activation, count):
    """Some of the scales, other ones for the next activation."""
    scales, start = regimes.scales(activation), regimes.CLOSED_FORM.index(activation)
    return [scales[(start + 6 * i // count) % 6] for i in range(count)]


def shallow(activation):
    """Depth 3 of a few and of polynomials; 5 of others, whose program serves any greater depth too."""
    return 3 if activation in {"relu", "erf", "gelu"} or 64 not in regimes.depths(activation) else 5


def check(rows):
    assert not [str(row) for row in rows if row.verdict()]


@pytest.mark.parametrize("activation", ONE_OF_A_KIND)
def test_special_inputs(activation):
    for scales in share(activation, 1):
        check(measure(activation, (shallow(activation),), scales, PAIRS, rectangle=False))


@pytest.mark.parametrize("activation", BOUNDED_OR_HOMOGENEOUS)
def test_special_inputs_deep(activation):
    for scales in share(activation, 1):
        check(measure(activation, (64,), scales, DEEP, rectangle=False))


@pytest.mark.exhaustive
@pytest.mark.parametrize("activation", regimes.CLOSED_FORM)
def test_all_special_inputs(activation):
    for scales in regimes.scales(activation):
        check(measure(activation, regimes.depths(activation), scales, ALL))


def pairs_of_all_sizes(seed=0):
    """Two generic points, nearly coincident ones and nearly antipodal ones, of every size."""
    rng, pairs = np.random.default_rng(seed), {}
    for size in SIZES:
        x, y, way = size * rng.normal(size=(3, 3))
        pairs |= {f"{size:g} generic": (x, y), f"{size:g} near": (x, x + 1e-5 * way), f"{size:g} opposite": (x, -x)}
    return pairs


def deep(activation):
    return 20 if 64 in regimes.depths(activation) else 3


@pytest.mark.parametrize("activation", ONE_OF_A_KIND)
def test_scales_from_tiny_to_huge(activation):
    """One weight_std, one bias_std of each; other ones for the next activation."""
    start = ACTIVATIONS.index(activation)
    scales = WEIGHTS[start % len(WEIGHTS)], BIASES[start // 2 % len(BIASES)]
    check_promise(measure(activation, (deep(activation),), scales, pairs_of_all_sizes(), rectangle=False))


@pytest.mark.exhaustive
@pytest.mark.parametrize("weight_std", WEIGHTS)
@pytest.mark.parametrize("activation", regimes.CLOSED_FORM)
def test_all_scales_from_tiny_to_huge(activation, weight_std):
    for bias_std in BIASES:
        rows = measure(activation, {1, 2, deep(activation)}, (weight_std, bias_std), pairs_of_all_sizes())
        check_promise(rows)


def check_promise(rows):
    assert not [str(row) for row in rows if not row.kept()]


@pytest.mark.parametrize(
    ("activation", "depth", "weight_std", "bias_std", "x", "y"),
    [  # biases bring hidden pre-activations together at large deviations; found at random
        ("gaussian", 20, 2.37, 3.0, [1.257, 0.0, 0.0], [-1.091, 0.0, 0.0]),
        ("gaussian", 40, 2.54, 10.4, [6.89, 1.0, -2.0], [4.07, -3.0, 1.0]),
        ("gaussian", 20, 4.47, 10.0, [5.0, 1.0, -2.0], [-4.0, 3.0, 2.0]),
        ("sin", 20, 1.4, 10.0, [5.0, 1.0, -2.0], [-4.0, 3.0, 2.0]),
        ("erf", 20, 4.0, 10.0, [5.0, 1.0, -2.0], [-4.0, 3.0, 2.0]),
    ],
)
def test_pairs_that_lost_digits_once(activation, depth, weight_std, bias_std, x, y):
    pairs = {f"{size} times": (size * np.array(x), size * np.array(y)) for size in np.linspace(0.5, 2, 7)}
    for row in measure(activation, (depth,), (weight_std, bias_std), pairs, rectangle=False):
        assert row.error <= 3e-14, str(row)


def test_the_draw_that_was_off_by_more_than_the_tolerance():
    pair = np.array([1.257]), np.array([-1.091])
    check_promise(measure("gaussian", (20,), (2.37, 3.0), {"drawn": pair}))


@pytest.mark.parametrize("activation", ["step", "relu", "erf"])
def test_parallel_and_nearly_parallel_points_of_unequal_norms(activation):
    """Each layer of step functions takes the root of an angle: one of 1e-33 in place of 0 was an error of 0.2."""
    lines = [
        ([-0.8008990762896797, 0.0, 0.0], [-8.007804685560018e-06, 0.0, 0.0]),
        ([-0.05190910502938567, 0.0, 0.0], [0.022974786031361483, 0.0, 0.0]),
        ([3.1 * 2**20, -7.7 * 2**20, 0.0], [3.1 * 3, -7.7 * 3, 0.0]),
        ([2.0**52 + 1, 2.0**52, 0.0], [2.0**52 + 2, 2.0**52 + 1, 0.0]),  # the least angle there is: a sine of 2^-105
        ([1e9 + 7, 1e9 + 9, 3.0], [1e9 + 8, 1e9 + 10, 3.0]),
    ]
    pairs = {f"{i} {sign}": (np.array(x), sign * np.array(y)) for i, (x, y) in enumerate(lines) for sign in (1, -1)}
    check_promise(measure(activation, (20,), (9.5, 0.0), pairs, rectangle=False))


@pytest.mark.skipif(not quadrature.AVAILABLE, reason="the quadrature needs a long double of 64 bits")
@pytest.mark.parametrize(
    ("activation", "kinds", "sizes", "depths"),
    [
        ("tanh", FEW[1:5:3], (1.0,), (1,)),
        *(pytest.param(name, FEW[:5], (0.2, 6.0), (1, 2, 3), marks=pytest.mark.exhaustive) for name in GENERIC),
    ],
)
def test_activations_without_a_closed_form(activation, kinds, sizes, depths):
    """For K(x,x) of 0.03 to 10: panels of the reference grow with it, and fill the memory for huge points."""
    pairs = {f"{size} x {name}": tuple(size * z for z in PAIRS[name]) for size in sizes for name in kinds}
    for row in measure(activation, depths, (1.3, 0.1), pairs, rectangle=len(depths) > 1):
        assert row.error <= TOLERANCE, str(row)


def error(found, x, y, architecture, **precision):
    """Return the larger of the kernels' errors over ``sqrt(k(x,x) k(y,y))``."""
    a = architecture
    exact = entries(x, y, a.activation, (a.depth,), a.weight_std, a.bias_std, **precision)[a.depth]
    pairs = (exact.nngp, exact.nngp_scale), (exact.ntk, exact.ntk_scale)
    return max(abs(float((value - e) / (scale or 1))) for value, (e, scale) in zip(found, pairs, strict=True))


@st.composite
def pairs_of_any_norm_and_angle(draw, features):
    """A pair, on a line or in a plane at times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    multiple = draw(st.sampled_from([1, -1, 2, -0.3, 1e-5, 1e4]))
    distance = draw(st.sampled_from([0, 1, 1e-2, 1e-6, 1e-9, 1e-13]))
    mask = np.arange(features) < draw(st.sampled_from([1, 2, features]))
    x = mask * rng.normal(size=features) * 10 ** draw(st.floats(-8, 8))
    return x, multiple * (x + mask * distance * np.linalg.norm(x) * rng.normal(size=features))


@pytest.mark.parametrize("features", [3, pytest.param(40, marks=pytest.mark.exhaustive)])
@settings(deadline=None, max_examples=max(1, settings().max_examples // 3))  # each of many pairs
@given(data=st.data(), activation=st.sampled_from(ACTIVATIONS))
def test_pairs_of_any_norm_and_angle(features, data, activation):
    pairs = data.draw(st.lists(pairs_of_any_norm_and_angle(features), min_size=6, max_size=12))
    depth = data.draw(st.sampled_from([5, 20] if 64 in regimes.depths(activation) else [3]))
    scales = 10 ** data.draw(st.floats(-3, 3)), data.draw(st.sampled_from([0, 0.01, 0.1, 3, 20, 1000]))
    named = {f"drawn {i}": pair for i, pair in enumerate(pairs)}
    check_promise(measure(activation, (depth,), scales, named, rectangle=False))


SEVERAL = (0, 1, 3, 64)


def every_depth(few):
    """One depth of each activation; all depths of ``few``, and in an exhaustive run of all."""
    rest = [name for name in regimes.CLOSED_FORM if name not in few]
    everything = [pytest.param(name, SEVERAL, marks=pytest.mark.exhaustive) for name in rest]
    some = [(name, SEVERAL if name in few else (shallow(name),)) for name in ONE_OF_A_KIND]
    return pytest.mark.parametrize(("activation", "depths"), [*some, *everything])


@every_depth(["relu", "erf"])
def test_float32_is_close_to_float64(activation, depths):
    """Within 4e-6 of the scale, where that is in the range of float32 (about 32 roundings)."""
    x = filled(np.array([z for name in (*FEW, "zero and generic") for z in PAIRS[name]]).astype(np.float32))
    for depth in depths:
        architecture = Architecture(depth=depth, activation=activation)
        single, double = (analytic_kernels(x, architecture=architecture, dtype=t) for t in (None, np.float64))
        for a, b in zip(single, double, strict=True):
            assert a.dtype == np.float32
            assert not np.isnan(a).any()
            scale = np.sqrt(np.diag(b))[:, None] * np.sqrt(np.diag(b))
            inside = scale < np.finfo(np.float32).max
            assert (np.abs(a[inside] - b[inside]) <= 4e-6 * scale[inside] + np.finfo(np.float32).tiny).all()


@pytest.mark.parametrize(
    "activation",
    [
        *("relu", "erf"),
        *(pytest.param(name, marks=pytest.mark.exhaustive) for name in regimes.CLOSED_FORM),
    ],
)
def test_the_diagonal_alone_is_the_diagonal(activation):
    x = np.random.default_rng(0).normal(size=(150, 3))
    architecture = Architecture(depth=3, activation=activation)
    whole, diagonal = analytic_kernels(x, architecture=architecture), kernel_diagonal(x, architecture=architecture)
    for a, b in zip(whole, diagonal, strict=True):
        np.testing.assert_array_equal(np.diag(a), b)
    assert kernel_diagonal(x[:0], architecture=architecture).ntk.shape == (0,)


@every_depth(["relu", "erf"])
@pytest.mark.parametrize(
    ("weight_std", "bias_std"), [(1e-200, 0), (1e-200, 1), (1, 0), (2**0.5, 0.1), (1e10, 0), (1e160, 1e160)]
)
def test_beyond_the_range_it_is_infinite_or_zero_never_nan(activation, depths, weight_std, bias_std):
    x = filled(np.outer([1e308, -1e200, 1e100, 1.0, 1e-100, 1e-200, 5e-324, 0.0], [0.3, -1.0, 0.5]))
    for depth in depths:
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


def test_a_covariance_within_the_range_between_points_beyond_it():
    """K = exp((q1 + q2) / 2 + q12), exp's first hidden layer, where q1 = 900 alone has overflown."""
    x1, x2 = np.array([[30.0], [40.0]]), np.array([[0.5], [-0.25]])
    architecture = Architecture(depth=1, activation="exp", weight_std=1.0, bias_std=0.0)
    with np.errstate(over="ignore"):
        expected = np.exp((x1**2 + x2.T**2) / 2 + x1 * x2.T)
    found = analytic_kernels(x1, x2, architecture=architecture)
    assert np.isfinite(expected[0]).all() and (expected[1, 0] == np.inf)
    np.testing.assert_allclose(found.nngp, expected, rtol=1e-12)  # exponents of 465, rounded
    np.testing.assert_allclose(found.ntk, expected * (1 + x1 * x2.T), rtol=1e-12)
