"""The costs networks are trained on, and their gradients by the outputs, in closed form.

Each is ``C = 1/N sum_i l(f(x_i), y_i)``: the mean over points of a sum over outputs (theory.md, "Cost"; C12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ntkbench.plugin import DataError, suggestion
from ntkbench.theory.losses import LOSSES, Loss

if TYPE_CHECKING:
    from torch import Tensor

_HUBER_DELTA = 1.0


def check_loss(name: str) -> Loss:
    """Return ``name`` if there is such a cost.

    :raises DataError: otherwise.
    """
    for known in LOSSES:
        if name == known:
            return known
    raise DataError(f"loss {name!r}: expected one of {', '.join(LOSSES)}{suggestion(name, LOSSES)}")


def differentiate(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """Replace outputs (G, N, O) by the derivative of l with respect to them, in place.

    ``squared-error``, ``|f - y|^2 / 2``: f - y. ``huber``, ``(f - y)^2 / 2`` up to a residual of 1 and linear beyond:
    f - y, cut at -1 and 1. ``cross-entropy``, ``-sum_o y_o log softmax(f)_o`` for rows y that sum to 1:
    softmax(f) - y.
    """
    if loss == "cross-entropy":
        outputs.copy_(torch.softmax(outputs, dim=-1))
    outputs.sub_(targets)
    return outputs.clamp_(-_HUBER_DELTA, _HUBER_DELTA) if loss == "huber" else outputs


def non_gradient_direction(direction: Tensor, strength: float) -> Tensor:
    """Add ``strength * S d`` to d (G, N, O), in place: ``(S d)_i = (d_{i+1} - d_{i-1}) / 2``, cyclically over points.

    S is skew-symmetric, so that no cost has the result as its gradient (J18 Thm. 2 holds for it all the same; C7).
    """
    if strength == 0:
        return direction
    around = torch.roll(direction, -1, dims=1) - torch.roll(direction, 1, dims=1)
    return direction.add_(around, alpha=strength / 2)


def cost(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return C of every network (G,), in float64."""
    if loss == "cross-entropy":
        points = -(targets * torch.log_softmax(outputs, dim=-1))
    else:
        size = (outputs - targets).abs_()
        small = size.clamp(max=_HUBER_DELTA) if loss == "huber" else size
        points = small * (size - small / 2)
    return points.sum(dim=(1, 2), dtype=torch.float64) / outputs.shape[1]
