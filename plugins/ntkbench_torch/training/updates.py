"""What an optimizer does with the gradient of one tensor of parameters, of every network of a group at once.

Gradients are added to the parameters, or to what an optimizer remembers, as they are formed (:class:`Gradient`).
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
    """The gradient of the cost by one tensor of parameters theta (G, rows, columns); need not have been formed."""

    def add_to(self, target: Tensor, *, beta: float, scale: float) -> None:
        """Make the target ``beta target + scale * rates * gradient``, with the multipliers of the learning rate."""

    def store(self, target: Tensor) -> None:
        """Make the target the gradient itself."""


class Coordinates(NamedTuple):
    """What an optimizer that is not linear in the gradient must know of a tensor theta, rows of numbers (rows, 1) each.

    It is to train ``p = spread * theta``, at ``rates / spread^2`` times the learning rate.
    """

    spread: Tensor
    rates: Tensor


class Update(ABC):
    """The way of training of a group of G networks with learning rates (G, 1, 1).

    :param tensors: all parameters, (G, rows, columns) each; ``trained``: which of them change at all.
    """

    buffers_per_tensor = 0  # as large as the tensor
    state: tuple[str, ...] = ("learning_rate", "memory")  # what changes in training

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
        self.memory = [
            [torch.zeros_like(tensor) for _ in range(self.buffers_per_tensor)] if changes else []
            for tensor, changes in zip(tensors, trained, strict=True)
        ]

    def scale_signal(self, signal: Tensor) -> Tensor:
        """Scale the derivatives of l by the outputs (G, N, O), in place: by 1/N, and by the rate if it is linear."""
        return signal.mul_(self.learning_rate / signal.shape[1])

    @abstractmethod
    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        """Change tensor number ``index`` by its gradient."""

    def freeze(self, members: Tensor) -> None:
        """Bring chosen members (G,) to rest: they keep no momentum, and their learning rate is 0 from now on."""
        self.learning_rate = self.learning_rate.masked_fill(members[:, None, None], 0.0)
        for buffers in self.memory:
            for buffer in buffers:
                buffer.masked_fill_(members[:, None, None], 0.0)


class _Descent(Update):
    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        gradient.add_to(tensor, beta=1.0, scale=-1.0)


class _HeavyBall(Update):
    buffers_per_tensor = 1

    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        (velocity,) = self.memory[index]
        gradient.add_to(velocity, beta=self.momentum, scale=1.0)
        tensor.sub_(velocity)


class _Nesterov(Update):
    """``theta - eta (g + mu v')`` with ``v' = mu v + g``, which is ``theta + mu (eta v) - (1 + mu) (eta v')``."""

    buffers_per_tensor = 1

    def apply(self, index: int, tensor: Tensor, gradient: Gradient) -> None:
        (velocity,) = self.memory[index]
        tensor.add_(velocity, alpha=self.momentum)
        gradient.add_to(velocity, beta=self.momentum, scale=1.0)
        tensor.sub_(velocity, alpha=1 + self.momentum)


class _Adam(Update):
    """Kingma and Ba 2015, with torch's defaults; of parameters p = s theta, where the standard ones are not theta.

    With the rate of p, ``eta r s^2`` in terms of the multiplier r, a step of p is one of theta of
    ``eta r s m / (sqrt(v) + s eps)``, m and v being the moments of theta's gradient.
    """

    buffers_per_tensor = 3
    state = ("learning_rate", "memory", "steps")

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
        formed, mean, square = self.memory[index]
        self.steps[index] += 1
        step, (spread, rates) = self.steps[index], self.coordinates[index]
        gradient.store(formed)
        mean.lerp_(formed, 1 - _BETA1)
        square.mul_(_BETA2).addcmul_(formed, formed, value=1 - _BETA2)
        torch.sqrt(square, out=formed)
        formed.div_((1 - _BETA2**step) ** 0.5).add_(_EPSILON * spread)
        scale = rates * spread * self.learning_rate / (1 - _BETA1**step)
        tensor.sub_(torch.div(mean, formed, out=formed).mul_(scale))


_UPDATES: dict[str, type[Update]] = {
    "gradient-descent": _Descent,
    "heavy-ball": _HeavyBall,
    "nesterov": _Nesterov,
    "adam": _Adam,
}


def find_update(name: str) -> type[Update]:
    """Return the way of training called ``name``.

    :raises DataError: for one that is not known.
    """
    if name not in _UPDATES:
        raise DataError(f"optimizer {name!r}: expected one of {', '.join(OPTIMIZERS)}{suggestion(name, OPTIMIZERS)}")
    return _UPDATES[name]
