"""The backend's entry point: train the ensemble of a request and look at it on the way."""

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
from .training.loop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    from ntkbench.plugin import Float, Request

    from .training.trajectory import GroupRecord

_REPORT_SECONDS = 0.1


def solve(request: Request) -> Solution:
    """Train ``request.members`` networks and return their outputs, divergences and measurements.

    Networks are drawn, trained and dropped one group at a time, so memory is that of a group; which members share a
    group changes no number.

    :raises UnavailableError: for a device or an architecture that is not supported here.
    :raises DataError: without members or an absolute learning rate, or for widths that make no sense.
    """
    training = request.training
    if request.members < 1 or training.learning_rate is None:
        raise DataError("backend torch: expected at least one member and an absolute learning rate")
    problem, depth = request.problem, request.architecture.depth
    layers = layer_sizes(problem.x_train.shape[1], request.hidden_widths, depth, problem.y_train.shape[1])
    group = group_size(layers, find_device(request.device).type)
    learning_rate = request.parameters.learning_rate_multiplier * training.learning_rate
    _check_swirl(request)
    tick = _throttled(request.progress, int(training.steps[-1]) * -(-request.members // group))
    files, groups = Checkpoints(request.scratch), []
    for first in range(0, request.members, group):
        members = min(group, request.members - first)
        groups.append(_solve_group(request, learning_rate, first, members, tick, files))
        files.save_result(first, groups[-1].as_dict())
    return Solution(
        times=request.parameters.learning_rate_multiplier * training.times,
        steps=training.steps,
        training=replace(training, learning_rate=learning_rate, batch_seed=request.seed),
        members_train=_joined(part.outputs for part in groups),
        members_test=_joined(part.outputs_test for part in groups),
        diverged_at=np.concatenate([part.diverged_at.cpu().numpy() for part in groups]),
        stopped_at=np.concatenate([part.stopped_at.cpu().numpy() for part in groups]),
        measurements=(*(row for part in groups for row in part.measurements), *_of_ensemble(request, groups)),
        parameters=parameter_count(layers),
    )


def _of_ensemble(request: Request, groups: list[_Found]) -> Iterator[Measurement]:
    """Yield what is measured of all members together."""
    if moments.OBSERVABLE in request.observe:
        yield from moments.rows_of([moments.Gathered(*part.gathered) for part in groups], request.references)


def _check_swirl(request: Request) -> None:
    if request.training.non_gradient and (named := sorted(LINEARIZED & request.observe)):
        raise DataError(f"{named[0]} has no closed form along a direction that is no gradient (training.non_gradient)")


class _Found(NamedTuple):
    """Of a group's members: outputs (G, T, N or M, O), the steps they diverged or stopped at, and what was measured."""

    outputs: Tensor
    outputs_test: Tensor | None
    diverged_at: Tensor
    stopped_at: Tensor
    measurements: list[Measurement]
    gathered: list[Tensor]

    def as_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "measurements": [asdict(row) for row in self.measurements]}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> _Found:
        return cls(**{**kept, "measurements": [Measurement(**row) for row in kept["measurements"]]})


def _solve_group(
    request: Request,
    learning_rate: float,
    first: int,
    members: int,
    tick: Callable[[], None],
    files: Checkpoints,
) -> _Found:
    """Train members ``first .. first + members`` and measure them at recorded steps, if that is not done."""
    if kept := files.result(first):
        for _ in range(int(request.training.steps[-1])):
            tick()
        return _Found.of(kept)
    training, problem = request.training, request.problem
    ensemble = _draw(request, first, members)
    measurements: list[Measurement] = []
    gathered: list[Tensor] = []
    observer = _Observer(request, learning_rate, ensemble) if request.observe else None

    def notes() -> dict[str, Any]:
        return {"rows": [asdict(row) for row in measurements], "gathered": gathered}

    def restore(kept: dict[str, Any]) -> None:
        measurements[:] = [Measurement(**row) for row in kept["rows"]]
        gathered[:] = [tensor.cpu() for tensor in kept["gathered"]]  # of step 0, which is not seen again

    def on_record(record: GroupRecord) -> None:
        if observer is not None:
            measurements.extend(observer.look(record))
            if record.step == 0 and moments.OBSERVABLE in request.observe:
                gathered.extend(moments.gather(observer.view(record)))

    trajectory = ensemble.train(
        problem.x_train,
        problem.y_train,
        x_test=problem.x_test,
        learning_rate=learning_rate,
        steps=int(training.steps[-1]),
        record_at=training.steps.tolist(),
        loss=problem.loss,
        optimizer=training.optimizer,
        momentum=training.momentum,
        batch_size=training.batch_size,
        non_gradient=training.non_gradient,
        stop=Stop(loss=training.stop_loss, patience=training.stop_patience),
        on_record=on_record,
        on_step=tick,
        precision=request.parameters.precision,
        checkpoint=Checkpoint(files, first, notes, restore),
    )
    dead = {
        (first + k, step)
        for k, end in enumerate(trajectory.diverged_at.tolist())
        if end >= 0
        for step in training.steps.tolist()
        if step >= end
    }
    alive = [row for row in measurements if (row.member, row.step) not in dead]
    return _Found(
        trajectory.outputs, trajectory.outputs_test, trajectory.diverged_at, trajectory.stopped_at, alive, gathered
    )


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
        output_scale=_output_scale(request),
        subtract_init=parameters.subtract_init,
        trained_layers=parameters.trained_layers,
    )


def _output_scale(request: Request) -> float:
    """Return alpha: the study's, over the root of the last hidden width in mean-field scaling."""
    scale = float(request.parameters.output_scale)
    if request.parameters.scaling == "ntk" or not request.hidden_widths:
        return scale
    return scale * float(request.hidden_widths[-1]) ** -0.5


class _Observer:
    """What a study observes of one group, whose members are kept as they were drawn."""

    def __init__(self, request: Request, learning_rate: float, ensemble: NetworkEnsemble) -> None:
        self._request, self._learning_rate, self._ensemble = request, learning_rate, ensemble
        self._watcher = Recorder(request.observe, request.parameters)
        self._initial = [layer.clone() for layer in ensemble.layers()]
        problem = request.problem
        self._points = [ensemble.tensor(array) for array in (problem.x_train, problem.y_train, problem.x_test)]

    def look(self, record: GroupRecord) -> Iterator[Measurement]:
        """Yield what is observed at a recorded step."""
        return self._watcher.look(self.view(record))

    def view(self, record: GroupRecord) -> Snapshot:
        """Return what there is to see."""
        training, ensemble, step = self._request.training, self._ensemble, record.step
        x, y, x_test = self._points
        tested = record.outputs_test
        return Snapshot(
            form=ensemble.form,
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
    """Return a function that counts steps and reports them at most ten times a second, and the last one."""
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
    """Return the members of all groups, (E, T, n, O), in float64."""
    return np.concatenate([part.double().cpu().numpy() for part in parts if part is not None])
