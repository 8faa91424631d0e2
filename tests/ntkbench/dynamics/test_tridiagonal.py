"""The tridiagonal form against plain inverses in high precision, and against the eigendecomposition."""

import mpmath
import numpy as np
import pytest

from ntkbench.dynamics import decompose, log_marginal_likelihood, tridiagonalise
from ntkbench.errors import DataError


def kernel_of(n, seed=0, features=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    return np.exp(-np.square(x[:, None] - x).sum(-1)), rng.normal(size=(n, 2))


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_solutions_for_many_ridges_are_those_of_high_precision(n):
    kernel, y = kernel_of(n)
    ridges = (1e-3, 0.1, 10.0)
    form = tridiagonalise(kernel)
    found = form.solve(y, ridges)
    assert found.shape == (3, n, 2)
    with mpmath.workdps(60):
        for one, rho in zip(found, ridges, strict=True):
            matrix = mpmath.matrix(kernel.tolist()) + mpmath.mpf(rho) * mpmath.eye(n)
            exact = np.array((matrix**-1 * mpmath.matrix(y.tolist())).tolist(), dtype=float)
            np.testing.assert_allclose(one, exact, rtol=0, atol=1e-14 * np.linalg.norm(exact) / min(rho, 1.0))
            quadratic = np.sum(y * exact, axis=0)
            np.testing.assert_allclose(form.quadratic(y, rho), quadratic, rtol=1e-14 / min(rho, 1.0))
            determinant = float(mpmath.log(mpmath.det(matrix)))
            assert form.log_determinant(rho) == pytest.approx(determinant, rel=1e-13, abs=1e-13)


def test_it_has_the_eigenvalues_rank_and_evidence_of_the_decomposition():
    kernel, y = kernel_of(200)
    form, spectrum = tridiagonalise(kernel), decompose(kernel)
    largest = spectrum.eigenvalues[0]
    np.testing.assert_allclose(form.eigenvalues, spectrum.eigenvalues, rtol=0, atol=1e-14 * largest)
    for rho in (0.0, 1e-12, 1e-6, 1.0):
        assert form.rank(rho) == spectrum.rank(rho)
    for rho in (1e-6, 1e-2, 1.0):
        one, other = log_marginal_likelihood(form, y, rho), log_marginal_likelihood(spectrum, y, rho)
        # eigenvalues differ by some 1e-14 of the largest; a ridge far above that hides it
        assert one.value == pytest.approx(other.value, rel=1e-13 * largest / rho)
        np.testing.assert_allclose(one.data_fit, other.data_fit, rtol=1e-13 * largest / rho)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_any_scale(scale):
    kernel, y = kernel_of(20)
    plain, scaled = tridiagonalise(kernel), tridiagonalise(scale * kernel)
    np.testing.assert_allclose(scale * scaled.solve(y, (0.1 * scale,)), plain.solve(y, (0.1,)), rtol=1e-10)


def test_a_diagonal_matrix_and_one_of_rank_one():
    y = np.arange(1.0, 5.0)[:, None]
    form = tridiagonalise(np.diag([4.0, 3.0, 2.0, 0.0]))
    np.testing.assert_allclose(form.solve(y, (1.0,))[0, :, 0], [1 / 5, 2 / 4, 3 / 3, 4 / 1], rtol=1e-15)
    assert form.rank() == 3
    ones = tridiagonalise(np.ones((4, 4)))
    np.testing.assert_allclose(ones.solve(y, (0.5,))[0, :, 0], 2 * (y[:, 0] - 10 / 4.5), atol=1e-14)


def test_what_is_not_definite_or_not_symmetric_is_refused():
    form = tridiagonalise(np.diag([1.0, -1.0, 2.0]))
    with pytest.raises(DataError, match=r"T \+ 0.5 I is not positive definite; give a ridge above 1"):
        form.solve(np.ones((3, 1)), (0.5,))
    with pytest.raises(DataError, match="not positive definite"):
        tridiagonalise([[0.0]]).solve(np.ones((1, 1)), (0.0,))
    with pytest.raises(DataError, match="not symmetric"):
        tridiagonalise([[1.0, 2.0], [0.0, 1.0]])
