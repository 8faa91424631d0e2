"""The backend ``torch-stability``: each member's stability thresholds (docs/theory.md, C14)."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.plugin import DataError, Measurement, Solution
from ntkbench.theory.optimizers import stable_learning_rate

from ..networks.ensemble import NetworkEnsemble
from ..networks.layout import layer_sizes, parameter_count
from ..solve import output_scale
from .thresholds import stability_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ntkbench.plugin import Float, Request

    from .parameters import Parameters
    from .thresholds import Threshold

_HALVINGS = 40
_FLOATS = 2**25  # numbers in the networks and kernels that are in memory together
_BY_TRAINING = frozenset({"stability_onset", "largest_trainable"})
_LINEARIZED = frozenset({"stability_onset", "linearization_onset"})


def solve(request: Request) -> Solution:
    """Return the observed thresholds of each member, in units of the limit ``2N / lambda_max`` of each reference.

    * ``stability_onset``: the smallest rate at which the loss exceeds its initial value within ``steps``, as the middle
      of its bracket.
      With it comes ``stability_onset_linearization``, the same for the member's own linearization.
    * ``linearization_onset``: that of linearizations alone, without training.
    * ``stability_onset_kernel``: the same for descent on the reference's kernel from the same f_0; always measured.
    * ``largest_trainable``: the largest rate that reaches ``goal``.

    A threshold outside the tried rates has no row. A reference that assumes another learning rate has another limit.
    The study itself must have no steps.

    :raises DataError: without a reference that has eigenvalues, for a study with steps, or another loss.
    """
    references = _reference_kernels(request)
    initial = _initial_state(request)
    found = _by_training(request, references[0].limit)
    if "stability_onset" in request.observe:
        found["stability_onset_linearization"] = initial.onset
    if "linearization_onset" in request.observe:
        found["linearization_onset"] = initial.onset
    rows = [row for reference in references for row in _of_reference(reference, found, initial.train, request)]
    return Solution(
        times=request.training.times,
        steps=request.training.steps,
        training=request.training,
        members_train=initial.train[:, None],
        members_test=initial.test[:, None],
        diverged_at=np.full(request.members, -1, dtype=np.int64),
        measurements=tuple(rows),
        parameters=_draw(request, 0, 1).parameters,
    )


class _ReferenceKernel(NamedTuple):
    """A reference: its kernel's eigenvalues (N,), descending, eigenvectors (N, N), and largest stable rate."""

    label: str
    eigenvalues: Float
    eigenvectors: Float
    limit: float


class _InitialState(NamedTuple):
    """Members' initial functions (E, N, O) and (E, M, O), and absolute onsets (E,) of their linearizations."""

    train: Float
    test: Float
    onset: Float


def _reference_kernels(request: Request) -> list[_ReferenceKernel]:
    """Return the references' kernels, after checking that the study suits this backend."""
    found = []
    for label, reference in request.references.items():
        values, vectors = reference.eigenvalues, reference.eigenvectors
        if values is not None and vectors is not None:
            limit = stable_learning_rate([float(values[0])], len(request.problem.x_train))
            found.append(_ReferenceKernel(label, values, vectors, limit / reference.time_scale))
    if len(found) < max(len(request.references), 1):
        raise DataError("backend torch-stability: needs references with eigenvalues in compare_with")
    if request.training.steps[-1] != 0 or request.problem.loss != "squared-error":
        raise DataError("backend torch-stability: chooses its own learning rates, on squared error only: set steps = 0")
    return found


def _by_training(request: Request, limit: float) -> dict[str, Float]:
    """Return the thresholds (E,) that take training, absolute, nan where none was found."""
    wanted = _BY_TRAINING & request.observe
    if not wanted:
        return {}
    parameters = request.parameters
    drawn = _draw(request, 0, request.members)
    found = stability_thresholds(
        lambda: deepcopy(drawn),
        request.problem.x_train,
        request.problem.y_train,
        limit=limit,
        steps=parameters.steps,
        settle=parameters.settle,
        goal=parameters.goal if "largest_trainable" in wanted else None,
        resolution=parameters.resolution,
        lowest=parameters.lowest,
        highest=parameters.highest,
    )
    both = {"stability_onset": _middle(found.onset), "largest_trainable": found.largest_trainable.value}
    return {name: limit * value for name, value in both.items() if name in wanted}


def _of_reference(
    reference: _ReferenceKernel, thresholds: Mapping[str, Float], train: Float, request: Request
) -> Iterator[Measurement]:
    """Yield the rows of one reference, in units of its limit."""
    modes = reference.eigenvectors.T @ (request.problem.y_train - train)
    yield from _rows(
        "stability_onset_kernel", kernel_onset(reference.eigenvalues, modes, request.parameters), reference.label
    )
    for metric, value in thresholds.items():
        yield from _rows(metric, value / reference.limit, reference.label)


def _initial_state(request: Request) -> _InitialState:
    """Return what is known of the members as drawn, in groups that bound the memory."""
    (n, features), outputs = request.problem.x_train.shape, request.problem.y_train.shape[1]
    layers = layer_sizes(features, request.hidden_widths, request.architecture.depth, outputs)
    group = max(1, _FLOATS // (parameter_count(layers) + (n * outputs) ** 2))
    starts = range(0, request.members, group)
    parts = [_state_of(_draw(request, first, min(group, request.members - first)), request) for first in starts]
    train, test, onset = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _InitialState(train, test, onset)


def _state_of(networks: NetworkEnsemble, request: Request) -> _InitialState:
    problem, members = request.problem, networks.members
    if request.parameters.subtract_init:  # zero as drawn: no need to draw them again
        train, test = (np.zeros((members, *y.shape)) for y in (problem.y_train, problem.y_test))
    else:
        train, test = (networks.outputs(x).double().cpu().numpy() for x in (problem.x_train, problem.x_test))
    onset = np.full(len(train), np.nan)
    if _LINEARIZED & request.observe:
        onset = linearization_onset(networks, problem.x_train, problem.y_train - train, request.parameters)
    return _InitialState(train, test, onset)


def linearization_onset(networks: NetworkEnsemble, x: Float, residual: Float, parameters: Parameters) -> Float:
    """Return the smallest absolute rate (E,) at which each member's own linearization exceeds its initial loss.

    The linearization is descent on the initial empirical kernel of all outputs, from the initial function (C6).

    :param residual: (E, N, O): the targets less the initial function.
    """
    kernel = networks.ntk(x, outputs="all").double().cpu().numpy() / networks.scales.output_scale**2
    points = residual.shape[1] * residual.shape[2]
    values, vectors = np.linalg.eigh(kernel.swapaxes(2, 3).reshape(-1, points, points))
    modes = vectors.mT @ residual.reshape(-1, points, 1)
    limits = np.array([stable_learning_rate([value], len(x)) for value in values[:, -1]])
    return limits * kernel_onset(values[:, ::-1], modes[:, ::-1], parameters)


def kernel_onset(eigenvalues: Float, modes: Float, parameters: Parameters) -> Float:
    """Return the smallest rate (E,), in units of the limit, at which descent on the kernel exceeds its initial loss.

    Every step multiplies the residual along an eigenvector by ``1 - 2 r lambda / lambda_max``; nan if the loss never
    exceeds. The loss is convex in the step, so that its largest value after ``settle`` is at one of the ends.

    :param eigenvalues: (N,), or (E, N), descending; ``modes`` (E, N, O): the initial residuals along the eigenvectors.
    """
    squares = np.square(modes).sum(axis=2)
    share = 2 * eigenvalues / eigenvalues[..., :1]

    def exceeds(rates: Float) -> Float:
        factors = np.square(1 - rates[:, None] * share)
        with np.errstate(over="ignore"):
            losses = [(factors**step * squares).sum(axis=1) for step in (max(parameters.settle, 1), parameters.steps)]
        return np.asarray(np.maximum(*losses) > squares.sum(axis=1))

    low, high = np.ones(len(modes)), np.full(len(modes), parameters.highest)
    reachable = exceeds(high)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        past = exceeds(middle)
        low, high = np.where(past, low, middle), np.where(past, middle, high)
    return np.where(reachable, high, np.nan)


def _draw(request: Request, first: int, members: int) -> NetworkEnsemble:
    problem, parameters = request.problem, request.parameters
    return NetworkEnsemble(
        request.architecture,
        in_features=problem.x_train.shape[1],
        out_features=problem.y_train.shape[1],
        width=request.hidden_widths,
        members=members,
        seed=request.seed,
        device=request.device,
        dtype=request.dtype,
        first_member=first,
        output_scale=output_scale(request),
        subtract_init=parameters.subtract_init,
    )


def _middle(threshold: Threshold) -> Float:
    """Return the geometric middle of each bracket (E,), nan where none was found."""
    found = np.isfinite(threshold.value)
    product = np.where(found, threshold.lower, 1.0) * np.where(found, threshold.upper, 1.0)
    return np.where(found, np.sqrt(product), np.nan)


def _rows(metric: str, values: Float, label: str) -> Iterator[Measurement]:
    for member, value in enumerate(values):
        if np.isfinite(value):
            yield Measurement(
                metric=metric, value=float(value), unit="stable_rate", reference=label, member=member, step=0, time=0.0
            )
