"""The update rules of optimizers, for one tensor of parameters of all networks of a group at once.

Gradients are added to the parameters or to an optimizer's buffers as they are computed (:class:`Gradient`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from ntkbench.plugin import DataError, suggestion
from ntkbench.theory.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Gradient(Protocol):
    """The gradient of the loss by one tensor of parameters (G, rows, columns), not necessarily stored."""

    def add_to(self, target: Tensor, *, beta: float, scale: float) -> None:
        """Set the target to ``beta target + scale * rate_multipliers * gradient``, in place."""

    def store(self, target: Tensor) -> None:
        """Write the gradient, without multipliers, to the target."""


class Coordinates(NamedTuple):
    """The parameters that an optimizer which is not linear in the gradient trains, instead of a tensor theta.

    These are ``p = spread * theta`` at ``rate_multipliers / spread^2`` times the learning rate; both are (rows, 1).
    """

    spread: Tensor
    rate_multipliers: Tensor


class Update(ABC):
    """An optimizer's update rule for a group of G networks with learning rates (G, 1, 1).

    :param tensors: all parameters, (G, rows, columns) each; ``trained``: which of them are trained.
    """

    buffers_per_tensor = 0  # each as large as the tensor
    state: tuple[str, ...] = ("learning_rate", "buffers")  # attributes that training changes

    def __init__(
        self,
        tensors: Sequence[Tensor],
        learning_rate: Tensor,
        momentum: float,
        *,
        trained: Sequence[bool],
        coordinates: Sequence[Coordinates],
    ) -> None:
        self.learning_rate, self.momentum, self.coordinates = learning_rate, momentum, coordinates
        self.buffers = [
            [torch.zeros_like(tensor) for _ in range(self.buffers_per_tensor)] if changes else []
            for tensor, changes in zip(tensors, trained, strict=True)
        ]

    def scale_signal(self, signal: Tensor) -> Tensor:
        """Scale the derivatives of l (G, N, O), in place: by 1/N, and by the learning rate if the rule is linear."""
        return signal.mul_(self.learning_rate / signal.shape[1])

    @abstractmethod
    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        """Update tensor number ``index`` in place."""

    def freeze(self, members: Tensor) -> None:
        """Freeze members given by a mask (G,): their learning rate and buffers become 0."""
        self.learning_rate = self.learning_rate.masked_fill(members[:, None, None], 0.0)
        for own in self.buffers:
            for buffer in own:
                buffer.masked_fill_(members[:, None, None], 0.0)


class _Descent(Update):
    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        gradient.add_to(tensor, beta=1.0, scale=-1.0)


class _HeavyBall(Update):
    buffers_per_tensor = 1

    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        (velocity,) = self.buffers[index]
        gradient.add_to(velocity, beta=self.momentum, scale=1.0)
        tensor.sub_(velocity)


class _Nesterov(Update):
    """``theta - eta (g + mu v')`` with ``v' = mu v + g``, which is ``theta + mu (eta v) - (1 + mu) (eta v')``."""

    buffers_per_tensor = 1

    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        (velocity,) = self.buffers[index]
        tensor.add_(velocity, alpha=self.momentum)
        gradient.add_to(velocity, beta=self.momentum, scale=1.0)
        tensor.sub_(velocity, alpha=1 + self.momentum)


class _Adam(Update):
    """Kingma and Ba 2015 with torch's defaults, on the parameters p = s theta of :class:`Coordinates`.

    With r the rate multiplier, a step of p changes theta by ``eta r s m / (sqrt(v) + s eps)``, where m and v are the
    moments of theta's gradient.
    """

    buffers_per_tensor = 3
    state = ("learning_rate", "buffers", "steps")

    def __init__(
        self,
        tensors: Sequence[Tensor],
        learning_rate: Tensor,
        momentum: float,
        *,
        trained: Sequence[bool],
        coordinates: Sequence[Coordinates],
    ) -> None:
        super().__init__(tensors, learning_rate, momentum, trained=trained, coordinates=coordinates)
        self.steps = [0] * len(tensors)

    def scale_signal(self, signal: Tensor) -> Tensor:
        return signal.div_(signal.shape[1])

    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        formed, mean, square = self.buffers[index]
        self.steps[index] += 1
        step, (spread, multipliers) = self.steps[index], self.coordinates[index]
        gradient.store(formed)
        mean.lerp_(formed, 1 - _BETA1)
        square.mul_(_BETA2).addcmul_(formed, formed, value=1 - _BETA2)
        torch.sqrt(square, out=formed)
        formed.div_((1 - _BETA2**step) ** 0.5).add_(_EPSILON * spread)
        scale = multipliers * spread * self.learning_rate / (1 - _BETA1**step)
        tensor.sub_(torch.div(mean, formed, out=formed).mul_(scale))


_UPDATES: dict[str, type[Update]] = {
    "gradient-descent": _Descent,
    "heavy-ball": _HeavyBall,
    "nesterov": _Nesterov,
    "adam": _Adam,
}


def find_update(name: str) -> type[Update]:
    """Return the update rule of the optimizer called ``name``.

    :raises DataError: for an unknown name.
    """
    if name not in _UPDATES:
        raise DataError(f"optimizer {name!r}: expected one of {', '.join(OPTIMIZERS)}{suggestion(name, OPTIMIZERS)}")
    return _UPDATES[name]
