"""Check a user's matrices, so that a mistake becomes an error instead of a wrong number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

Array = NDArray[np.float64]


def matrix(name: str, value: ArrayLike) -> Array:
    """Return ``value`` as a finite float64 array of two axes.

    :raises DataError: naming the axes, or the first entry that is not finite.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise DataError(f"dynamics: {name} has {array.ndim} axes, expected 2")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"dynamics: {name}[{row}, {column}] is {array[row, column]}; it must be finite")
    return array


def of_training_points(name: str, shape: tuple[int, ...], n: int) -> None:
    """Raise if a kernel's ``shape`` is not (n, n), or, for a name that does not end in ``_train``, not (M, n)."""
    if len(shape) != 2 or shape[1] != n or (name.endswith("_train") and shape[0] != n):
        wanted = f"({n}, {n})" if name.endswith("_train") else f"(M, {n})"
        raise DataError(f"dynamics: {name} has shape {shape}, expected {wanted} for {n} training points")


def targets(value: ArrayLike, n: int) -> Array:
    """Return the targets (n, O).

    :raises DataError: unless there is one row per training point.
    """
    array = matrix("y_train", value)
    if array.shape[0] != n:
        raise DataError(f"dynamics: y_train has shape {array.shape}, expected ({n}, O): one row per training point")
    return array


def initial_values(name: str, value: ArrayLike, shape: tuple[int, int]) -> Array:
    """Return an initial function's values (*B, *shape); a value that is not finite spoils only its own member.

    :raises DataError: for other shapes.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim < 2 or array.shape[-2:] != shape:
        raise DataError(f"dynamics: {name} has shape {array.shape}, expected {(*array.shape[:-2], *shape)}")
    return array


def ridge(rho: Any) -> float:
    """Return an absolute ridge.

    :raises DataError: if it is negative or not finite.
    """
    if not (np.isfinite(rho) and rho >= 0):
        raise DataError(f"dynamics: rho is {rho}; a ridge must be finite and not negative")
    return float(rho)
