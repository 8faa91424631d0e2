"""Krylov spaces of a symmetric matrix, by the Lanczos process with full reorthogonalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh_tridiagonal

from ntkbench.dynamics import Spectrum

if TYPE_CHECKING:
    from .source import Array

_INVARIANT = 10 * float(np.finfo(np.float64).eps)  # relative to the largest entry of H: a smaller remainder is rounding


class KrylovSpace:
    """``span{b, T b, ..}``: orthonormal rows ``V`` with ``T V^T = V^T H + remainder v e_k^T``, ``H`` tridiagonal.

    Reorthogonalised twice per step, so the relation and the orthogonality hold to rounding, and no product with T is
    wasted. The memory is one vector (N,) per step taken.
    """

    def __init__(self, start: Array, largest: int) -> None:
        self.norm = float(np.linalg.norm(start))
        self.remainder = np.inf if self.norm > 0 else 0.0
        self._vectors = np.empty((min(largest, len(start)) + 1, len(start)))  # unused pages take no memory
        self._vectors[0] = start / (self.norm or 1.0)
        self._diagonal: list[float] = []
        self._beside: list[float] = []
        self._scale = 0.0

    @property
    def dimension(self) -> int:
        """The number of products with T so far."""
        return len(self._diagonal)

    @property
    def basis(self) -> Array:
        """V (k, N)."""
        return self._vectors[: self.dimension]

    @property
    def last(self) -> Array:
        """The vector (N,) to multiply by T next."""
        vector: Array = self._vectors[self.dimension]
        return vector

    @property
    def complete(self) -> bool:
        """Whether the space is invariant under T to rounding, or as large as allowed."""
        return self.remainder <= _INVARIANT * self._scale or self.dimension == len(self._vectors) - 1

    def extend(self, image: Array) -> None:
        """Extend the space by ``image = T last`` (N,)."""
        k = self.dimension
        self._diagonal.append(float(self.last @ image))
        known = self._vectors[: k + 1]
        left = image - known.T @ (known @ image)
        left -= known.T @ (known @ left)
        self.remainder = float(np.linalg.norm(left))
        self._scale = max(self._scale, abs(self._diagonal[k]), self.remainder)
        if self.complete:
            return
        self._beside.append(self.remainder)
        self._vectors[k + 1] = left / self.remainder

    def projected(self) -> Array:
        """Return H (k, k)."""
        beside = self._beside[: self.dimension - 1]
        return np.diag(self._diagonal) + np.diag(beside, 1) + np.diag(beside, -1)

    def spectrum(self) -> Spectrum:
        """Return the eigenvalues (k,) of H, descending, and its eigenvectors (k, k)."""
        found = eigh_tridiagonal(self._diagonal, self._beside[: self.dimension - 1], check_finite=False)
        values, vectors = (np.asarray(part, dtype=np.float64) for part in found)
        return Spectrum(values[::-1].copy(), vectors[:, ::-1].copy())
