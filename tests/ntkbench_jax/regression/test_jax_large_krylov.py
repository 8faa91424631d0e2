"""Training at finite times from Krylov spaces: against high precision, plain loops, and its own error bounds."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkbench.architecture.nodes import Architecture
from ntkbench.dynamics import decompose, kernel_dynamics
from ntkbench.errors import DataError
from ntkbench_jax import analytic_kernels
from ntkbench_jax.regression.krylov import krylov_dynamics
from ntkbench_jax.regression.lanczos import KrylovSpace


def with_spectrum(values, seed=0):
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values),) * 2))[0]
    matrix = vectors * values @ vectors.T
    return 0.5 * (matrix + matrix.T)


def times(matrix):
    return lambda vectors: matrix @ vectors


def in_high_precision(matrix, target, t, rho):
    """c_t and f_t - f_0 of gradient flow from the eigenvalues in 40 digits."""
    with mpmath.workdps(40):
        n = len(matrix)
        values, vectors = mpmath.eigsy(mpmath.matrix(matrix.tolist()))
        modes = vectors.T * mpmath.matrix(target.tolist())
        gain = [(1 - mpmath.exp(-mpmath.mpf(t) * (v + rho) / n)) / (v + rho) for v in values]
        coefficients = vectors * mpmath.matrix([g * m for g, m in zip(gain, modes, strict=True)])
        trained = mpmath.matrix(matrix.tolist()) * coefficients
        return (np.array([float(v) for v in a]) for a in (coefficients, trained))


@pytest.mark.parametrize("rho", [0.0, 0.3])
@pytest.mark.parametrize("t", [1e-6, 1.0, 40.0, 1e5])
def test_gradient_flow_to_the_last_digits(t, rho):
    n = 14
    matrix, target = with_spectrum(np.geomspace(5, 0.1, n)), np.random.default_rng(1).normal(size=n)
    found = krylov_dynamics(times(matrix), target[:, None], times=[t], rho=rho, tolerance=1e-13)
    coefficients, trained = in_high_precision(matrix, target, t, rho)
    norm = np.linalg.norm(target)
    np.testing.assert_allclose(found.coefficients[0, :, 0], coefficients, atol=1e-13 * np.abs(coefficients).max())
    error = np.linalg.norm(matrix @ found.coefficients[0, :, 0] - trained) / norm
    assert error <= found.error[0, 0]
    assert found.error[0, 0] <= 1e-13
    np.testing.assert_allclose(found.residual_train[0, :, 0], target - trained, atol=1e-14 * norm)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 40),
    st.floats(0, 10),
    st.floats(-3, 7).map(lambda power: 10**power),
    st.sampled_from([0.0, 1e-3, 1.0]),
    st.floats(-9, -1).map(lambda power: 10**power),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_the_error_bounds_of_gradient_flow_hold(n, decades, t, rho, tolerance, largest, seed):
    """Also where the space is too small; at points by the kernel's own square root, whose rows any point's may be."""
    matrix = with_spectrum(3 * np.logspace(0, -decades, n), seed)
    target = np.random.default_rng(seed).normal(size=(n, 2))
    found = krylov_dynamics(
        times(matrix), target, times=[t], rho=rho, tolerance=tolerance, max_dimension=largest, group=1
    )
    check_bounds(found, matrix, target, {"times": [t], "rho": rho}, slack=1)
    if (
        largest >= n
    ):  # what float64 leaves uncertain: four roundings of |T| |c_t| <= 3 t / n |b| and of |b|, and as much
        assert (found.error <= np.maximum(tolerance, 8 * np.finfo(float).eps * (3 * t / n + 1))).all()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 40),
    st.floats(0, 10),
    st.integers(0, 2000),
    st.sampled_from([0.0, 1.0]),
    st.floats(0.01, 0.999),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_the_error_bounds_of_gradient_descent_hold(n, decades, steps, rho, rate, largest, seed):
    matrix = with_spectrum(3 * np.logspace(0, -decades, n), seed)
    target = np.random.default_rng(seed).normal(size=(n, 1))
    schedule = {"steps": [steps], "learning_rate": rate * n / (3 + rho), "rho": rho}
    found = krylov_dynamics(times(matrix), target, tolerance=1e-6, max_dimension=largest, **schedule)
    check_bounds(found, matrix, target, schedule, slack=1)


def check_bounds(found, matrix, target, schedule, slack):
    spectrum = decompose(matrix)
    root = spectrum.eigenvectors * np.sqrt(np.maximum(spectrum.eigenvalues, 0))  # T = root root^T
    # kernel_test for "points" whose kernel with X is T^1/2, and with themselves the identity
    exact = kernel_dynamics(matrix, root.T, target, spectrum=spectrum, **schedule)
    norms, rounding = np.linalg.norm(target, axis=0), 1e-12
    error = np.linalg.norm(matrix @ found.coefficients - exact.train, axis=1) / norms
    assert (error <= slack * found.error + rounding).all()
    remaining = np.linalg.norm(found.residual_train - exact.residual_train, axis=1) / norms
    assert (remaining <= slack * found.error + rounding).all() or schedule["rho"] > 0
    at_points = np.linalg.norm(root.T @ found.coefficients - exact.test, axis=1)
    scale = np.linalg.norm(exact.test, axis=1)
    assert (at_points <= slack * found.error_at_points + 1e-9 * scale + rounding).all()


@pytest.mark.parametrize("share", [0.3, 1.0, 1.9])
def test_gradient_descent_is_its_own_steps(share):
    rng = np.random.default_rng(2)
    n, steps, rho = 30, [0, 1, 7, 300], 0.05
    matrix = with_spectrum(np.geomspace(4, 1e-3, n))
    target = rng.normal(size=(n, 2))
    rate = share * n / (4 + rho)
    found = krylov_dynamics(times(matrix), target, steps=steps, learning_rate=rate, rho=rho, tolerance=1e-12)
    c = np.zeros_like(target)
    for step in range(max(steps) + 1):
        if step in steps:
            np.testing.assert_allclose(found.coefficients[steps.index(step)], c, atol=1e-10 * max(1, np.abs(c).max()))
        c += rate / n * (target - matrix @ c - rho * c)
    assert found.error.max() <= 1e-12
    assert (found.coefficients[0] == 0).all()


def test_descent_that_diverges_is_refused():
    matrix = with_spectrum(np.linspace(1, 4, 20))
    with pytest.raises(DataError, match=r"stable below 9\.\d"):
        krylov_dynamics(times(matrix), np.ones((20, 1)), steps=[5], learning_rate=10.2, rho=0.1)


def test_every_time_from_one_space_and_every_column_from_common_products():
    rng = np.random.default_rng(3)
    x, target = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    kernel = analytic_kernels(x, architecture=Architecture(depth=2)).ntk
    schedule = {"times": [0.0, 3.0, 100.0, 1e4, np.inf]}
    exact = kernel_dynamics(kernel, kernel[:7], target, **schedule)
    asked = []

    def counted(vectors):
        asked.append(vectors.shape[1])
        return kernel @ vectors

    whole = krylov_dynamics(counted, target, tolerance=1e-11, **schedule)
    assert len(asked) == max(whole.dimensions) < 200
    assert asked[0] == 5
    assert sum(asked) == sum(whole.dimensions)
    # the eigendecomposition it is held against is right to N roundings of the largest eigenvalue
    np.testing.assert_allclose(kernel[:7] @ whole.coefficients, exact.test, atol=1e-10)
    np.testing.assert_allclose(whole.residual_train, exact.residual_train, atol=1e-10)
    assert np.isclose(whole.largest_eigenvalue, np.linalg.eigvalsh(kernel)[-1], rtol=1e-12)
    one_by_one = krylov_dynamics(times(kernel), target, tolerance=1e-11, group=1, **schedule)
    np.testing.assert_allclose(one_by_one.coefficients, whole.coefficients, atol=1e-9)


def test_what_does_not_converge_says_how_far_it_came():
    matrix = with_spectrum(np.geomspace(1, 1e-6, 60))
    found = krylov_dynamics(times(matrix), np.ones((60, 1)), times=[1e9], tolerance=1e-10, max_dimension=10)
    assert found.dimensions == (10,)
    assert found.error[0, 0] > 1e-10


def test_a_kernel_of_low_rank_is_exhausted_early():
    values = np.zeros(40)
    values[:3] = [3, 2, 1]
    matrix, target = with_spectrum(values), np.random.default_rng(4).normal(size=(40, 1))
    found = krylov_dynamics(times(matrix), target, times=[5.0, np.inf], tolerance=1e-11)
    assert found.dimensions[0] <= 5
    exact = kernel_dynamics(matrix, matrix, target, times=[5.0, np.inf])
    np.testing.assert_allclose(matrix @ found.coefficients[:1], exact.test[:1], atol=1e-13)
    assert found.error[0, 0] < 1e-12
    # at rest the residual in the null space remains, which is honest: no solution of the linear system exists
    null = np.linalg.norm(exact.residual_train[1]) / np.linalg.norm(target)
    assert found.error[1, 0] >= 0.99 * null


def test_nothing_to_learn_and_nothing_to_learn_with():
    matrix = with_spectrum(np.linspace(1, 2, 12))
    found = krylov_dynamics(times(matrix), np.zeros((12, 2)), times=[1.0, np.inf])
    assert (found.coefficients == 0).all()
    assert (found.error == 0).all()
    tiny = krylov_dynamics(times(matrix), np.ones((12, 1)) * [1.0, 1e-200, 1e200], times=[1.0])
    np.testing.assert_allclose(tiny.coefficients / [1.0, 1e-200, 1e200], tiny.coefficients[..., :1] * np.ones(3))
    frozen = krylov_dynamics(times(np.zeros((12, 12))), np.ones((12, 1)), times=[4.0])
    np.testing.assert_allclose(frozen.coefficients[0], 4.0 / 12)
    np.testing.assert_allclose(frozen.residual_train[0], 1.0)
    one = krylov_dynamics(times(np.array([[2.0]])), np.ones((1, 1)), times=[3.0])
    np.testing.assert_allclose(one.coefficients[0, 0, 0], -np.expm1(-6.0) / 2, rtol=1e-15)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, "give steps"),
        ({"times": [1.0], "steps": [1], "learning_rate": 0.1}, "give steps"),
        ({"steps": [1]}, "learning_rate belongs to steps"),
        ({"times": [-1.0]}, "negative"),
        ({"times": [np.nan]}, "nan"),
        ({"times": [1.0], "rho": -1.0}, "rho is -1"),
    ],
)
def test_a_schedule_that_makes_no_sense(keywords, message):
    with pytest.raises(DataError, match=message):
        krylov_dynamics(times(np.eye(3)), np.ones((3, 1)), **keywords)


@pytest.mark.parametrize("residual", [np.ones(3), np.full((3, 1), np.nan)])
def test_a_residual_that_makes_no_sense(residual):
    with pytest.raises(DataError, match="finite values of shape"):
        krylov_dynamics(times(np.eye(3)), residual, times=[1.0])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.floats(0, 12), st.integers(0, 2**32 - 1))
def test_lanczos_relation_and_orthogonality(n, decades, seed):
    matrix = with_spectrum(np.logspace(0, -decades, n), seed)
    space = KrylovSpace(np.random.default_rng(seed).normal(size=n), n)
    while not space.complete:
        space.extend(matrix @ space.last)
    V = space.basis
    np.testing.assert_allclose(V @ V.T, np.eye(space.dimension), atol=1e-13)
    np.testing.assert_allclose(V @ matrix @ V.T, space.projected(), atol=1e-13)
    left = matrix @ V.T - V.T @ space.projected()
    assert np.linalg.norm(left[:, :-1]) < 1e-13
    np.testing.assert_allclose(np.linalg.norm(left[:, -1]), space.remainder, atol=1e-13)
    assert space.dimension == n or space.remainder < 1e-14
