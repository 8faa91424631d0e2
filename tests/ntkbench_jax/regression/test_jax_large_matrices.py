"""Solving with matrices in their own place, by preconditioned iterations, and with kernels that come in tiles."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench_jax import analytic_kernels, kernel_diagonal
from ntkbench_jax.regression import cholesky
from ntkbench_jax.regression.cholesky import SingularKernelError, factorise, well_conditioned
from ntkbench_jax.regression.conjugate import conjugate_gradients
from ntkbench_jax.regression.dense import symmetric_product
from ntkbench_jax.regression.source import AnalyticSource, assemble, predict, product

EPSILON = np.finfo(np.float64).eps


def definite(n, condition, seed=0, scale=1.0):
    """A symmetric matrix with eigenvalues spread geometrically, its eigenvectors at random; Fortran-ordered."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(n, n)))[0]
    matrix = vectors * np.geomspace(1, 1 / condition, n) @ vectors.T * scale
    return np.asfortranarray(0.5 * (matrix + matrix.T))


@pytest.mark.parametrize("panel", [1, 7, 100, 299, 512])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_factor_takes_the_place_of_its_matrix_which_stays_readable(dtype, panel, monkeypatch):
    monkeypatch.setattr(cholesky, "_PANEL", panel)
    matrix = definite(300, 1e3).astype(dtype, order="F")
    before = matrix.copy()
    factor = factorise(matrix)
    assert factor.matrix is matrix
    assert factor.shift == 0
    lower = np.tril(matrix)
    epsilon = np.finfo(dtype).eps
    np.testing.assert_allclose(lower @ lower.T, before, atol=10 * epsilon)
    np.testing.assert_allclose(lower, np.linalg.cholesky(before.astype(float)), atol=1e4 * epsilon)
    np.testing.assert_array_equal(np.triu(matrix, 1), np.triu(before, 1))
    vectors = np.random.default_rng(1).normal(size=(300, 3)).astype(dtype)
    after = matrix.copy()
    for columns in (1, 3):
        found, exact = factor.product(vectors[:, :columns]), before.astype(float) @ vectors[:, :columns]
        np.testing.assert_allclose(found, exact, atol=300 * epsilon)
        assert found.dtype == dtype
    np.testing.assert_array_equal(matrix, after)


def test_neither_factor_nor_solution_nor_product_needs_a_second_matrix(monkeypatch):
    monkeypatch.setattr(cholesky, "_PANEL", 8)
    matrix = definite(700, 1e3)
    right = np.ones((700, 2))
    size = matrix.nbytes
    tracemalloc.start()
    factor = factorise(matrix)
    factor.product(factor.solve(right))
    well_conditioned(factor)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 20


def test_a_restored_matrix_needs_no_second_one_either(monkeypatch):
    monkeypatch.setattr(cholesky, "_PANEL", 32)
    matrix = (definite(1500, 1e12) - 1e-6 * np.eye(1500)).astype(np.float32, order="F")
    tracemalloc.start()
    assert factorise(matrix, shift_if_needed=True).shift > 1e-7
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < matrix.nbytes / 5  # strips of 256 columns


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("columns", [1, 4, 20])
def test_solutions_are_as_good_as_lapacks_at_any_scale(scale, columns):
    matrix = definite(120, 1e4, scale=scale)
    before, right = matrix.copy(), np.random.default_rng(2).normal(size=(120, columns))
    factor = well_conditioned(factorise(matrix))
    found = factor.solve(right)
    np.testing.assert_allclose(found * scale, scipy.linalg.solve(before / scale, right, assume_a="pos"), rtol=1e-9)
    left = np.linalg.norm(factor.product(found) - right, axis=0) / np.linalg.norm(right, axis=0)
    assert (left < 1e4 * 10 * EPSILON).all()


def test_the_condition_number_is_estimated_from_the_factor():
    matrix = definite(80, 1e6)
    exact = 1 / (np.linalg.norm(matrix, 1) * np.linalg.norm(np.linalg.inv(matrix), 1))
    # the estimate of a norm is at most the norm, and rarely below a third of it
    assert exact * (1 - 1e-6) <= factorise(matrix).reciprocal_condition() < 3 * exact


@pytest.mark.parametrize("panel", [2, 512])
def test_what_has_no_factor_is_refused_with_the_point_that_is_to_blame(panel, monkeypatch):
    monkeypatch.setattr(cholesky, "_PANEL", panel)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 4))
    low_rank = np.asfortranarray(x @ x.T)
    with pytest.raises(SingularKernelError, match=r"positive definite to the rounding of float64.*combination"):
        factorise(low_rank - 1e-15 * np.eye(9))
    with pytest.raises(SingularKernelError, match="order 1 "):
        factorise(np.zeros((3, 3), order="F"))
    duplicate = np.eye(5, order="F")
    duplicate[4, 2] = duplicate[2, 4] = 1
    with pytest.raises(SingularKernelError, match="point 4"):
        factorise(duplicate)
    with pytest.raises(SingularKernelError, match="reciprocal condition number"):
        well_conditioned(factorise(np.asfortranarray(np.diag([1.0, 1e-17]))))
    for shift_if_needed in (False, True):
        with pytest.raises(SingularKernelError, match="order 1 "):
            factorise(np.zeros((3, 3), order="F"), shift_if_needed=shift_if_needed)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    matrix = np.eye(4, order="F")
    matrix[1, 2] = matrix[2, 1] = bad
    with pytest.raises(DataError, match="beyond the range of float64"):
        factorise(matrix)


@pytest.mark.parametrize("n", [1, 5, 255, 256, 257, 600])
def test_a_matrix_without_a_factor_is_restored_and_shifted(n):
    """The last eigenvalue is below the rounding of float32."""
    matrix = definite(n, 1e12).astype(np.float32, order="F") if n > 1 else np.full((1, 1), -1e-8, np.float32, order="F")
    matrix[np.diag_indices(n)] -= np.float32(1e-6 if n > 1 else 0)
    if n == 1:
        with pytest.raises(SingularKernelError):  # negative beyond its own rounding: no shift is a small one
            factorise(matrix, shift_if_needed=True)
        return
    before = matrix.copy()
    factor = factorise(matrix, shift_if_needed=True)
    assert 1e-7 < factor.shift < 1e-3
    lower = np.tril(matrix).astype(float)
    np.testing.assert_allclose(lower @ lower.T, before + factor.shift * np.eye(n), atol=1e-5)
    np.testing.assert_array_equal(np.triu(matrix, 1), np.triu(before, 1))
    np.testing.assert_array_equal(factor.diagonal, np.diag(before))


@pytest.mark.parametrize("columns", [1, 4, 5, 8, 9, 30])
@pytest.mark.parametrize("both", [True, False])
def test_products_read_the_triangles_they_may(columns, both):
    matrix = definite(50, 1e2)
    vectors = np.random.default_rng(4).normal(size=(50, columns))
    exact = matrix @ vectors
    if not both:
        matrix[np.tril_indices(50, -1)] = np.nan
    np.testing.assert_allclose(symmetric_product(matrix, vectors, both=both), exact, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.floats(0, 8).map(lambda power: 10**power),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_float64_solutions_from_float32_factors(n, condition, columns, seed):
    matrix, right = definite(n, condition, seed), np.random.default_rng(seed).normal(size=(n, columns))
    factor = factorise(matrix.astype(np.float32, order="F"), shift_if_needed=True)
    found = conjugate_gradients(lambda v: matrix @ v, factor.solve, right, tolerance=1e-12)
    left = np.linalg.norm(right - matrix @ found.solution, axis=0) / np.linalg.norm(right, axis=0)
    rounding = 4 * EPSILON * np.linalg.norm(found.solution, axis=0) / np.linalg.norm(right, axis=0)
    assert (np.abs(left - found.residual) <= rounding + 1e-15).all()  # what is reported is what is
    assert (found.residual <= np.maximum(1e-12, 10 * rounding)).all()
    if condition <= 1e4:
        assert found.iterations <= 5


def test_each_column_is_solved_on_its_own():
    matrix = definite(60, 1e5)
    right = np.random.default_rng(5).normal(size=(60, 3))
    right[:, 1] = 0
    right[:, 2] *= 1e-200
    factor = factorise(matrix.astype(np.float32, order="F"))

    def solve(some):
        return conjugate_gradients(lambda v: matrix @ v, factor.solve, some, tolerance=1e-11)

    whole = solve(right)
    assert (whole.solution[:, 1] == 0).all()
    assert whole.residual[1] == 0
    assert (whole.residual <= 1e-11).all()
    for column in (0, 2):
        alone = solve(right[:, [column]]).solution[:, 0]
        np.testing.assert_allclose(whole.solution[:, column], alone, atol=1e-9 * np.abs(alone).max(), rtol=0)


def test_an_iteration_that_cannot_converge_says_so():
    singular = np.diag([1.0, 0.5, 0.0])
    right = np.array([[1.0], [1.0], [1.0]])
    found = conjugate_gradients(lambda v: singular @ v, lambda r: r, right, tolerance=1e-10)
    assert found.residual[0] >= 1 / np.sqrt(3) - 1e-12  # what lies in the null space stays
    assert np.isfinite(found.solution).all()
    capped = conjugate_gradients(
        lambda v: definite(50, 1e6) @ v, lambda r: r, np.ones((50, 1)), tolerance=1e-10, max_iterations=3
    )
    assert capped.iterations == 3
    assert capped.residual[0] > 1e-10


class Recorded:
    """A kernel that notes which entries were asked for at once."""

    def __init__(self, x):
        self.x, self.size, self.asked, self.rows = x, len(x), np.zeros((len(x), len(x)), int), []

    def tile(self, rows, columns):
        self.asked[rows, columns] += 1
        return self.x[rows] @ self.x[columns].T

    def against(self, points):
        self.rows.append(len(points))
        return points @ self.x.T


@pytest.mark.parametrize("edge", [1, 7, 23, 24])
def test_products_from_tiles_of_one_triangle(edge):
    rng = np.random.default_rng(6)
    source, vectors = Recorded(rng.normal(size=(23, 4))), rng.normal(size=(23, 3))
    exact = source.x @ (source.x.T @ vectors)
    np.testing.assert_allclose(product(source, vectors, edge), exact, atol=1e-13)
    assert (source.asked.max(), (source.asked + source.asked.T > 0).all()) == (1, True)
    assert source.asked[-1, 0] == (0 if edge < 23 else 1)


@pytest.mark.parametrize(("block_bytes", "most"), [(1, 1), (8 * 23 * 5, 5), (1 << 27, 11)])
def test_predictions_hold_a_block_of_rows(block_bytes, most):
    rng = np.random.default_rng(7)
    source, points, coefficients = (
        Recorded(rng.normal(size=(23, 4))),
        rng.normal(size=(11, 4)),
        rng.normal(size=(23, 2)),
    )
    found = predict(source, points, coefficients, block_bytes)
    np.testing.assert_allclose(found, points @ source.x.T @ coefficients, atol=1e-13)
    assert max(source.rows) == most
    assert sum(source.rows) == 11
    assert predict(source, points[:0], coefficients).shape == (0, 2)


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_the_analytic_kernel_as_a_source(kernel):
    rng = np.random.default_rng(8)
    x, z, architecture = rng.normal(size=(13, 3)), rng.normal(size=(4, 3)), Architecture(depth=2)
    source = AnalyticSource(x, architecture, kernel)
    whole = getattr(analytic_kernels(x, architecture=architecture), kernel)
    assert source.size == 13
    for dtype, epsilon in ((np.float64, 1e-15), (np.float32, 4e-6)):
        matrix = assemble(source, dtype)
        assert (matrix.dtype, matrix.flags.f_contiguous) == (dtype, True)
        np.testing.assert_allclose(matrix, whole, rtol=epsilon, atol=epsilon)
    np.testing.assert_allclose(source.diagonal(), np.diag(whole), rtol=1e-14)
    np.testing.assert_array_equal(source.diagonal(), getattr(kernel_diagonal(x, architecture=architecture), kernel))
    np.testing.assert_allclose(source.tile(slice(2, 5), slice(7, 13)), whole[2:5, 7:13], rtol=1e-14)
    np.testing.assert_allclose(
        source.against(z), getattr(analytic_kernels(z, x, architecture=architecture), kernel), rtol=1e-14
    )
