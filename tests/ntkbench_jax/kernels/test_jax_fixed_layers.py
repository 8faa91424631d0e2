"""Tangent kernels of networks whose first layers are not trained (Arora et al. 2019, arXiv:1910.01663, section 2)."""

from itertools import pairwise, product

import numpy as np
import pytest
from grids import exhaustive
from high_precision.activations import closed_form
from mpmath import mp, mpf

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench_jax import analytic_kernel, analytic_kernels
from ntkbench_jax.kernels.tiles import _homogeneous

TOLERANCE = 1e-13  # relative to sqrt(k(x,x) k(x',x'))
DIGITS = 50
SCALES = {"relu": (2**0.5, 0.1), "erf": (1.3, 0.2), "gelu": (1.9, 0.3)}
ACTIVATIONS = list(SCALES)
DEPTHS = [2, 5, 10, 1, 3, 4]  # a program for this very depth, one for any, and 10 on a sphere: the series
FEW = [("relu", 2), ("erf", 2), ("relu", 5), ("erf", 10)]


def some_depths(activations, depths):
    """Run over ``FEW``, and exhaustively over all pairs."""
    rest = (case for case in product(activations, depths) if case not in FEW)
    return pytest.mark.parametrize(("activation", "depth"), [*FEW, *exhaustive(*rest)])


def architecture_of(activation, depth, **changes):
    weight_std, bias_std = SCALES[activation]
    settings = {"weight_std": weight_std, "bias_std": bias_std, **changes}
    return Architecture(depth=depth, activation=activation, **settings)


def inputs(depth):
    """Ordinary points, on a sphere where deep, and coincident, nearly coincident and antipodal ones."""
    x = np.random.default_rng(depth).normal(size=(9, 4))
    if depth > 8:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return np.vstack([x, x[:2], -x[:2]])
    return np.vstack([x, x[:2], -x[:2], x[:1] + 1e-9, 3 * x[:1], np.zeros((1, 4))])


def scale_of(kernel):
    root = np.sqrt(np.diag(kernel))
    return np.outer(root, root)


def exact(x, y, architecture, fixed):
    """Theta(x, y) of a definition that is read off: a sum over trained layers of K_l times the D above it."""
    weight, bias = mpf(architecture.weight_std) ** 2, mpf(architecture.bias_std) ** 2
    duals = closed_form(architecture.activation).duals
    x, y = ([mpf(float(value)) for value in vector] for vector in (x, y))
    p, q, k = (weight * mp.fdot(a, b) / len(a) + bias for a, b in ((x, x), (y, y), (x, y)))
    covariances, gains = [k], []
    for _ in range(architecture.depth):
        value, slope = duals(p, q, k)
        p, q, k = weight * duals(p, p, p)[0] + bias, weight * duals(q, q, q)[0] + bias, weight * value + bias
        covariances.append(k)
        gains.append(weight * slope)
    return sum((covariances[layer] * mp.fprod(gains[layer:]) for layer in range(fixed, architecture.depth + 1)), mpf(0))


def largest_error(x, architecture, fixed):
    """Of all pairs: each point's with itself, and every other, measured in sqrt(k(x,x) k(x',x'))."""
    found = analytic_kernel(x, architecture=architecture, fixed_layers=fixed)
    errors = []
    with mp.workdps(DIGITS):
        own = [exact(row, row, architecture, fixed) for row in x]
        for i, j in zip(*np.triu_indices(len(x)), strict=True):
            distance, scale = abs(mpf(found[i, j]) - exact(x[i], x[j], architecture, fixed)), mp.sqrt(own[i] * own[j])
            errors.append(float(distance / scale) if scale else float(distance))
    return max(errors)


def every_count(test):
    """Run over activations, depths and counts of fixed layers; none, one and all but the last of some depths first."""
    counts = [(depth, fixed) for depth in DEPTHS for fixed in range(depth + 1)]
    cases = [
        pytest.param(
            name, depth, fixed, marks=[pytest.mark.exhaustive] * ((name, depth) not in FEW or 1 < fixed < depth)
        )
        for name, (depth, fixed) in product(ACTIVATIONS, counts)
    ]
    return pytest.mark.parametrize(("activation", "depth", "fixed"), cases)(test)


@pytest.mark.parametrize(
    ("activation", "depth"),
    [
        *(*FEW, ("step", 2), ("relu", 0)),
        *exhaustive(*(case for case in product([*ACTIVATIONS, "step"], [0, *DEPTHS]) if case not in FEW)),
    ],
)
def test_all_fixed_but_the_last_is_the_nngp_and_none_fixed_the_ntk(activation, depth):
    """Also for step, whose slopes are infinite: they meet the parameters below them only."""
    x, architecture = inputs(depth), Architecture(depth=depth, activation=activation, weight_std=1.3, bias_std=0.2)
    whole = analytic_kernels(x, architecture=architecture)
    none, last = (analytic_kernels(x, architecture=architecture, fixed_layers=count) for count in (0, depth))
    np.testing.assert_array_equal(none.ntk, whole.ntk)
    np.testing.assert_allclose(last.nngp, whole.nngp, rtol=0, atol=1e-14 * whole.nngp.max())
    assert (np.abs(last.ntk - whole.nngp) <= TOLERANCE * scale_of(whole.nngp)).all()


@every_count
def test_against_fifty_digits(activation, depth, fixed):
    x, architecture = inputs(depth)[[0, 1, 2, 9, -2, -1]], architecture_of(activation, depth)
    assert largest_error(x, architecture, fixed) <= TOLERANCE


@pytest.mark.parametrize("depth", [2, 5, *exhaustive(1, 3, 4, 10)])
def test_arc_cosines_of_points_of_any_size(depth):
    """ReLU without a bias: coincident, antipodal, zero, and huge and tiny points."""
    x = np.random.default_rng(5).normal(size=(3, 3))
    x = np.vstack([x, x[:1], -x[:1], np.zeros((1, 3)), 1e100 * x[:2], -1e100 * x[:1], 1e-100 * x[1:2]])
    for fixed in range(depth + 1):
        assert largest_error(x, architecture_of("relu", depth, bias_std=0.0), fixed) <= TOLERANCE


@some_depths(ACTIVATIONS, DEPTHS)
def test_each_trained_layer_adds_a_kernel(activation, depth):
    """Theta of q less Theta of q + 1 is a kernel, so is Theta of q; both symmetric to the bit."""
    x, architecture = inputs(depth), architecture_of(activation, depth)
    kernels = [analytic_kernel(x, architecture=architecture, fixed_layers=fixed) for fixed in range(depth + 1)]
    for kernel in kernels:
        np.testing.assert_array_equal(kernel, kernel.T)
        values = np.linalg.eigvalsh(kernel)
        assert values[0] >= -1e-14 * values[-1] * len(x)
    for more, fewer in pairwise(kernels):
        assert (np.diag(more) >= np.diag(fewer)).all()
        assert np.linalg.eigvalsh(more - fewer)[0] >= -1e-14 * np.linalg.eigvalsh(more)[-1] * len(x)


@every_count
def test_a_block_is_a_block_of_the_whole(activation, depth, fixed):
    """And coincident points of both sides, which are pairs, agree with the diagonal, which is not."""
    x, architecture = inputs(depth), architecture_of(activation, depth)
    whole = analytic_kernels(x, architecture=architecture, fixed_layers=fixed)
    blocks = analytic_kernels(x[:5], x, architecture=architecture, fixed_layers=fixed)
    for block, joint in zip(blocks, whole, strict=True):
        assert (np.abs(block - joint[:5]) <= TOLERANCE * scale_of(joint)[:5]).all()
    assert abs(whole.ntk[0, 9] / whole.ntk[0, 0] - 1) <= TOLERANCE


@pytest.mark.parametrize(
    ("activation", "depth"),
    [("relu", 5), ("erf", 10), *exhaustive(*product(ACTIVATIONS, [3, 10]))],
)
def test_float32_is_close_to_float64(activation, depth):
    x, architecture = inputs(depth).astype(np.float32), architecture_of(activation, depth)
    for fixed in range(1, depth + 1):
        single, double = (
            analytic_kernel(x, architecture=architecture, fixed_layers=fixed, dtype=dtype)
            for dtype in (np.float32, np.float64)
        )
        assert (np.abs(single - double) <= 4e-6 * scale_of(double)).all()


def bent(x):
    return x + x**2 / 5


@pytest.mark.parametrize(("activation", "counts"), [(bent, [1]), *exhaustive((bent, [0, 1]), ("softplus", [0, 1]))])
def test_a_function_without_closed_form(activation, counts):
    """Of its kernel all layers but the last are fixed as of any other."""
    x, architecture = inputs(2), Architecture(depth=2, activation=activation, weight_std=1.3, bias_std=0.2)
    nngp, last = analytic_kernels(x, architecture=architecture, fixed_layers=2)
    fewer_and_fewer = [analytic_kernel(x, architecture=architecture, fixed_layers=fixed) for fixed in counts]
    assert (np.abs(last - nngp) <= TOLERANCE * scale_of(nngp)).all()
    for more, fewer in pairwise([*fewer_and_fewer, last]):
        assert (np.diag(more) > np.diag(fewer)).all()


@pytest.mark.parametrize("activation", ["relu", *exhaustive("erf", "gelu")])
def test_one_global_rate_trains_no_first_layer(activation):
    """One fixed layer changes nothing; of the last one alone it is E[phi phi]."""
    x = inputs(3)
    architecture = architecture_of(activation, 3, parameterization="standard-global-rate")
    ntk, first, *_, last = (analytic_kernels(x, architecture=architecture, fixed_layers=fixed) for fixed in range(4))
    assert (np.abs(first.ntk - ntk.ntk) <= TOLERANCE * scale_of(ntk.ntk)).all()
    expected = (ntk.nngp - architecture.bias_std**2) / architecture.weight_std**2
    assert (np.abs(last.ntk - expected) <= TOLERANCE * scale_of(ntk.nngp)).all()


def test_one_program_serves_all_fixed_layers():
    x, architecture = inputs(4), architecture_of("relu", 4, weight_std=1.234)
    analytic_kernel(x, architecture=architecture, fixed_layers=1)
    before = _homogeneous._cache_size()
    for fixed in (2, 3, 4):
        analytic_kernel(x, architecture=architecture, fixed_layers=fixed)
    assert _homogeneous._cache_size() == before


@pytest.mark.parametrize("count", [-1, 4, 1.0, True, "1", None])
def test_counts_that_are_none(count):
    for function in (analytic_kernel, analytic_kernels):
        with pytest.raises(DataError, match=r"fixed_layers is .*, expected an integer from 0 to 3, the depth"):
            function(np.eye(3), architecture=Architecture(depth=3), fixed_layers=count)
    analytic_kernel(np.eye(3), architecture=Architecture(depth=3), fixed_layers=np.int64(3))
