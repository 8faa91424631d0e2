"""Quantities of a kernel's spectrum and the targets that predict how well it learns them, without training.

All take the eigenvalues of the Gram matrix T (N,) and the targets' projections on its eigenvectors (N,) or (N, O).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def effective_dimension(eigenvalues: ArrayLike, rho: float) -> float:
    """Return ``sum_i lambda_i / (lambda_i + rho)`` (Zhang 2005; Caponnetto and De Vito 2007).

    Gradient descent on 1/(2N) |f - y|^2 for a time t acts as a ridge of about ``rho = N / t``.
    """
    values = _positive(eigenvalues)
    return float(np.sum(values / (values + rho)))


def cumulative_power(projections: ArrayLike, count: int) -> float:
    """Return the share of ``|y|^2`` along the ``count`` leading eigenvectors (Canatar et al. 2021)."""
    energy = _energy(projections)
    return float(energy[:count].sum() / energy.sum())


def target_alignment(eigenvalues: ArrayLike, projections: ArrayLike) -> float:
    """Return ``y^T T y / (|T|_F |y|^2)``, between 0 and 1 for one output (Cristianini et al. 2001)."""
    values, energy = _positive(eigenvalues), _energy(projections)
    return float(values @ energy / (np.linalg.norm(values) * energy.sum()))


def complexity(eigenvalues: ArrayLike, projections: ArrayLike, rho: float) -> float:
    """Return ``y^T (T + rho)^-1 y / N``: Arora et al. 2019 (arXiv:1901.08584), which has rho = 0, with a ridge.

    Equal rows with different targets make T singular, and the measure without a ridge infinite.
    """
    values, energy = _positive(eigenvalues), _energy(projections)
    return float(np.mean(energy / (values + rho)))


def _positive(eigenvalues: ArrayLike) -> NDArray[Any]:
    return np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0)


def _energy(projections: ArrayLike) -> NDArray[Any]:
    """Return squared projections (N,), summed over outputs."""
    squares = np.square(np.asarray(projections, dtype=np.float64))
    return np.asarray(squares if squares.ndim == 1 else squares.sum(axis=1))
