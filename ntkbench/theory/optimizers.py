"""Optimizers: their names, momenta, and, where kernel descent has a closed form, stable rates.

The update is that of ``torch.optim.SGD(momentum=mu, dampening=0)``, from a velocity of zero: with the gradient g_k,

    v_{k+1} = mu v_k + g_k                                     mu = 0 for gradient descent
    theta_{k+1} = theta_k - eta v_{k+1}                        gradient descent, heavy-ball
    theta_{k+1} = theta_k - eta (g_k + mu v_{k+1})             Nesterov: the recorded iterate is torch's

Adam (Kingma and Ba 2015; beta 0.9 and 0.999, epsilon 1e-8) has no kernel descent: its steps are not linear in g.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Optimizer = Literal["gradient-descent", "heavy-ball", "nesterov", "adam"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)


def momentum_mistake(optimizer: str, momentum: float) -> str | None:
    """Return the mistake in an optimizer and its momentum, or None."""
    if optimizer not in OPTIMIZERS:
        return f"optimizer is {optimizer!r}, expected one of {', '.join(OPTIMIZERS)}"
    if not 0 <= momentum < 1:
        return f"momentum is {momentum}; it must be in [0, 1)"
    if optimizer in ("gradient-descent", "adam") and momentum != 0:
        return f'momentum is {momentum}, but {optimizer} has none: choose "heavy-ball" or "nesterov"'
    return None


def kernel_side_mistake(optimizer: str, momentum: float) -> str | None:
    """Return why a kernel cannot follow such training, or None."""
    if optimizer == "adam":
        return "adam has no kernel descent: its steps are not linear in the gradient"
    return momentum_mistake(optimizer, momentum)


def stable_learning_rate(
    eigenvalues: ArrayLike,
    n_train: int,
    rho: float = 0.0,
    *,
    optimizer: Optimizer = "gradient-descent",
    momentum: float = 0.0,
) -> float:
    """Return the learning rate below which training converges; inf for a kernel that is zero.

    With ``lambda`` the largest of ``eigenvalues`` plus the absolute ridge ``rho``: ``2 N / lambda`` for gradient
    descent, ``2 (1 + mu) N / lambda`` for heavy-ball, and ``2 (1 + mu) N / ((1 + 2 mu) lambda)`` for Nesterov, where a
    root of the update's companion matrix reaches -1 (docs/theory.md, "Gradient descent, exactly").

    :raises ValueError: for a momentum that the optimizer does not allow.
    """
    import numpy as np

    if mistake := kernel_side_mistake(optimizer, momentum):
        raise ValueError(mistake)
    largest = float(np.max(np.asarray(eigenvalues, dtype=np.float64))) + rho
    widened = (1 + momentum) / (1 + 2 * momentum) if optimizer == "nesterov" else 1 + momentum
    return widened * 2 * n_train / largest if largest > 0 else inf
