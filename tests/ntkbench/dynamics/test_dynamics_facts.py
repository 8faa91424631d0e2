"""The spectrum's facts against 50-digit eigenvalues, known matrices, and densities of scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.stats import multivariate_normal

from ntkbench.dynamics import (
    Modes,
    Spectrum,
    decompose,
    effective_dimension,
    ensemble_covariance,
    ensemble_covariance_cross,
    ensemble_law,
    log_marginal_likelihood,
    operator_norm,
    smallest_eigenvalue,
    target_projections,
)
from ntkbench.dynamics.spectral_quantities import SmallestEigenvalue
from ntkbench.errors import DataError

EPS = np.finfo(float).eps


def gram(seed, n, features, scale=1.0):
    x = np.random.default_rng(seed).normal(size=(n, features)) * scale
    return x @ x.T


def true_smallest(kernel):
    with mp.workdps(50):
        return min(mp.eigsy(mp.matrix(kernel.tolist()), eigvals_only=True))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 8),
    features=st.integers(1, 10),
    scale=st.sampled_from([1e-140, 1e-3, 1.0, 1e140]),
)
def test_the_bound_holds_and_is_small(seed, n, features, scale):
    kernel = gram(seed, n, features, scale)
    found = smallest_eigenvalue(kernel, decompose(kernel))
    assert abs(found.value - true_smallest(kernel)) <= found.error
    assert found.error <= 20 * (n + 4) * EPS * np.trace(kernel)


def test_the_bound_does_not_believe_the_eigensolver():
    kernel = gram(0, 6, 9)
    right = decompose(kernel)
    wrong = right.eigenvalues - np.array([0, 0, 0, 0, 0, 1.0])
    for eigenvalues in (wrong, right.eigenvalues + 2.0):
        found = smallest_eigenvalue(kernel, Spectrum(eigenvalues, right.eigenvectors))
        assert abs(found.value - true_smallest(kernel)) <= found.error
    second = np.column_stack([right.eigenvectors[:, :4], right.eigenvectors[:, [5, 4]]])  # the smallest is missed
    found = smallest_eigenvalue(kernel, Spectrum(np.append(right.eigenvalues[:4], right.eigenvalues[[5, 4]]), second))
    assert abs(found.value - true_smallest(kernel)) <= found.error


def test_errors_of_entries_move_it_by_at_most_their_share_of_the_trace():
    """The worst case of |E_ij| <= e sqrt(k_ii k_jj) is rank one, and attains it."""
    kernel, e = np.diag([4.0, 1.0]), 1e-3
    d = np.sqrt(np.diag(kernel))
    kernel = np.outer(d, d)  # singular: its null vector feels the diagonal's error alone
    found = smallest_eigenvalue(kernel, decompose(kernel), entry_error=e)
    assert found.error == pytest.approx(e * 5.0, rel=1e-9)
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        perturbed = kernel + e * np.outer(d * signs[0], d * signs[1])
        assert abs(np.linalg.eigvalsh(perturbed)[0] - found.value) <= found.error


def test_definiteness():
    x = gram(1, 6, 4)  # rank 4 of 6
    assert smallest_eigenvalue(x, decompose(x)).definiteness in ("zero within error", "undecided")
    y = gram(1, 6, 9)
    assert smallest_eigenvalue(y, decompose(y)).definiteness == "positive"
    assert smallest_eigenvalue(y, decompose(y), entry_error=1.0).definiteness == "undecided"
    z = y - 10 * np.eye(6)
    assert smallest_eigenvalue(z, decompose(z)).definiteness == "negative"
    zero = np.zeros((3, 3))
    assert smallest_eigenvalue(zero, decompose(zero)).definiteness == "zero within error"
    assert SmallestEigenvalue(3e-15, 1e-13, 1e-15).definiteness == "undecided"


def test_duplicates_are_counted():
    kernel = gram(2, 12, 40)
    kernel[3], kernel[:, 3] = kernel[4], kernel[:, 4]
    kernel[3, 3] = kernel[4, 4]
    spectrum = decompose(kernel)
    assert spectrum.rank() == 11
    assert spectrum.rank(rho=0.1) == 12
    assert spectrum.cutoff < 1e-13 * spectrum.eigenvalues[0]


def test_eigenvectors_are_orthogonal_to_rounding_at_any_size():
    """LAPACK's default driver leaves 1e-12 here."""
    x = np.random.default_rng(0).normal(size=(600, 32))
    kernel = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / 64)
    V = decompose(kernel).eigenvectors
    assert np.abs(V.T @ V - np.eye(600)).max() < 2e-14


def test_norm_dimension_and_projections():
    spectrum = decompose(np.diag([4.0, 2.0, 0.0]))
    assert operator_norm(spectrum.eigenvalues) == 4 / 3
    assert operator_norm([1.0, -3.0]) == 1.5
    assert effective_dimension(spectrum, 2.0) == pytest.approx(4 / 6 + 2 / 4)
    assert effective_dimension(spectrum, 0.0) == 2
    y = np.array([[1.0, 0], [2, 0], [3, 1]])
    np.testing.assert_array_equal(target_projections(spectrum, y), y)


@pytest.mark.parametrize("rho", [0.0, 0.3, 5.0])
def test_log_marginal_likelihood_is_the_gaussians(rho):
    kernel, y = gram(3, 9, 30), np.random.default_rng(4).normal(size=(9, 2))
    found = log_marginal_likelihood(decompose(kernel), y, rho)
    expected = [multivariate_normal(np.zeros(9), kernel + rho * np.eye(9)).logpdf(y[:, o]) for o in range(2)]
    np.testing.assert_allclose(found.per_output, expected, rtol=1e-12)
    assert found.value == pytest.approx(sum(expected), rel=1e-12)
    assert found.log_determinant == pytest.approx(np.linalg.slogdet(kernel + rho * np.eye(9))[1], rel=1e-12)


def test_a_singular_gaussian_has_no_density_and_noise_gives_it_one():
    kernel, y = gram(3, 6, 3), np.ones((6, 1))
    with pytest.raises(DataError, match=r"rank 3 of 6 .*no density; add noise"):
        log_marginal_likelihood(decompose(kernel), y)
    expected = multivariate_normal(np.zeros(6), kernel + 0.1 * np.eye(6)).logpdf(y[:, 0])
    assert log_marginal_likelihood(decompose(kernel), y, 0.1).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_modes_of_the_driving_kernel_are_its_eigenvalues(rho):
    K, n = gram(5, 12, 20), 8
    spectrum = decompose(K[:n, :n])
    full, known = Modes.of(spectrum, K[:n, :n]), Modes.of_driving(spectrum)
    when = {"times": [0.0, 3.0, np.inf], "rho": rho}
    for function, more in (
        (ensemble_covariance, (K[n:, :n], K[n:, n:])),
        (ensemble_covariance_cross, (K[n:, :n],)),
        (ensemble_law, (K[n:, :n], np.diag(K)[n:])),
    ):
        found = [function(spectrum, K[n:, :n], modes, *more, **when) for modes in (K[:n, :n], full, known)]
        for other in found[1:]:
            np.testing.assert_allclose(np.concatenate(other, -1), np.concatenate(found[0], -1), rtol=0, atol=1e-12)


def test_mistakes_are_named():
    spectrum = decompose(np.eye(3))
    with pytest.raises(DataError, match=r"kernel_train has shape \(2, 2\)"):
        smallest_eigenvalue(np.eye(2), spectrum)
    with pytest.raises(DataError, match=r"entry_error is -1"):
        smallest_eigenvalue(np.eye(3), spectrum, entry_error=-1)
    with pytest.raises(DataError, match=r"y_train has shape \(2, 1\)"):
        log_marginal_likelihood(spectrum, np.ones((2, 1)))
    with pytest.raises(DataError, match=r"rho is -1"):
        log_marginal_likelihood(spectrum, np.ones((3, 1)), -1)
    with pytest.raises(DataError, match="the modes are of 2 training points, the spectrum of 3"):
        ensemble_law(spectrum, np.ones((1, 3)), Modes.of(decompose(np.eye(2)), np.eye(2)), np.ones((1, 3)), [1.0])
