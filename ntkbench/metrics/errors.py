"""The metrics that need only outputs, targets and kernels; each yields rows of the table ``measurements``.

A row with a member describes that network; a row without one describes the whole ensemble, or a law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..dynamics import Spectrum, kernel_descent, kernel_dynamics, precision_of
from ..plugin.statistics import fraction_correct, jackknife_error, rms
from ..plugin.types import Float, Measurement
from ..theory.losses import cost

if TYPE_CHECKING:
    from ..dynamics import TimeSpec
    from ..plugin.types import Int, Problem, Solution, Training

Split = Literal["train", "test"]


def _step(solution: Solution, record: int) -> int | None:
    return None if solution.steps is None else int(solution.steps[record])


def finite_members(solution: Solution, outputs: Float) -> Float:
    """Return the outputs (E', T, n, O) of the members that never diverged."""
    return outputs if solution.diverged_at is None else outputs[np.asarray(solution.diverged_at) < 0]


def _outputs(solution: Solution, split: Split) -> Iterator[tuple[int | None, Float]]:
    """Yield (member, outputs (T, n, O)): the members and their mean, or the mean of a law."""
    members = solution.members_test if split == "test" else solution.members_train
    if members is None:
        mean = solution.mean_test if split == "test" else solution.mean_train
        if mean is not None:
            yield None, mean
        return
    yield from enumerate(members)
    survivors = finite_members(solution, members)
    if len(survivors):
        yield None, survivors.mean(axis=0)


def _score(
    name: str,
    unit: str,
    goal: Literal["min", "max"],
    solution: Solution,
    truth: tuple[tuple[Split, Float | Int | None], ...],
    score: Callable[[Float, Float | Int], Float],
) -> Iterator[Measurement]:
    for split, targets in truth:
        if targets is None:
            continue
        for member, outputs in _outputs(solution, split):
            for record, value in enumerate(score(outputs, targets)):
                if np.isfinite(value):
                    yield Measurement(
                        metric=name,
                        value=float(value),
                        unit=unit,
                        goal=goal,
                        split=split,
                        member=member,
                        step=_step(solution, record),
                        time=float(solution.times[record]),
                    )


def rmse(problem: Problem, solution: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the root-mean-square error over points and outputs, at every recorded step, on both splits."""
    truth = (("train", problem.y_train), ("test", problem.y_test))
    return _score("rmse", "target", "min", solution, truth, lambda outputs, y: rms(outputs - y))  # type: ignore[arg-type]


def rmse_of_network(problem: Problem, solution: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield what a law expects of one network, ``sqrt(mean((mean - y)^2 + variance))``, on test points.

    Its mean's own error leaves out the spread of initial functions (L19 eqs. 14 to 16). Nothing for a law without a
    variance, or for networks.
    """
    if solution.mean_test is None or solution.variance_test is None or problem.y_test is None:
        return
    squares = np.square(solution.mean_test - problem.y_test) + solution.variance_test
    values = np.sqrt(np.mean(squares, axis=(-2, -1)))
    for record in np.flatnonzero(np.isfinite(values)):
        row = row_at("rmse_of_network", float(values[record]), solution, int(record), None)
        yield replace(row, goal="min")


def rmse_unscaled(problem: Problem, solution: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield :func:`rmse` in the data's own units, those of the unscaled targets."""
    truth = (("train", problem.y_train), ("test", problem.y_test))
    scale = np.ones(1) if problem.target_std is None else problem.target_std
    # In units of a power of two, which changes no digit: squares neither overflow nor vanish, whatever the data's unit.
    exponent = np.frexp(scale.max())[1]
    units = np.ldexp(scale, -exponent)

    def score(outputs: Float, y: Float | Int) -> Float:
        return np.ldexp(rms((outputs - y) * units), exponent)

    return _score("rmse_unscaled", "data", "min", solution, truth, score)  # type: ignore[arg-type]


def loss(problem: Problem, solution: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the training cost, ``C = 1/N sum_i l(f(x_i), y_i)``, at every recorded step, on both splits."""
    truth = (("train", problem.y_train), ("test", problem.y_test))

    def score(outputs: Float, y: Float | Int) -> Float:
        with np.errstate(over="ignore", invalid="ignore"):  # members on their way to infinity
            return cost(problem.loss, outputs, y)  # type: ignore[arg-type]

    return _score("loss", "cost", "min", solution, truth, score)  # type: ignore[arg-type]


def accuracy(problem: Problem, solution: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the fraction of points classified correctly, for tasks with labels."""
    truth = (("train", problem.labels_train), ("test", problem.labels_test))
    return _score("accuracy", "fraction", "max", solution, truth, fraction_correct)  # type: ignore[arg-type]


_Asked = tuple["Solution", "Problem", "Solution"]
_SHARED: ContextVar[dict[tuple[int, ...], tuple[_Asked, tuple[Float, Float]]] | None] = ContextVar(
    "shared", default=None
)


@contextmanager
def shared_predictions() -> Iterator[None]:
    """Within this context, :func:`predictions_from` computes the predictions of each pair of solutions once.

    The metrics of one cell share predictions, which take longer than the metrics themselves. They are read-only.
    """
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def predictions_from(reference: Solution, problem: Problem, subject: Solution) -> tuple[Float, Float]:
    """Return the kernel's predictions (E, T, N, O), (E, T, M, O) from each member's own f_0, at the subject's steps.

    Steps are those of the subject's own optimizer; a reference by gradient flow is taken at the flow-equivalent times
    ``learning_rate * step / (1 - momentum)`` (C7 in docs/theory.md).
    """
    if (shared := _SHARED.get()) is None:
        return kernel_predictions(reference, problem, subject)
    asked = (reference, problem, subject)
    key = tuple(map(id, asked))
    if key not in shared:
        found = kernel_predictions(*asked)
        for part in found:
            part.setflags(write=False)
        shared[key] = asked, found  # keeps the solutions alive, so that their ids stay unique
    return shared[key][1]


def kernel_predictions(reference: Solution, problem: Problem, subject: Solution) -> tuple[Float, Float]:
    """Compute what :func:`predictions_from` returns."""
    if (
        reference.kernel_train is None
        or reference.kernel_test is None
        or reference.eigenvalues is None
        or reference.eigenvectors is None
        or subject.members_train is None
        or subject.members_test is None
    ):
        raise ValueError("a comparison needs the reference's kernels and eigenvectors, and the subject's members")
    training = training_of(subject)
    if problem.loss != "squared-error" or training.batch_size is not None or training.non_gradient:
        return _predicted_step_by_step(reference, problem, subject)
    when: TimeSpec = {"times": reference.time_scale * subject.times / (1 - training.momentum)}
    if reference.steps is not None and subject.steps is not None:
        when = {"steps": subject.steps, "learning_rate": reference.time_scale * training.rate}
        when |= {"optimizer": training.optimizer, "momentum": training.momentum}
    found = kernel_dynamics(
        reference.kernel_train,
        reference.kernel_test,
        problem.y_train,
        f0_train=subject.members_train[:, 0],
        f0_test=subject.members_test[:, 0],
        rho=reference.rho,
        spectrum=Spectrum(
            reference.eigenvalues, reference.eigenvectors, precision=precision_of(reference.kernel_train)
        ),
        **when,
    )
    return found.train, found.test


def training_of(subject: Solution) -> Training:
    """Return how a subject was trained."""
    if subject.training is None:
        raise ValueError("a comparison needs the subject's training")
    return subject.training


def _predicted_step_by_step(reference: Solution, problem: Problem, subject: Solution) -> tuple[Float, Float]:
    if subject.steps is None:
        raise ValueError("descent on this cost needs steps, and the subject has none")
    training = training_of(subject)
    found = kernel_descent(
        reference.kernel_train,  # type: ignore[arg-type]
        reference.kernel_test,  # type: ignore[arg-type]
        problem.y_train,
        f0_train=subject.members_train[:, 0],  # type: ignore[index]
        f0_test=subject.members_test[:, 0],  # type: ignore[index]
        learning_rate=reference.time_scale * training.rate,
        steps=subject.steps,
        loss=problem.loss,
        optimizer=training.optimizer,
        momentum=training.momentum,
        rho=reference.rho,
        batch_size=training.batch_size,
        batch_seed=training.batch_seed,
        non_gradient=training.non_gradient,
    )
    return found.train, found.test


def until_stopped(difference: Float, subject: Solution) -> Float:
    """Return differences (E, T, M, O), nan after the step at which a member stopped."""
    if subject.stopped_at is None or subject.steps is None:
        return difference
    stopped = np.asarray(subject.stopped_at)[:, None]
    after = (stopped >= 0) & (subject.steps > stopped)
    return np.where(after[:, :, None, None], np.nan, difference)


def function_distance(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the distance on test points between networks and kernel (C7), at every recorded step.

    ``function_distance``: per member, RMS over points and outputs of d_k = f_k - (kernel's prediction from the same
    f_0). For the ensemble: ``function_distance_of_mean``, RMS of the mean of d_k over members, with
    ``function_distance_of_mean_standard_error`` (jackknife over members) and ``function_distance_of_mean_floor``,
    the RMS expected by chance from members of zero mean and this spread: sqrt(mean variance of d_k / E). The same
    three with ``_over_time`` pool all recorded steps, like further points.
    """
    if reference is None or subject.members_test is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    difference = until_stopped(subject.members_test - predicted, subject)
    for member, series in enumerate(rms(difference)):
        yield from _series("function_distance", series, subject, member)
    difference = finite_members(subject, difference)
    if len(difference) == 0:
        return
    for suffix, series in _of_mean(difference).items():
        yield from _series(f"function_distance_of_mean{suffix}", series, subject, None)
    members, _, _, outputs = difference.shape
    for suffix, (value,) in _of_mean(difference.reshape(members, 1, -1, outputs)).items():
        if np.isfinite(value):
            yield row_at(f"function_distance_of_mean_over_time{suffix}", float(value), subject, -1, None)


def _of_mean(difference: Float) -> dict[str, Float]:
    """Return the RMS (T,) of the ensemble's mean difference, its jackknife standard error, and its sampling floor."""
    members = len(difference)
    mean = difference.mean(axis=0)
    result = {"": rms(mean)}
    if members > 1:
        left_out = rms((members * mean - difference) / (members - 1))
        result["_standard_error"] = np.sqrt((members - 1) * left_out.var(axis=0))
        result["_floor"] = np.sqrt(difference.var(axis=0, ddof=1).mean(axis=(-2, -1)) / members)
    return result


def _series(name: str, series: Float, subject: Solution, member: int | None) -> Iterator[Measurement]:
    for record, value in enumerate(series):
        if np.isfinite(value):
            yield row_at(name, float(value), subject, record, member)


def row_at(
    name: str,
    value: float,
    subject: Solution,
    record: int,
    member: int | None,
    unit: str = "target",
    split: Split = "test",
) -> Measurement:
    """Return a number of a network, or of the ensemble if ``member`` is None, on a split's points at a record."""
    return Measurement(
        metric=name,
        value=float(value),
        unit=unit,
        split=split,
        member=member,
        step=_step(subject, record),
        time=float(subject.times[record]),
    )


def with_error(
    name: str, value: float, without: Float, subject: Solution, record: int, split: Split = "test"
) -> Iterator[Measurement]:
    """Yield an ensemble's number and its jackknife standard error, from its leave-one-out values (E,)."""
    if not np.isfinite(value):
        return
    yield row_at(name, value, subject, record, None, unit="1", split=split)
    if np.isfinite(error := float(jackknife_error(without))):
        yield row_at(f"{name}_standard_error", error, subject, record, None, unit="1", split=split)
