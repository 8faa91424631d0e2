"""The source of a kernel's entries, block by block: the only part to replace for kernels stored elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..kernels.analytic import analytic_kernel, kernel_diagonal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.architecture.nodes import Architecture

Array = NDArray[np.float64]
Float = NDArray[np.floating[Any]]
_EDGE = 2048  # edge of a tile of 32 MiB: large enough to amortise a call, small for any memory
_BLOCK_BYTES = 1 << 27  # bytes of kernel entries held at once between new points and the training points


class KernelSource(Protocol):
    """A symmetric positive semidefinite kernel on N training points, and between them and others."""

    @property
    def size(self) -> int:
        """N."""

    def diagonal(self) -> Array:
        """Return ``k(x_i, x_i)`` (N,)."""

    def fill(self, out: Float) -> None:
        """Write ``k(X, X)``, both triangles, into ``out`` (N, N), of float32 or float64, in either order."""

    def tile(self, rows: slice, columns: slice) -> Array:
        """Return ``k(X[rows], X[columns])`` in float64."""

    def against(self, points: Array) -> Array:
        """Return ``k(points, X)`` (M, N) in float64."""


@dataclass(frozen=True, eq=False)
class AnalyticSource:
    """The kernel of an architecture on ``inputs`` (N, F) in float64, computed on demand."""

    inputs: Array
    architecture: Architecture
    kernel: Literal["ntk", "nngp"] = "ntk"
    device: str = "cpu"

    @property
    def size(self) -> int:
        """N."""
        return len(self.inputs)

    def diagonal(self) -> Array:
        """Return ``k(x_i, x_i)`` (N,)."""
        kernels = kernel_diagonal(self.inputs, architecture=self.architecture, dtype=np.float64, device=self.device)
        return np.asarray(getattr(kernels, self.kernel), dtype=np.float64)

    def fill(self, out: Float) -> None:
        """Write ``k(X, X)`` into ``out`` (N, N)."""
        self._between(self.inputs, None, out)

    def tile(self, rows: slice, columns: slice) -> Array:
        """Return ``k(X[rows], X[columns])``; symmetric to the bit if the two are the same."""
        return self._between(self.inputs[rows], None if rows == columns else self.inputs[columns])

    def against(self, points: Array) -> Array:
        """Return ``k(points, X)`` (M, N)."""
        return self._between(points, self.inputs)

    def _between(self, x1: Array, x2: Array | None, out: Float | None = None) -> Array:
        result = analytic_kernel(
            x1,
            x2,
            architecture=self.architecture,
            kernel=self.kernel,
            dtype=np.float64 if out is None else out.dtype,
            device=self.device,
            out=out,
        )
        return np.asarray(result)


def assemble(source: KernelSource, dtype: Any = np.float64) -> Float:
    """Return the kernel matrix (N, N), Fortran-ordered, as LAPACK expects it."""
    matrix: Float = np.empty((source.size, source.size), dtype, order="F")
    source.fill(matrix)
    return matrix


def product(source: KernelSource, vectors: Array, edge: int = _EDGE) -> Array:
    """Return ``k(X, X) @ vectors`` (N, O) in float64 from tiles of one triangle, one tile in memory at a time."""
    result = np.zeros_like(vectors)
    slices = list(blocks(source.size, edge))
    for i, rows in enumerate(slices):
        for columns in slices[i:]:
            tile = source.tile(rows, columns)
            result[rows] += tile @ vectors[columns]
            if columns != rows:
                result[columns] += tile.T @ vectors[rows]
    return result


def predict(source: KernelSource, points: Array, coefficients: Array, block_bytes: int = _BLOCK_BYTES) -> Array:
    """Return ``k(points, X) @ coefficients`` (M, O), a block of points at a time."""
    result = np.empty((len(points), coefficients.shape[1]))
    for rows in row_blocks(len(points), source.size, block_bytes):
        result[rows] = source.against(points[rows]) @ coefficients
    return result


def row_blocks(rows: int, columns: int, block_bytes: int = _BLOCK_BYTES) -> Iterator[slice]:
    """Yield blocks of rows of a float64 matrix, of ``block_bytes`` each at most (and one row at least)."""
    return blocks(rows, max(1, block_bytes // (8 * max(1, columns))))


def blocks(length: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of ``size`` that cover ``range(length)``."""
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
