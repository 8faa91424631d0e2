"""The times of a prediction: steps of an optimizer, or times of gradient flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from ..errors import DataError
from ..theory.optimizers import Optimizer, kernel_side_mistake

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .checks import Array


class StepSchedule(NamedTuple):
    """``steps`` (T,) int64 at rate ``unit``, or, if they are None, flow at times ``elapsed`` (T,) and unit 1."""

    unit: float
    elapsed: Array
    steps: NDArray[np.int64] | None = None
    optimizer: Optimizer = "gradient-descent"
    momentum: float = 0.0


class TimeSpec(TypedDict, total=False):
    """The keywords that say when a prediction is made: see :func:`ntkbench.kernel_dynamics`."""

    learning_rate: float | None
    steps: ArrayLike | None
    times: ArrayLike | None
    optimizer: Optimizer
    momentum: float


def make_schedule(
    learning_rate: float | None = None,
    steps: ArrayLike | None = None,
    times: ArrayLike | None = None,
    optimizer: Optimizer = "gradient-descent",
    momentum: float = 0.0,
) -> StepSchedule:
    """Return a schedule.

    :raises DataError: if it is ambiguous, or a time, rate or momentum is invalid.
    """
    if (steps is None) == (times is None):
        raise DataError("dynamics: give steps with a learning_rate (gradient descent), or times (gradient flow)")
    if (steps is None) != (learning_rate is None):
        raise DataError("dynamics: learning_rate belongs to steps: give both, or only times")
    if mistake := kernel_side_mistake(optimizer, momentum):
        raise DataError(f"dynamics: {mistake}")
    if steps is None and optimizer != "gradient-descent":
        raise DataError(f"dynamics: {optimizer} needs steps; times are for gradient flow, which has no momentum")
    name, count = ("steps", np.asarray(steps)) if times is None else ("times", np.asarray(times))
    if count.ndim != 1 or count.size == 0 or count.dtype.kind not in ("iu" if times is None else "iuf"):
        kind = "integers" if times is None else "numbers"
        raise DataError(f"dynamics: {name} has shape {count.shape} and type {count.dtype}, expected (T,) {kind}")
    if not (count >= 0).all():
        raise DataError(f"dynamics: {name} holds {count[~(count >= 0)][0]}; none may be negative or nan")
    elapsed = count.astype(np.float64)
    if learning_rate is None:
        return StepSchedule(1.0, elapsed)
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise DataError(f"dynamics: learning_rate is {learning_rate}; it must be finite and positive")
    return StepSchedule(float(learning_rate), elapsed, count.astype(np.int64), optimizer, float(momentum))
