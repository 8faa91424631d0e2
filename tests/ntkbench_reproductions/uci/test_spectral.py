"""What spectra say of learning, against closed forms and against the matrices themselves."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench_reproductions.uci.spectral import complexity, cumulative_power, effective_dimension, target_alignment


def matrix(seed=0, n=12, outputs=2):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((n, n))
    kernel, y = factor @ factor.T, rng.standard_normal((n, outputs))
    values, vectors = np.linalg.eigh(kernel)
    return kernel, y, values[::-1], vectors[:, ::-1].T @ y


def test_equal_eigenvalues():
    assert effective_dimension(np.full(10, 3.0), 3.0) == 5.0
    assert effective_dimension(np.full(10, 3.0), 0.0) == 10.0
    assert complexity(np.full(4, 3.0), np.ones(4), 1.0) == 0.25


def test_of_a_power_law_the_effective_dimension_is_that_of_its_integral():
    """sum_i 1 / (1 + rho i^2) -> (pi sqrt(1/rho) coth(pi sqrt(1/rho)) - 1) / 2, all i from 1."""
    rho = 1e-4
    root = np.pi / np.sqrt(rho)
    expected = (root / np.tanh(root) - 1) / 2
    eigenvalues = 1.0 / np.arange(1.0, 4e6) ** 2
    assert effective_dimension(eigenvalues, rho) == pytest.approx(expected, rel=1e-4)  # the tail left out: 1e4 / 4e6


def test_against_the_matrices():
    kernel, y, values, projections = matrix()
    n = len(y)
    assert effective_dimension(values, 0.7) == pytest.approx(
        np.trace(kernel @ np.linalg.inv(kernel + 0.7 * np.eye(n))), rel=1e-12
    )
    assert complexity(values, projections, 0.7) == pytest.approx(
        np.trace(y.T @ np.linalg.solve(kernel + 0.7 * np.eye(n), y)) / n, rel=1e-12
    )
    assert target_alignment(values, projections) == pytest.approx(
        np.sum(kernel * (y @ y.T)) / (np.linalg.norm(kernel) * np.square(y).sum()), rel=1e-12
    )


def test_targets_along_one_mode():
    values = np.array([4.0, 2.0, 1.0])
    assert target_alignment([5.0, 0.0, 0.0], [2.0, 0.0, 0.0]) == 1.0
    assert cumulative_power([0.0, 3.0, 0.0], 1) == 0.0
    assert cumulative_power([0.0, 3.0, 4.0], 2) == pytest.approx(9 / 25, rel=1e-15)
    assert cumulative_power(np.ones((3, 2)), 3) == 1.0
    assert complexity(values, [0.0, 3.0, 0.0], 1.0) == pytest.approx(1.0, rel=1e-15)


def test_rounding_below_zero_is_zero():
    assert effective_dimension([1.0, -1e-17], 1.0) == 0.5
