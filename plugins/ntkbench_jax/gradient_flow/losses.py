"""Convex costs of a network's outputs, and the form of their targets.

A cost is a JAX function ``cost(f, y)`` of outputs and targets (N, O) to one number: the mean over points of a sum over
outputs. Since it is convex in f, kernel gradient flow reaches its infimum if the kernel is positive definite (C12).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkbench.plugin import DataError, suggestion

Array = NDArray[np.float64]
Cost = Callable[[Any, Any], Any]
_UNIT_SUM = 1e-9  # by how much the sum of a point's probabilities may differ from 1


def squared_error(f: Any, y: Any) -> Any:
    """Return ``1 / (2N) sum_i |f(x_i) - y_i|^2``."""
    return jnp.sum(jnp.square(f - y)) / (2 * len(f))


def cross_entropy(f: Any, y: Any) -> Any:
    """Return ``-1/N sum_i sum_o y_io log softmax(f(x_i))_o``, for class probabilities y."""
    return -jnp.sum(y * jax.nn.log_softmax(f, axis=1)) / len(f)


def logistic(f: Any, y: Any) -> Any:
    """Return ``1/N sum_i log(1 + exp(-y_i f(x_i)))``, for y = -1 or 1: cross-entropy of the two outputs +-f/2."""
    return jnp.sum(jax.nn.softplus(-y * f)) / len(f)


@dataclass(frozen=True)
class Huber:
    """Half the squared residual up to ``delta``, linear beyond; equal for equal ``delta``, so compiled once."""

    delta: float

    def __call__(self, f: Any, y: Any) -> Any:
        """Return the mean over points of the sum over outputs."""
        size = jnp.abs(f - y)
        small = jnp.minimum(size, self.delta)  # r^2 / 2 inside, delta |r| - delta^2 / 2 outside
        return jnp.sum(small * (size - 0.5 * small)) / len(f)


_NAMED: dict[str, Cost] = {"squared-error": squared_error, "cross-entropy": cross_entropy, "logistic": logistic}


def find_cost(cost: str | Cost, delta: float | None) -> Cost:
    """Return a cost by name, or the user's own.

    :raises DataError: for an unknown name, or a ``delta`` that is not positive or is given without the Huber cost.
    """
    if delta is not None and cost != "huber":
        raise DataError(f'cost_flow: delta belongs to cost = "huber", not to {cost!r}')
    if callable(cost):
        return cost
    if cost == "huber":
        if delta is not None and not (np.isfinite(delta) and delta > 0):
            raise DataError(f"cost_flow: delta is {delta}; it must be finite and positive")
        return Huber(1.0 if delta is None else float(delta))
    if cost not in _NAMED:
        known = sorted([*_NAMED, "huber"])
        raise DataError(
            f"cost_flow: cost {cost!r} is none of {', '.join(known)}, and no function{suggestion(str(cost), known)}"
        )
    return _NAMED[cost]


def targets_of(cost: Cost, y: ArrayLike, points: int, outputs: int | None) -> Array:
    """Return the targets (N, O) in the form the cost takes: see :func:`~ntkbench_jax.gradient_flow.flow.cost_flow`.

    :param outputs: O, if an initial function determines it.
    :raises DataError: for targets that the cost cannot take.
    """
    array = np.asarray(y)
    if array.dtype.kind not in "biuf":
        raise DataError(f"cost_flow: y_train has type {array.dtype}, expected numbers")
    if len(array.shape) not in (1, 2) or len(array) != points:
        raise DataError(f"cost_flow: y_train has shape {array.shape}, expected one row per training point ({points})")
    if not np.isfinite(array).all():
        raise DataError(f"cost_flow: y_train holds {array[~np.isfinite(array)][0]}; targets must be finite")
    if cost is cross_entropy:
        return _probabilities(array, outputs)
    if cost is logistic:
        return _signs(array)
    if array.ndim != 2:
        raise DataError(f"cost_flow: y_train has shape {array.shape}, expected ({points}, O)")
    return array.astype(np.float64)


def _probabilities(y: NDArray[Any], outputs: int | None) -> Array:
    """Return class probabilities (N, O) from themselves or from labels (N,)."""
    if y.ndim == 1:
        if y.dtype.kind not in "iu":
            raise DataError(f"cost_flow: labels have type {y.dtype}; cross-entropy takes integers from 0, or (N, O)")
        classes = max(int(y.max()) + 1, 2) if outputs is None else outputs
        if y.min() < 0 or y.max() >= classes:
            raise DataError(f"cost_flow: labels range from {y.min()} to {y.max()}, expected 0 to {classes - 1}")
        one_hot: Array = np.eye(classes)[y]
        return one_hot
    if y.shape[1] < 2:
        raise DataError("cost_flow: softmax over a single output is constant; use logistic, or labels of shape (N,)")
    if (y < 0).any() or (np.abs(y.sum(axis=1) - 1) > _UNIT_SUM).any():
        raise DataError("cost_flow: for cross-entropy each row of y_train holds probabilities that sum to 1")
    return y.astype(np.float64)


def _signs(y: NDArray[Any]) -> Array:
    """Return -1 and 1, (N, 1), from themselves or from labels 0 and 1, (N,) or (N, 1)."""
    if y.ndim == 2 and y.shape[1] != 1:
        raise DataError(f"cost_flow: logistic has one output, but y_train has shape {y.shape}; use cross-entropy")
    values = set(np.unique(y).tolist())
    if not (values <= {0, 1} or values <= {-1, 1}):
        raise DataError(f"cost_flow: logistic takes labels 0 and 1, or -1 and 1, got {sorted(values)[:5]}")
    return np.where(y.reshape(-1, 1) > 0, 1.0, -1.0)
