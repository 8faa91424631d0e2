"""What an optimizer does with the gradient of one layer, of every network of a group at once.

The gradient of layer l is the product ``gain_l inputs_l^T signal_l``; it is added to the weights, or to what an
optimizer remembers, as it is formed. Rates are multipliers of the learning rate in NTK coordinates (:class:`.Form`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

from ntkbench.errors import DataError, suggestion
from ntkbench.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from torch import Tensor

    from .network import Form

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Update(ABC):
    """The way of training of a group of G networks with learning rates (G, 1, 1), over alpha^2 where f is scaled."""

    buffers_per_layer = 0  # that are as large as the layer
    state: tuple[str, ...] = ("learning_rate", "memory")  # what changes in training

    def __init__(self, form: Form, layers: list[Tensor], learning_rate: Tensor, momentum: float) -> None:
        self.form, self.learning_rate, self.momentum = form, learning_rate, momentum
        self.memory = [
            [torch.zeros_like(layer) for _ in range(self.buffers_per_layer)] if any(rates) else []
            for layer, rates in zip(layers, form.rates, strict=True)
        ]

    def weigh(self, signal: Tensor) -> Tensor:
        """Scale the derivatives of l by the outputs (G, N, O), in place: by 1/N, and by the rate if it is linear."""
        return signal.mul_(self.learning_rate / signal.shape[1])

    @abstractmethod
    def apply(self, index: int, layer: Tensor, inputs: Tensor, signal: Tensor) -> None:
        """Change ``layer`` (G, n_l + 1, n_{l+1}), given ``inputs`` (G, N, n_l + 1) and ``signal`` (G, N, n_{l+1})."""

    def forget(self, members: Tensor) -> None:
        """Bring chosen members (G,) to rest: they keep no momentum, and their learning rate is 0 from now on."""
        self.learning_rate = self.learning_rate.masked_fill(members[:, None, None], 0.0)
        for buffers in self.memory:
            for buffer in buffers:
                buffer.masked_fill_(members[:, None, None], 0.0)

    def _add_gradient(
        self, target: Tensor, index: int, inputs: Tensor, signal: Tensor, *, beta: float, sign: float
    ) -> None:
        """Make the target ``beta target + sign * rates * gradient``."""
        weight_rate, bias_rate = self.form.rates[index]
        scale = sign * self.form.gains[index]
        if weight_rate == bias_rate:
            _add_product(target, inputs.mT, signal, beta, scale * weight_rate)
            return
        _add_product(target[:, :-1], inputs[..., :-1].mT, signal, beta, scale * weight_rate)
        bias_scale = scale * bias_rate * self.form.constants[index]
        target[:, -1].mul_(beta).add_(signal.sum(dim=1), alpha=bias_scale)


class _Descent(Update):
    def apply(self, index: int, layer: Tensor, inputs: Tensor, signal: Tensor) -> None:
        self._add_gradient(layer, index, inputs, signal, beta=1.0, sign=-1.0)


class _HeavyBall(Update):
    buffers_per_layer = 1

    def apply(self, index: int, layer: Tensor, inputs: Tensor, signal: Tensor) -> None:
        (velocity,) = self.memory[index]
        self._add_gradient(velocity, index, inputs, signal, beta=self.momentum, sign=1.0)
        layer.sub_(velocity)


class _Nesterov(Update):
    """``theta - eta (g + mu v')`` with ``v' = mu v + g``, which is ``theta + mu (eta v) - (1 + mu) (eta v')``."""

    buffers_per_layer = 1

    def apply(self, index: int, layer: Tensor, inputs: Tensor, signal: Tensor) -> None:
        (velocity,) = self.memory[index]
        layer.add_(velocity, alpha=self.momentum)
        self._add_gradient(velocity, index, inputs, signal, beta=self.momentum, sign=1.0)
        layer.sub_(velocity, alpha=1 + self.momentum)


class _Adam(Update):
    """Kingma and Ba 2015, with torch's defaults; of parameters p = s theta, where the standard ones are not theta.

    With the rate of p, ``eta r s^2`` in terms of the multiplier r, a step of p is one of theta of
    ``eta r s m / (sqrt(v) + s eps)``, m and v being the moments of theta's gradient.
    """

    buffers_per_layer = 3
    state = ("learning_rate", "memory", "steps")

    def __init__(self, form: Form, layers: list[Tensor], learning_rate: Tensor, momentum: float) -> None:
        super().__init__(form, layers, learning_rate, momentum)
        self.steps = [0] * len(layers)

    def weigh(self, signal: Tensor) -> Tensor:
        return signal.div_(signal.shape[1])

    def apply(self, index: int, layer: Tensor, inputs: Tensor, signal: Tensor) -> None:
        gradient, mean, square = self.memory[index]
        self.steps[index] += 1
        step, gain, constant = self.steps[index], self.form.gains[index], self.form.constants[index]
        _add_product(gradient, inputs.mT, signal, 0.0, gain)
        mean.lerp_(gradient, 1 - _BETA1)
        square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        own = gain / self.form.output_scale
        rows = [own] * (layer.shape[1] - 1) + [own * constant if constant else 1.0]
        spread = torch.ones_like(layer[0, :, :1])
        if self.form.standard:
            spread = torch.tensor(rows, device=layer.device, dtype=layer.dtype)[:, None]
        rates = torch.full_like(spread, self.form.rates[index][0])
        rates[-1] = self.form.rates[index][1]
        torch.sqrt(square, out=gradient)
        gradient.div_((1 - _BETA2**step) ** 0.5).add_(_EPSILON * spread)
        scale = rates * spread * self.learning_rate / (1 - _BETA1**step)
        layer.sub_(torch.div(mean, gradient, out=gradient).mul_(scale))


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


def _add_product(target: Tensor, left: Tensor, right: Tensor, beta: float, scale: float) -> None:
    """Make the target ``beta target + scale * left @ right``; transposed where its rows are not contiguous.

    PyTorch hands a batch to BLAS in one call only where the result's rows are contiguous.
    """
    if target.stride(2) == 1:
        target.baddbmm_(left, right, beta=beta, alpha=scale)
    else:
        target.mT.baddbmm_(right.mT, left.mT, beta=beta, alpha=scale)
