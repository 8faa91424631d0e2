"""``synthetic/circle``: J18's f*(x) = x1 x2 on the unit circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sampling import angle_grid, circle_points, gaussian_points, generator, noisy_problem

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Problem

    from .parameters import Circle


def load(parameters: Circle, split_index: int, seed: int) -> Problem:
    """Return ``x1 x2 = sin(2 g) / 2`` (N, 1) at points ``(cos g, sin g)`` (N, 2) of the circle (J18 Figs. 1 and 2).

    The test angles are the even grid ``-pi + 2 pi j / M``; even training angles sit half a step off such a grid, so
    that four of them are the points with targets +-1/2 and not the four zeros of the target. Gaussian training inputs
    are N(0, I_2) and leave the circle, as in J18 Fig. 1: the target is x1 x2 there too.
    """
    x_train = _train_points(parameters, generator("synthetic/circle/inputs", seed, split_index))
    noise = generator("synthetic/circle/noise", seed, split_index)
    return noisy_problem(x_train, circle_points(angle_grid(parameters.n_test)), _product, parameters.noise, noise)


def _train_points(parameters: Circle, rng: np.random.Generator) -> Float:
    if parameters.angles == "gaussian":
        return gaussian_points(parameters.n_train, 2, rng)
    if parameters.angles == "even":
        return circle_points(angle_grid(parameters.n_train, offset=0.5))
    return circle_points(rng.uniform(-np.pi, np.pi, parameters.n_train))


def _product(x: Float) -> Float:
    return x[:, :1] * x[:, 1:]
