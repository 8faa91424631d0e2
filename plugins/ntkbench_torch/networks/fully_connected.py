"""Fully-connected networks as the training loop uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..training.updates import Coordinates, find_update
from .network import Workspace, backward, evaluate, forward

if TYPE_CHECKING:
    from torch import Tensor

    from ..training.updates import Update
    from .network import LayerScales


class FullyConnected:
    """G networks of one shape, with buffers for training (:class:`~ntkbench_torch.training.loop.Trainable`)."""

    def __init__(self, scales: LayerScales, layers: list[Tensor]) -> None:
        self.scales, self.tensors = scales, layers
        self._space: Workspace | None = None

    def load(self, x: Tensor) -> None:
        """Set the training points (N, F); buffers are reused if their number is unchanged."""
        if self._space is not None and self._space.outputs.shape[1] == len(x):
            self._space.load(x)
        else:
            self._space = Workspace(self.scales, len(self.tensors[0]), x, gradients=True)

    def forward(self) -> Tensor:
        """Return the outputs (G, N, O) on the loaded points; the next pass overwrites them."""
        return forward(self.scales, self.tensors, self._loaded)

    def backward(self, update: Update) -> None:
        """Update the networks; the outputs must have been replaced by the derivatives of the loss."""
        backward(self.scales, self.tensors, self._loaded, update)

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the outputs (G, M, O) on other points."""
        return evaluate(self.scales, self.tensors, x)

    def update(self, optimizer: str, learning_rate: Tensor, momentum: float) -> Update:
        """Return the optimizer's update rule at learning rates (G, 1, 1), divided by ``output_scale^2``."""
        scales, like = self.scales, self.tensors[0]
        return find_update(optimizer)(
            self.tensors,
            learning_rate / scales.output_scale**2,
            momentum,
            trained=[any(factors) for factors in scales.rate_multipliers],
            coordinates=[_coordinates(scales, index, like) for index in range(len(self.tensors))],
        )

    @property
    def _loaded(self) -> Workspace:
        if self._space is None:
            raise RuntimeError("no points to train on: call load() first")
        return self._space


def _coordinates(scales: LayerScales, index: int, like: Tensor) -> Coordinates:
    """Return the coordinates in which Adam trains layer ``index``: ``gain W`` and ``bias_std b`` if standard."""
    (weight_rate, bias_rate), fan_in = scales.rate_multipliers[index], scales.layers[index]
    spreads = [1.0] * (fan_in + 1)
    if scales.standard:
        own, constant = scales.gains[index] / scales.output_scale, scales.constants[index]
        spreads = [own] * fan_in + [own * constant if constant else 1.0]
    multipliers = [weight_rate] * fan_in + [bias_rate]
    columns = (torch.tensor(values, device=like.device, dtype=like.dtype)[:, None] for values in (spreads, multipliers))
    return Coordinates(*columns)
