"""Functions of one variable: ``synthetic/sine`` and ``synthetic/step``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sampling import generator, interval_grid, interval_points, noisy_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.plugin import Float, Problem

    from .parameters import Interval, Sine, Step


def load_sine(parameters: Sine, split_index: int, seed: int) -> Problem:
    """Return noisy samples of ``amplitude * sin(2 pi frequency x + phase)`` (N, 1), and the clean curve on a grid."""

    def sine(x: Float) -> Float:
        return parameters.amplitude * np.sin(2 * np.pi * parameters.frequency * x + parameters.phase)

    return _load("synthetic/sine", sine, parameters, split_index, seed)


def load_step(parameters: Step, split_index: int, seed: int) -> Problem:
    """Return noisy samples of a jump of ``height`` at ``location`` (N, 1), centred, and the clean step on a grid."""

    def step(x: Float) -> Float:
        return parameters.height * np.where(x >= parameters.location, 0.5, -0.5)

    return _load("synthetic/step", step, parameters, split_index, seed)


def _load(task: str, function: Callable[[Float], Float], parameters: Interval, split_index: int, seed: int) -> Problem:
    low, high = parameters.low, parameters.high
    x_train = interval_points(parameters.n_train, low, high, generator(f"{task}/inputs", seed, split_index))
    x_test = interval_grid(parameters.n_test, low, high)
    return noisy_problem(x_train, x_test, function, parameters.noise, generator(f"{task}/noise", seed, split_index))
