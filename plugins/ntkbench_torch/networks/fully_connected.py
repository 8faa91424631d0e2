"""Fully-connected networks as training sees them."""

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
    """G networks of one form, with room to be trained in (:class:`~ntkbench_torch.training.loop.Trainable`)."""

    def __init__(self, form: LayerScales, layers: list[Tensor]) -> None:
        self.form, self.tensors = form, layers
        self._space: Workspace | None = None

    def load(self, x: Tensor) -> None:
        """Take points (N, F) to train on; as many as before find their room made."""
        if self._space is not None and self._space.outputs.shape[1] == len(x):
            self._space.load(x)
        else:
            self._space = Workspace(self.form, len(self.tensors[0]), x, gradients=True)

    def forward(self) -> Tensor:
        """Return the outputs (G, N, O) on the loaded points, which the next pass overwrites."""
        return forward(self.form, self.tensors, self._loaded)

    def backward(self, update: Update) -> None:
        """Train on the derivatives of the cost by the outputs, which stand in the outputs' place."""
        backward(self.form, self.tensors, self._loaded, update)

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the outputs (G, M, O) on other points."""
        return evaluate(self.form, self.tensors, x)

    def update(self, optimizer: str, learning_rate: Tensor, momentum: float) -> Update:
        """Return the way of training at learning rates (G, 1, 1), over alpha^2 where f is scaled."""
        form, like = self.form, self.tensors[0]
        return find_update(optimizer)(
            self.tensors,
            learning_rate / form.output_scale**2,
            momentum,
            trained=[any(rates) for rates in form.rates],
            coordinates=[_coordinates(form, index, like) for index in range(len(self.tensors))],
        )

    @property
    def _loaded(self) -> Workspace:
        if self._space is None:
            raise RuntimeError("no points to train on: load() comes first")
        return self._space


def _coordinates(form: LayerScales, index: int, like: Tensor) -> Coordinates:
    """Return what Adam is to know of layer ``index``: parameters of its own are ``gain W`` and ``bias_std b``."""
    (weight_rate, bias_rate), fan_in = form.rates[index], form.layers[index]
    spreads = [1.0] * (fan_in + 1)
    if form.standard:
        own, constant = form.gains[index] / form.output_scale, form.constants[index]
        spreads = [own] * fan_in + [own * constant if constant else 1.0]
    rates = [weight_rate] * fan_in + [bias_rate]
    columns = (torch.tensor(values, device=like.device, dtype=like.dtype)[:, None] for values in (spreads, rates))
    return Coordinates(*columns)
