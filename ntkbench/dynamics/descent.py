"""Kernel descent, step by step: for costs other than the squared error, and for mini-batches.

With ``f = f_0 + Theta(., X) a``, a step of an optimizer changes the coefficients a (N, O) as it changes parameters:
by the gradient ``g = 1/B l'(f(X), y)`` of the points in the batch, plus ``rho / N a`` (C7, C12 in docs/theory.md).
It is exact; a step costs one product with the kernel matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from ..theory.losses import cost_gradient, non_gradient_direction
from ..theory.minibatches import mini_batches
from ..theory.optimizers import kernel_side_mistake
from .checks import initial_values, matrix, of_training_points, ridge, targets
from .mean import Dynamics

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..theory.losses import Loss
    from ..theory.optimizers import Optimizer


def kernel_descent(
    kernel_train: ArrayLike,
    kernel_test: ArrayLike,
    y_train: ArrayLike,
    *,
    learning_rate: float,
    steps: ArrayLike,
    f0_train: ArrayLike | None = None,
    f0_test: ArrayLike | None = None,
    loss: Loss = "squared-error",
    optimizer: Optimizer = "gradient-descent",
    momentum: float = 0.0,
    rho: float = 0.0,
    batch_size: int | None = None,
    batch_seed: int = 0,
    non_gradient: float = 0.0,
) -> Dynamics:
    """Predict training on any cost of :mod:`ntkbench.theory.losses`, also in mini-batches, from ``f_0`` (None: zero).

    :param kernel_train: (N, N), and ``kernel_test`` (M, N) between test and training points.
    :param y_train: (N, O); ``f0_train`` (*B, N, O) and ``f0_test`` (*B, M, O) come together.
    :param steps: (T,), ascending; ``batch_size`` points per step, drawn by ``batch_seed``; None for all.
    :param rho: the absolute ridge.
    :param non_gradient: strength of the non-gradient part, :func:`ntkbench.theory.losses.non_gradient_direction`.
    :raises DataError: for shapes that do not fit, values that are not finite, or Adam, which has no kernel descent.
    """
    theta, between, y = matrix("kernel_train", kernel_train), matrix("kernel_test", kernel_test), matrix("y", y_train)
    n, rho, recorded = len(theta), ridge(rho), np.asarray(steps, dtype=np.int64)
    for name, part in (("kernel_train", theta), ("kernel_test", between)):
        of_training_points(name, part.shape, n)
    if mistake := kernel_side_mistake(optimizer, momentum):
        raise DataError(f"dynamics: {mistake}")
    start = np.zeros_like(targets(y, n)) if f0_train is None else initial_values("f0_train", f0_train, y.shape)
    start_test = np.zeros((len(between), y.shape[1]))
    if f0_test is not None:
        start_test = initial_values("f0_test", f0_test, (len(between), y.shape[1]))
    coefficients, velocity = np.zeros_like(start), np.zeros_like(start)
    batches = None if batch_size is None or batch_size >= n else mini_batches(n, batch_size, batch_seed)
    at_train, at_test, looked_at = [], [], frozenset(recorded.tolist())
    with np.errstate(over="ignore", invalid="ignore"):  # a rate above the stable one
        for step in range(int(recorded[-1]) + 1):
            now = start + theta @ coefficients
            if step in looked_at:
                at_train.append(now)
                at_test.append(start_test + between @ coefficients)
            gradient = non_gradient_direction(cost_gradient(loss, now, y), non_gradient) / n
            if batches is not None:
                rows = next(batches)
                chosen = np.zeros_like(gradient)
                chosen[..., rows, :] = gradient[..., rows, :] * (n / len(rows))
                gradient = chosen
            gradient += rho / n * coefficients
            velocity = momentum * velocity + gradient
            ahead = gradient + momentum * velocity if optimizer == "nesterov" else velocity
            coefficients = coefficients - learning_rate * ahead
    train, test = np.stack(at_train, axis=-3), np.stack(at_test, axis=-3)
    return Dynamics(train, test, y - train)
