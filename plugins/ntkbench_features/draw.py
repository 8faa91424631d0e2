"""Random functions, represented by their kernel and the initial function, which suffice for training.

Functions with O outputs have O independent components. The kernel then has N O rows, sorted by point, then by output,
and its limit is K (x) Id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import scipy.linalg

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Matrix = NDArray[np.floating[Any]]

_BLOCK = 2**20  # numbers drawn per block: 8 MiB


class RandomFunctions(NamedTuple):
    """The kernel K~ (N O, N O) and (M O, N O), the initial function (N, O) and (M, O), and P, the ``parameters``."""

    kernel_train: Matrix
    kernel_test: Matrix
    f0_train: Array
    f0_test: Array
    parameters: int


def factor(kernel: Array) -> Array:
    """Return F (n, r) with ``F F^T`` the positive semidefinite kernel (n, n) of numerical rank r."""
    values, vectors = scipy.linalg.eigh(kernel, driver="evd")
    kept = values > len(values) * np.finfo(np.float64).eps * np.abs(values).max(initial=0.0)
    result: Array = vectors[:, kept] * np.sqrt(values[kept])
    return result


def draw_functions(
    factor: Array,
    n_train: int,
    outputs: int,
    count: int,
    *,
    seed: int,
    member: int,
    dtype: Literal["float32", "float64"],
) -> RandomFunctions:
    """Draw ``count`` = P functions ``f_p = F z_p`` on all points, and ``theta_0``, from the stream (seed, P, member).

    Only products of the draws are kept: ``K~ = F (1/P sum_p z_p z_p^T) F^T`` and ``f_0 = P^-1/2 F sum_p theta_p z_p``,
    where z_p (O r,) and theta_p are standard normal, drawn in float64 as one row of O r + 1 numbers. With ``float32``
    the draws are rounded and multiplied in float32, and blocks are summed in float64.

    :param factor: F (N + M, r), training points first.
    """
    rank = factor.shape[1]
    products = _products(rank * outputs + 1, count, seed=seed, member=member, dtype=dtype)
    covariance = (products[:-1, :-1] / count).reshape(outputs, rank, outputs, rank)
    kernel = np.empty((len(factor), outputs, n_train, outputs))
    for a in range(outputs):
        for b in range(outputs):
            kernel[:, a, :, b] = factor @ (covariance[a, :, b] @ factor[:n_train].T)
    start = factor @ products[:-1, -1].reshape(outputs, rank).T / np.sqrt(count)
    rows = kernel.reshape(-1, n_train * outputs)
    edge = n_train * outputs
    return RandomFunctions(rows[:edge], rows[edge:], start[:n_train], start[n_train:], count)


def _products(columns: int, count: int, *, seed: int, member: int, dtype: str) -> Array:
    """Return ``B^T B`` (columns, columns) of standard normal numbers B (count, columns), drawn row by row."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(count, member))))
    height = min(count, max(1, _BLOCK // columns))
    block, total = np.empty((height, columns)), np.zeros((columns, columns))
    for start in range(0, count, height):
        drawn = generator.standard_normal(out=block[: min(height, count - start)]).astype(dtype, copy=False)
        total += drawn.T @ drawn
    return total
