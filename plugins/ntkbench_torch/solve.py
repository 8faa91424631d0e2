"""The backend's entry point: train the ensemble of a request and measure its observables."""

from __future__ import annotations

from dataclasses import asdict, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ntkbench.plugin import DataError, Measurement, Solution

from .devices import find_device
from .networks.ensemble import NetworkEnsemble
from .networks.layout import group_size, layer_sizes, parameter_count
from .observables import Recorder, Snapshot, moments
from .observables.catalogue import LINEARIZED
from .training.checkpoint import Checkpoint, Checkpoints
from .training.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    from ntkbench.plugin import Float, Request

    from .training.trajectory import GroupRecord, Trajectory

_REPORT_SECONDS = 0.1


def solve(request: Request) -> Solution:
    """Train ``request.members`` networks and return their outputs, divergences and measurements.

    Networks are drawn, trained and discarded group by group, so memory is that of one group. The grouping changes no
    number.

    :raises UnavailableError: for a device or an architecture that is not supported.
    :raises DataError: without members or an absolute learning rate, or for widths that do not fit the depth.
    """
    training = request.training
    if request.members < 1 or training.learning_rate is None:
        raise DataError("backend torch: expected at least one member and an absolute learning rate")
    _check_non_gradient(request)
    problem, depth = request.problem, request.architecture.depth
    layers = layer_sizes(problem.x_train.shape[1], request.hidden_widths, depth, problem.y_train.shape[1])
    group = group_size(layers, find_device(request.device).type)
    learning_rate = request.parameters.learning_rate_multiplier * training.learning_rate
    groups = _solve_groups(request, learning_rate, group)
    return Solution(
        times=request.parameters.learning_rate_multiplier * training.times,
        steps=training.steps,
        training=replace(training, learning_rate=learning_rate, batch_seed=request.seed),
        members_train=_joined(part.outputs for part in groups),
        members_test=_joined(part.outputs_test for part in groups),
        diverged_at=np.concatenate([part.diverged_at.cpu().numpy() for part in groups]),
        stopped_at=np.concatenate([part.stopped_at.cpu().numpy() for part in groups]),
        measurements=(*(row for part in groups for row in part.measurements), *_ensemble_measurements(request, groups)),
        parameters=parameter_count(layers),
    )


def _solve_groups(request: Request, learning_rate: float, group: int) -> list[_GroupResult]:
    """Return the results of all groups of ``group`` members, those already on disk included."""
    steps = int(request.training.steps[-1])
    tick = _throttled(request.progress, steps * -(-request.members // group))
    files, results = Checkpoints(request.scratch), []
    for first in range(0, request.members, group):
        if kept := files.result(first):
            result = _GroupResult.from_dict(kept)
            for _ in range(steps):
                tick()
        else:
            result = _GroupRun(request, learning_rate, first, min(group, request.members - first)).train(tick, files)
        results.append(result)
        files.save_result(first, result.as_dict())
    return results


def _ensemble_measurements(request: Request, groups: list[_GroupResult]) -> Iterator[Measurement]:
    """Yield the measurements of all members together."""
    if moments.OBSERVABLE in request.observe:
        kernels = [moments.InitialKernels(*part.kernels) for part in groups]
        yield from moments.moment_rows(kernels, request.references)


def _check_non_gradient(request: Request) -> None:
    if request.training.non_gradient and (named := sorted(LINEARIZED & request.observe)):
        raise DataError(
            f"{named[0]} has no closed form along a direction that is not a gradient (training.non_gradient)"
        )


class _GroupResult(NamedTuple):
    """Results of a group's G members: outputs (G, T, n, O), steps of divergence and early stopping (G,), measurements.

    ``kernels`` holds the fields of :class:`.moments.InitialKernels` if moments are observed, and else nothing.
    """

    outputs: Tensor
    outputs_test: Tensor | None
    diverged_at: Tensor
    stopped_at: Tensor
    measurements: list[Measurement]
    kernels: list[Tensor]

    def as_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "measurements": [asdict(row) for row in self.measurements]}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> _GroupResult:
        return cls(**{**kept, "measurements": [Measurement(**row) for row in kept["measurements"]]})


class _GroupRun:
    """The training of members ``first .. first + members``, with its measurements."""

    def __init__(self, request: Request, learning_rate: float, first: int, members: int) -> None:
        self._request, self._learning_rate, self._first = request, learning_rate, first
        self._ensemble = _draw(request, first, members)
        self._observer = _Observer(request, learning_rate, self._ensemble) if request.observe else None
        self._measurements: list[Measurement] = []
        self._kernels: list[Tensor] = []

    def train(self, tick: Callable[[], None], files: Checkpoints) -> _GroupResult:
        """Train, from the group's checkpoint if there is one; ``tick`` is called after every step."""
        training, problem = self._request.training, self._request.problem
        trajectory = self._ensemble.train(
            problem.x_train,
            problem.y_train,
            x_test=problem.x_test,
            learning_rate=self._learning_rate,
            steps=int(training.steps[-1]),
            record_at=training.steps.tolist(),
            loss=problem.loss,
            optimizer=training.optimizer,
            momentum=training.momentum,
            batch_size=training.batch_size,
            non_gradient=training.non_gradient,
            stop=Stop(loss=training.stop_loss, patience=training.stop_patience),
            on_record=self._observe,
            on_step=tick,
            precision=self._request.parameters.precision,
            checkpoint=Checkpoint(files, self._first, self._notes, self._restore),
        )
        return _GroupResult(
            trajectory.outputs,
            trajectory.outputs_test,
            trajectory.diverged_at,
            trajectory.stopped_at,
            self._before_divergence(trajectory),
            self._kernels,
        )

    def _observe(self, record: GroupRecord) -> None:
        if self._observer is None:
            return
        self._measurements.extend(self._observer.observe(record))
        if record.step == 0 and moments.OBSERVABLE in self._request.observe:
            self._kernels.extend(moments.initial_kernels(self._observer.snapshot(record)))

    def _notes(self) -> dict[str, Any]:
        """Return the notes that a checkpoint stores with the state of training."""
        return {"rows": [asdict(row) for row in self._measurements], "kernels": self._kernels}

    def _restore(self, notes: dict[str, Any]) -> None:
        self._measurements[:] = [Measurement(**row) for row in notes["rows"]]
        self._kernels[:] = [tensor.cpu() for tensor in notes["kernels"]]  # of step 0, which is not repeated

    def _before_divergence(self, trajectory: Trajectory) -> list[Measurement]:
        """Return the measurements, without those of a member that had diverged."""
        ends = dict(enumerate(trajectory.diverged_at.tolist(), start=self._first))
        diverged = {
            (member, step)
            for member, end in ends.items()
            if end >= 0
            for step in self._request.training.steps.tolist()
            if step >= end
        }
        return [row for row in self._measurements if (row.member, row.step) not in diverged]


def _draw(request: Request, first: int, members: int) -> NetworkEnsemble:
    problem = request.problem
    parameters = request.parameters
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
        trained_layers=parameters.trained_layers,
    )


def output_scale(request: Request) -> float:
    """Return the study's ``output_scale``, divided by the root of the last hidden width in mean-field scaling."""
    scale = float(request.parameters.output_scale)
    if request.parameters.scaling == "ntk" or not request.hidden_widths:
        return scale
    return float(scale * float(request.hidden_widths[-1]) ** -0.5)


class _Observer:
    """Measures a study's observables on one group; keeps a copy of the initial networks."""

    def __init__(self, request: Request, learning_rate: float, ensemble: NetworkEnsemble) -> None:
        self._request, self._learning_rate, self._ensemble = request, learning_rate, ensemble
        self._recorder = Recorder(request.observe, request.parameters)
        self._initial = [layer.clone() for layer in ensemble.layers()]
        problem = request.problem
        self._points = [ensemble.tensor(array) for array in (problem.x_train, problem.y_train, problem.x_test)]

    def observe(self, record: GroupRecord) -> Iterator[Measurement]:
        """Return an iterator over the measurements at a recorded step."""
        return self._recorder.observe(self.snapshot(record))

    def snapshot(self, record: GroupRecord) -> Snapshot:
        """Return the networks at a recorded step with all that observables need."""
        training, ensemble, step = self._request.training, self._ensemble, record.step
        x, y, x_test = self._points
        tested = record.outputs_test
        return Snapshot(
            scales=ensemble.scales,
            layers=record.layers,
            initial=self._initial,
            x=x,
            y=y,
            x_test=x_test,
            outputs=record.outputs,
            outputs_test=record.outputs[:, :0] if tested is None else tested,
            first_member=record.first_member,
            step=step,
            time=self._learning_rate * step,
            learning_rate=self._learning_rate,
            last=step == training.steps[-1],
            optimizer=training.optimizer,
            momentum=training.momentum,
            loss=self._request.problem.loss,
            batch_size=training.batch_size,
            subtract_init=ensemble.subtract_init,
            slice_at=self._request.parameters.slice_at,
            references=self._request.references,
        )


def _throttled(progress: Callable[[float, float], None], total: int) -> Callable[[], None]:
    """Return a function that counts steps and reports the count at most ten times a second, and at the end."""
    done, last = 0, monotonic()

    def tick() -> None:
        nonlocal done, last
        done += 1
        now = monotonic()
        if now - last >= _REPORT_SECONDS or done == total:
            last = now
            progress(done, total)

    return tick


def _joined(parts: Iterable[Tensor | None]) -> Float:
    """Return the outputs of all groups, (E, T, n, O), in float64."""
    return np.concatenate([part.double().cpu().numpy() for part in parts if part is not None])
