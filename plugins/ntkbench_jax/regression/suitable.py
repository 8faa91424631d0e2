"""The suitable solver for a problem, and its cost. Light: no JAX."""

from __future__ import annotations

from typing import Literal, NamedTuple

Solver = Literal["eigen", "cholesky", "iterative"]

_EIGEN_AT_REST = 2_000  # points up to which an eigendecomposition takes seconds
_EIGEN_IN_TIME = 4_000  # the same if the alternative computes no spread
_EIGEN_IF_SINGULAR = 8_000  # the same without an alternative: minutes, and three matrices of 512 MB
_CHOLESKY = 32_768  # points up to which a float64 matrix takes 8 GiB
_PRODUCTS = 10  # products with the kernel matrix that conjugate gradients need, preconditioned by a factor in float32
# largest bytes of blocks of points against all others: only kernels, or also solutions and a spread
_BLOCKS, _BLOCKS_OF_SPREAD = 1e9, 1.8e9


class SolverCost(NamedTuple):
    """Operations of linear algebra, pairs of points whose kernel is computed, and bytes of memory at the peak."""

    flops: float
    pairs: float
    bytes: float


def suitable(points: int, *, at_rest: bool) -> Solver:
    """Return the solver for a number of training points, at ``t = inf`` (``at_rest``) or at a finite time."""
    if points <= (_EIGEN_AT_REST if at_rest else _EIGEN_IN_TIME):
        return "eigen"
    return "cholesky" if at_rest and points <= _CHOLESKY else "iterative"


def eigen_if_singular(points: int) -> bool:
    """Return whether an eigendecomposition may stand in for a Cholesky factor that does not exist."""
    return points <= _EIGEN_IF_SINGULAR


def cost_at_rest(solver: Solver, points: int, new: int) -> SolverCost:
    """Return the cost of kernel regression on N ``points``: the mean at M ``new`` ones and, if computed, the spread."""
    n, m = float(points), float(new)
    pairs = n * n / 2 + n * m  # the matrix, then predictions at new points
    whole = 6 * 8 * n * max(n, m)
    blocks, spread_blocks = min(_BLOCKS, whole), min(_BLOCKS_OF_SPREAD, whole)
    if solver == "eigen":  # both kernels, the eigenvectors, the workspace of LAPACK, the law in the eigenbasis
        return SolverCost(14 * n**3 + 6 * n * n * m, pairs + n * m, 8 * 6 * n * n + spread_blocks)
    if solver == "cholesky":  # for each block of the spread the matrix of the NNGP, a tile at a time
        spread = max(1.0, 8 * n * m / (1 << 28)) * n * n / 2
        return SolverCost(n**3 / 3 + 4 * n * n * m, pairs + spread, 8 * n * n + spread_blocks)
    return SolverCost(n**3 / 3 + 4.0 * _PRODUCTS * n * n, pairs + (_PRODUCTS + 1) * n * n / 2, 4 * n * n + blocks)
