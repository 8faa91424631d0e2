"""The backend's entry point: choose on the tuning problems, train on all training points, and report."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Measurement, SelectionCache, Solution

from ..networks.layout import layer_sizes, parameter_count, widths_at
from .candidates import candidates, train
from .select import TunedNetwork, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ntkbench.plugin import Float, Request

_selections: SelectionCache[TunedNetwork] = SelectionCache()


def solve(request: Request) -> Solution:
    """Return networks whose depth, learning rate and, if asked, last step were chosen on ``problem.tuning``.

    They are then drawn anew and trained on all training points, up to the chosen step (``stopped_at``): outputs at
    later recorded steps repeat those of that step. The criterion is the accuracy, or without labels the RMSE, of the
    ensemble's mean. If several splits share their tuning problems, as in A19, a process chooses once.

    :raises DataError: without tuning problems, members or an absolute learning rate.
    :raises UnavailableError: for an architecture or a device that is not supported here.
    """
    problem, training = request.problem, request.training
    fits = len(candidates(request.architecture, request.parameters)) * len(problem.tuning) + 1
    tick = _counted(request.progress, fits)
    chosen = _selections.get(problem.tuning, _settings(request), lambda: choose(request, tick))
    steps = [step for step in training.steps.tolist() if step <= chosen.step]
    found = train(request, chosen.candidate, problem, steps)
    request.progress(fits, fits)
    depth, rate = chosen.candidate
    ended = chosen.step if chosen.step < int(training.steps[-1]) else -1
    diverged_at = found.diverged_at.cpu().numpy()
    widths = widths_at(depth, request.hidden_widths)
    layers = layer_sizes(problem.x_train.shape[1], widths, depth, problem.y_train.shape[1])
    return Solution(
        times=rate * training.times,
        steps=training.steps,
        training=replace(training, learning_rate=rate * training.rate, batch_seed=request.seed),
        members_train=_prolonged(found.outputs, len(training.steps)),
        members_test=_prolonged(found.outputs_test, len(training.steps)),
        diverged_at=diverged_at,
        stopped_at=np.where(diverged_at < 0, ended, -1),
        measurements=tuple(_facts(chosen)),
        parameters=parameter_count(layers),
    )


def _counted(progress: Callable[[float, float], None], total: int) -> Callable[[], None]:
    """Return a function that counts trainings and reports progress."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    return tick


def _settings(request: Request) -> str:
    """Return everything that a choice depends on, apart from the tuning problems, as text."""
    training = request.training
    told = (request.architecture, request.parameters, request.hidden_widths, request.members, request.seed)
    machine = (request.device, request.dtype, request.threads)
    course = (training.optimizer, training.learning_rate, training.momentum, training.batch_size)
    return f"{told!r} {machine!r} {course!r} {training.steps.tolist()}"


def _prolonged(outputs: Tensor | None, records: int) -> Float | None:
    """Return outputs (E, T, n, O) up to the chosen step as (E, records, n, O), repeating the last."""
    if outputs is None:
        return None
    known = outputs.double().cpu().numpy()
    return np.asarray(known[:, np.minimum(np.arange(records), known.shape[1] - 1)])


def _facts(chosen: TunedNetwork) -> Iterator[Measurement]:
    facts = {
        "chosen_depth": (chosen.candidate.depth, "layer"),
        "chosen_learning_rate": (chosen.candidate.rate, "1"),
        "chosen_step": (chosen.step, "step"),
        "validation_score": (-chosen.score, "1"),
        "candidates_diverged": (chosen.diverged, "candidate"),
    }
    for name, (value, unit) in facts.items():
        if isfinite(value):
            yield Measurement(metric=name, value=float(value), unit=unit)
