"""The types that cross between the core and its plugins: read-only numpy arrays in frozen dataclasses.

Shapes: N training points, M test points, F features, O outputs, T recorded steps, E members.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..theory.optimizers import Optimizer, momentum_mistake, stable_learning_rate
from .specs import common_width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..architecture.nodes import Architecture
    from ..theory.losses import Loss

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
    """Data to train and test on, float64, scaled for training.

    ``x_train`` (N, F), ``y_train`` (N, O), ``x_test`` (M, F), ``y_test`` (M, O); ``target_mean`` and ``target_std``
    (O,) undo the scaling of targets; ``labels_train`` (N,) and ``labels_test`` (M,) are classes, int64, or None.
    ``tuning`` holds the problems on which a backend chooses its hyperparameters: it fits their training points and
    scores their test points. Each is scaled by its own training points. Without any, a backend splits the training
    points itself.

    :raises DataError: for shapes that disagree, or values that are not finite.
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
            object.__setattr__(self, name, _finite_matrix(name, getattr(self, name)))
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


def _finite_matrix(name: str, values: Any) -> Float:
    """Return a problem's field as a read-only matrix (points, columns)."""
    array = read_only(values, np.float64)
    if array.ndim != 2:
        raise DataError(f"problem: {name} has {array.ndim} axes, expected 2 (points, columns)")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"problem: {name}[{row}, {column}] is {array[row, column]}; data must be finite")
    return array


@dataclass(frozen=True, eq=False, kw_only=True)
class Training:
    """How networks are trained and which steps are recorded: one type for a study's cells, requests and solutions.

    ``steps`` (T,) int64, strictly ascending from 0: the recorded steps. The learning rate is absolute, or None while it
    is still a fraction of the largest stable one: :meth:`resolved` turns the fraction into a rate.
    :mod:`ntkbench.theory.optimizers` defines ``momentum``, in [0, 1). A step uses ``batch_size`` points, drawn by
    ``batch_seed`` (:mod:`ntkbench.theory.minibatches`), or all.
    With ``non_gradient`` s the direction is ``(1 + s S) dC/df``, S skew-symmetric over points, which
    is not a gradient (:func:`ntkbench.theory.losses.non_gradient_direction`).
    A network stops once its cost is at most ``stop_loss``, or has not improved by a thousandth within
    ``stop_patience`` steps.

    :raises DataError: for steps that do not ascend, or a momentum that the optimizer does not allow.
    """

    optimizer: Optimizer = "gradient-descent"
    learning_rate: float | None
    fraction_of_max_stable: float | None = None
    momentum: float = 0.0
    batch_size: int | None = None
    batch_seed: int = 0
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
        return self.rate * self.steps.astype(np.float64)

    @property
    def rate(self) -> float:
        """The absolute learning rate.

        :raises ValueError: while the rate is unresolved.
        """
        if self.learning_rate is None:
            raise ValueError("the learning rate is still a fraction of the stable limit: call resolved() first")
        return self.learning_rate

    @property
    def flow_times(self) -> Float:
        """The times (T,) of the gradient flow that small steps follow: ``times / (1 - momentum)``.

        :raises ValueError: while the rate is unresolved.
        """
        return self.times / (1 - self.momentum)

    def resolved(self, largest_eigenvalue: float, n_train: int) -> Training:
        """Return this training with an absolute learning rate; unchanged if it has one.

        The only place where a fraction becomes a rate. The backend of the reference that anchors a study calls it; all
        other cells take the rate of that reference's :class:`Solution`.

        :param largest_eigenvalue: of the kernel, including its ridge.
        :raises DataError: if the kernel has no stable rate.
        """
        if self.fraction_of_max_stable is None:
            return self
        if not (np.isfinite(largest_eigenvalue) and largest_eigenvalue > 0):
            raise DataError(f"the kernel's largest eigenvalue is {largest_eigenvalue}: it has no stable learning rate")
        limit = stable_learning_rate([largest_eigenvalue], n_train, optimizer=self.optimizer, momentum=self.momentum)
        return replace(self, learning_rate=self.fraction_of_max_stable * limit, fraction_of_max_stable=None)

    def as_json(self) -> dict[str, Any]:
        """Return all fields as JSON values: ``Training(**training.as_json())`` is the same training."""
        return {**asdict(self), "steps": self.steps.tolist()}


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
    """The result of a backend. A law (a reference) has means and variances; an ensemble (a subject) has members.

    ``training``: how the networks were trained (for a law, the networks it describes), with an absolute learning rate.
    None for a law at the end of training; for an ensemble the core fills in the request's.
    ``steps`` (T,) or None for gradient flow; ``times`` (T,), which may end in inf.
    ``mean_train`` (T, N, O), ``mean_test`` (T, M, O), ``variance_train`` and ``variance_test`` alike, or None;
    ``members_train`` (E, T, N, O), ``members_test`` (E, T, M, O), or None. ``stopped_at`` (E,) int64: the step at which
    a member stopped, -1 for never. ``diverged_at`` (E,) int64: the first recorded step at which a member was not
    finite, -1 for never; its outputs are nan from there on.
    ``mode_residuals`` (T, N, O), or None: ``V^T (y - mean_train)``, with V the eigenvectors, without the cancellation
    that loses the digits of small residuals.
    ``kernel_train`` (N, N) and ``kernel_test`` (M, N): the kernel that drives the dynamics, without the ridge ``rho``;
    ``eigenvalues`` (N,) of ``kernel_train``, descending, with ``eigenvectors`` (N, N) in columns.
    ``covariance_test`` (T, M, M): the law's covariance of each single output, or None.
    ``time_scale``: the speed of the law's time relative to the networks'. Predictions from the law multiply the
    networks' times, or their learning rate, by it. A value other than 1 makes the law wrong on purpose.
    """

    times: Float
    steps: Int | None = None
    training: Training | None = None
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
    time_scale: float = 1.0
    mode_residuals: Float | None = None
    stopped_at: Int | None = None
    diverged_at: Int | None = None
    measurements: tuple[Measurement, ...] = ()
    parameters: int | None = None
    compile_seconds: float | None = None

    @property
    def learning_rate(self) -> float | None:
        """The absolute learning rate of the training, None where there is none."""
        return None if self.training is None else self.training.learning_rate


def _no_progress(done: float, total: float) -> None:
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """Everything that a backend receives to solve a cell.

    ``hidden_widths`` has one width per hidden layer, and is None for infinite width. ``parameters`` is an instance of
    the model that the backend's spec names; ``references`` maps labels to the solutions that a subject is compared
    with. Call ``progress(done, total)`` as often as you like. ``scratch`` is the path of the cell's own folder; the
    backend creates it when needed, without the folders above it, and it survives a killed attempt.
    """

    problem: Problem
    architecture: Architecture
    training: Training
    parameters: Any
    hidden_widths: tuple[int, ...] | None = None
    members: int = 0
    seed: int = 0
    observe: frozenset[str] = frozenset()
    references: Mapping[str, Solution] = field(default_factory=dict)
    device: str = "cpu"
    dtype: Literal["float32", "float64"] = "float64"
    threads: int = 1
    scratch: Path | None = None
    progress: Callable[[float, float], None] = _no_progress

    @property
    def width(self) -> int | None:
        """The width that all hidden layers share, or None."""
        return common_width(self.hidden_widths)
