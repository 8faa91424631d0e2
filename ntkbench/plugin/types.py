"""The types that cross between the core and its plugins: read-only numpy arrays in frozen dataclasses.

Shapes: N training points, M test points, F features, O outputs, T recorded steps, E members.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..theory.optimizers import Optimizer, momentum_mistake, stable_learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..architecture.nodes import Architecture
    from ..theory.losses import Loss
    from .specs import Width

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Goal = Literal["min", "max", "none"]


def read_only(array: Any, dtype: Any = None) -> NDArray[Any]:
    """Return a C-contiguous array that cannot be written to; copied only where it must be."""
    result = np.ascontiguousarray(array, dtype=dtype)
    if result.flags.writeable:
        result = result.view()
        result.flags.writeable = False
    return result


def _check_shape(owner: str, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise DataError(f"{owner}: {name} has shape {array.shape}, expected {shape}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Data to train and test on, float64, scaled as it is trained on.

    ``x_train`` (N, F), ``y_train`` (N, O), ``x_test`` (M, F), ``y_test`` (M, O); ``target_mean`` and ``target_std``
    (O,) undo the scaling of targets; ``labels_train`` (N,) and ``labels_test`` (M,) are classes, int64, or None.
    ``tuning`` are the problems on which a backend that chooses among hyperparameters has to choose: fit on their
    training points, judged on their test points. Each is scaled by its own training points. A task that has none leaves
    a backend to split the training points itself.

    :raises DataError: for shapes that do not fit together, or values that are not finite.
    """

    x_train: Float
    y_train: Float
    x_test: Float
    y_test: Float
    target_mean: Float | None = None
    target_std: Float | None = None
    labels_train: Int | None = None
    labels_test: Int | None = None
    loss: Loss = "squared-error"
    tuning: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            array = read_only(getattr(self, name), np.float64)
            if array.ndim != 2:
                raise DataError(f"problem: {name} has {array.ndim} axes, expected 2 (points, columns)")
            if not np.isfinite(array).all():
                row, column = np.argwhere(~np.isfinite(array))[0]
                raise DataError(f"problem: {name}[{row}, {column}] is {array[row, column]}; data must be finite")
            object.__setattr__(self, name, array)
        (n, features), outputs, m = self.x_train.shape, self.y_train.shape[1], self.x_test.shape[0]
        if n == 0 or m == 0 or features == 0 or outputs == 0:
            raise DataError(
                f"problem: empty ({n} training points, {m} test points, {features} features, {outputs} outputs)"
            )
        _check_shape("problem", "y_train", self.y_train, (n, outputs))
        _check_shape("problem", "x_test", self.x_test, (m, features))
        _check_shape("problem", "y_test", self.y_test, (m, outputs))
        mean = np.zeros(outputs) if self.target_mean is None else self.target_mean
        std = np.ones(outputs) if self.target_std is None else self.target_std
        for name, array in (("target_mean", mean), ("target_std", std)):
            object.__setattr__(self, name, read_only(array, np.float64))
            _check_shape("problem", name, getattr(self, name), (outputs,))
        for name, count in (("labels_train", n), ("labels_test", m)):
            if (labels := getattr(self, name)) is not None:
                object.__setattr__(self, name, read_only(labels, np.int64))
                _check_shape("problem", name, getattr(self, name), (count,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Training:
    """How a network is trained and when it is looked at.

    ``steps`` (T,) int64, strictly ascending from 0: the steps to record. The rate is absolute, or, for the one
    reference whose eigenvalues decide it, still a fraction of the stable limit: see :meth:`resolved`. What the
    optimizers do with ``momentum``, in [0, 1), is written in :mod:`ntkbench.theory.optimizers`. A step sees
    ``batch_size`` points, drawn by the request's seed (:mod:`ntkbench.theory.minibatches`), or all.
    With ``non_gradient`` s the direction is ``(1 + s S) dC/df``, S skew-symmetric over points:
    no gradient (:func:`ntkbench.theory.losses.non_gradient_direction`).
    A network is done, and stays as it is, once
    its cost is at most ``stop_loss``, or has not improved by a thousandth within ``stop_patience`` steps.

    :raises DataError: for steps that do not ascend, or a momentum that the optimizer cannot have.
    """

    optimizer: Optimizer = "gradient-descent"
    learning_rate: float | None
    fraction_of_max_stable: float | None = None
    momentum: float = 0.0
    batch_size: int | None = None
    non_gradient: float = 0.0
    stop_loss: float | None = None
    stop_patience: int | None = None
    steps: Int

    def __post_init__(self) -> None:
        steps = read_only(self.steps, np.int64)
        if steps.ndim != 1 or steps.size == 0 or steps[0] != 0 or (np.diff(steps) <= 0).any():
            raise DataError(f"training: steps must ascend strictly from 0, got {steps.tolist()[:10]}")
        object.__setattr__(self, "steps", steps)
        if mistake := momentum_mistake(self.optimizer, self.momentum):
            raise DataError(f"training: {mistake}")

    @property
    def times(self) -> Float:
        """Training times ``learning_rate * steps`` (T,), float64.

        :raises ValueError: while the rate is unresolved.
        """
        if self.learning_rate is None:
            raise ValueError("the learning rate is still a fraction of the stable limit: call resolved() first")
        return self.learning_rate * self.steps.astype(np.float64)

    @property
    def flow_times(self) -> Float:
        """The times (T,) of the gradient flow that small steps follow: ``times / (1 - momentum)``.

        :raises ValueError: while the rate is unresolved.
        """
        return self.times / (1 - self.momentum)

    def resolved(self, largest_eigenvalue: float, n_train: int) -> Training:
        """Return this training with an absolute rate, a fraction of the stable one (unchanged if it has one).

        :param largest_eigenvalue: of the kernel, its ridge included.
        :raises DataError: for a kernel without a stable rate.
        """
        if self.fraction_of_max_stable is None:
            return self
        if not (np.isfinite(largest_eigenvalue) and largest_eigenvalue > 0):
            raise DataError(f"the kernel's largest eigenvalue is {largest_eigenvalue}: it has no stable learning rate")
        limit = stable_learning_rate([largest_eigenvalue], n_train, optimizer=self.optimizer, momentum=self.momentum)
        return replace(self, learning_rate=self.fraction_of_max_stable * limit, fraction_of_max_stable=None)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number: a row of the table ``measurements``. ``member`` None: of the ensemble as a whole."""

    metric: str
    value: float
    unit: str
    goal: Goal = "none"
    reference: str | None = None
    split: Literal["train", "test"] | None = None
    member: int | None = None
    step: int | None = None
    time: float | None = None
    component: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """What a backend found. A law (a reference) has means and variances; an ensemble (a subject) has members.

    ``steps`` (T,) or None for gradient flow; ``times`` (T,), which may end in inf.
    ``mean_train`` (T, N, O), ``mean_test`` (T, M, O), ``variance_train`` and ``variance_test`` alike, or None;
    ``members_train`` (E, T, N, O), ``members_test`` (E, T, M, O), or None.
    ``optimizer``, ``momentum`` and batches are those of the training: the core sets them. ``stopped_at`` (E,) int64 is
    the step at which a member was done, -1 for never. ``mode_residuals`` (T, N, O), or None,
    is ``V^T (y - mean_train)``, with V the eigenvectors: of small ones it keeps the digits that the difference loses.
    ``kernel_train`` (N, N) and ``kernel_test`` (M, N): the kernel that drives the dynamics, without the ridge ``rho``;
    ``eigenvalues`` (N,) of ``kernel_train``, descending, with ``eigenvectors`` (N, N) in columns.
    ``covariance_test`` (T, M, M) is the law's, of any one output, or None; ``learning_rate_multiplier`` is what a law
    multiplies the networks' learning rate by: other than 1 it is wrong on purpose.
    ``diverged_at`` (E,) int64: the recorded step at which a member was found not finite, -1 for never; its outputs from
    there on are nan.
    """

    times: Float
    steps: Int | None = None
    learning_rate: float | None = None
    mean_train: Float | None = None
    mean_test: Float | None = None
    variance_train: Float | None = None
    variance_test: Float | None = None
    members_train: Float | None = None
    members_test: Float | None = None
    kernel_train: Float | None = None
    kernel_test: Float | None = None
    eigenvalues: Float | None = None
    eigenvectors: Float | None = None
    rho: float = 0.0
    covariance_test: Float | None = None
    learning_rate_multiplier: float = 1.0
    optimizer: Optimizer = "gradient-descent"
    momentum: float = 0.0
    batch_size: int | None = None
    batch_seed: int = 0
    non_gradient: float = 0.0
    mode_residuals: Float | None = None
    stopped_at: Int | None = None
    diverged_at: Int | None = None
    measurements: tuple[Measurement, ...] = ()
    parameters: int | None = None
    compile_seconds: float | None = None


def _no_progress(done: float, total: float) -> None:
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """Everything a backend is told. ``width`` is None for infinite, an int, or one int per hidden layer.

    ``parameters`` is the validated model that the backend's spec names; ``references`` maps labels to the solutions a
    subject is compared with; ``dtype`` is ``float32`` or ``float64``; call ``progress(done, total)`` at will.
    ``scratch`` is a folder of the cell's own, to be made when needed, that outlives a killed attempt.
    """

    problem: Problem
    architecture: Architecture
    training: Training
    parameters: Any
    width: Width = None
    members: int = 0
    seed: int = 0
    observe: frozenset[str] = frozenset()
    references: Mapping[str, Solution] = field(default_factory=dict)
    device: str = "cpu"
    dtype: Literal["float32", "float64"] = "float64"
    threads: int = 1
    scratch: Path | None = None
    progress: Callable[[float, float], None] = _no_progress
