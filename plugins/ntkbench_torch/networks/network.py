"""A group of networks in NTK parameterization: one forward pass, and one backward pass that trains, for all at once.

Layer l is kept as ``W_l^T`` with the bias as its last row, (G, n_l + 1, n_{l+1}), and activations carry a constant last
column ``bias_std sqrt(n_l) / weight_std``, so that ``z_{l+1} = weight_std / sqrt(n_l) [h_l, c_l] [W_l^T; b_l]`` is one
product, and so is the gradient of both (docs/theory.md, "Network").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from .activations import find_activation
from .layout import Width, layer_sizes

if TYPE_CHECKING:
    from torch import Tensor

    from ntkbench.architecture.nodes import Architecture

    from ..training.updates import Update
    from .activations import TorchActivation

TrainedLayers = Literal["all", "last"]
_ALIGNMENT = 16  # rows start at multiples of this many numbers
_FAN = 4  # a layer with this many times more outputs than inputs is stored by its inputs
_BLOCK = 4096  # points evaluated per block


@dataclass(frozen=True)
class LayerScales:
    """Facts that all networks of a group share: ``layers`` (n_0 .. n_L), the scales of each layer, and the activation.

    ``gains[l]`` is ``weight_std / sqrt(n_l)``, the last one times ``output_scale``; ``constants[l]`` is ``bias_std``
    over that gain. Parameters are N(0, 1) in every parameterization; parameterizations differ in
    ``rate_multipliers[l]``, the factors of the learning rate for weights and for biases, 0 where a layer is not
    trained. If ``standard``, an optimizer that is not linear in the gradient trains ``gain W`` and ``bias_std b``.
    """

    layers: tuple[int, ...]
    gains: tuple[float, ...]
    constants: tuple[float, ...]
    activation: TorchActivation
    rate_multipliers: tuple[tuple[float, float], ...]
    output_scale: float
    standard: bool

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        n_features: int,
        width: Width,
        n_outputs: int,
        *,
        output_scale: float = 1.0,
        trained_layers: TrainedLayers = "all",
    ) -> LayerScales:
        """Return the scales of a supported architecture.

        :raises DataError: for widths that do not fit the depth, or are not positive.
        """
        layers = layer_sizes(n_features, width, architecture.depth, n_outputs)
        gains = [architecture.weight_std / math.sqrt(fan_in) for fan_in in layers[:-1]]
        constants = tuple(architecture.bias_std / gain for gain in gains)
        multipliers = [_rate_multipliers(architecture, layers, fan_in) for fan_in in layers[:-1]]
        if trained_layers == "last":
            multipliers[:-1] = [(0.0, 0.0)] * (len(multipliers) - 1)
        gains[-1] *= output_scale
        return cls(
            layers,
            tuple(gains),
            constants,
            find_activation(architecture.activation),
            tuple(multipliers),
            output_scale,
            architecture.parameterization != "ntk",
        )

    @property
    def lowest_trained(self) -> int:
        """The lowest trained layer, where backpropagation ends."""
        return next(index for index, factors in enumerate(self.rate_multipliers) if any(factors))


def _rate_multipliers(architecture: Architecture, layers: tuple[int, ...], fan_in: int) -> tuple[float, float]:
    """Return the multipliers of weights and biases; a global rate eta / n is divided by their squared scales."""
    if not architecture.global_rate:
        return 1.0, 1.0
    width, weight, bias = layers[-2], architecture.weight_std**2, architecture.bias_std**2
    return fan_in / (width * weight), 1 / (width * bias) if bias else 0.0


def empty_layers(scales: LayerScales, members: int, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return zero layers (G, n_l + 1, n_{l+1}) for ``members`` networks.

    They are views: in memory, a row holds one unit's weights ``[W_l, b_l]``, or one input's weights if the layer has
    far more outputs than inputs, because products are fastest along the longer side.
    """
    layers = []
    for fan_in, fan_out in pairwise(scales.layers):
        if _FAN * (fan_in + 1) <= fan_out:
            layers.append(torch.zeros(members, fan_in + 1, fan_out, device=device, dtype=dtype))
        else:
            shape = (members, fan_out, _row_length(fan_in + 1, members))
            layers.append(torch.zeros(shape, device=device, dtype=dtype)[..., : fan_in + 1].mT)
    return layers


def _row_length(numbers: int, members: int) -> int:
    """Return the length in memory of a row of ``numbers`` used entries.

    Rows start at cache lines, and not all in the same cache set. With several members rows are dense, since PyTorch
    passes a batch of matrices to BLAS in one call only then.
    """
    if members > 1:
        return numbers
    aligned = -(-numbers // _ALIGNMENT) * _ALIGNMENT
    return aligned + _ALIGNMENT if aligned % (4 * _ALIGNMENT) == 0 else aligned


def _empty_units(members: int, points: int, width: int, like: Tensor) -> Tensor:
    """Return zeros (G, N, n), a view: in memory, all points of a unit are one row.

    With this layout ``Z^T = W X^T``, ``S^T = W^T S'^T`` and ``dW = S^T X`` run as fast as square products.
    """
    shape = (members, width, _row_length(points, members))
    return torch.zeros(shape, device=like.device, dtype=like.dtype)[..., :points].mT


class Workspace:
    """Buffers for a group of G networks on N points ``x`` (N, F), reused from step to step.

    ``inputs[l]`` (G, N, n_l + 1) is the input of layer l, with its constant; ``units[l]`` is ``inputs[l + 1]`` without
    the constant. ``slopes[l]`` (G, N, n_{l+1}) holds z_{l+1} or, with ``gradients``, phi'(z_{l+1}). ``signals[l]``, of
    the same shape, holds the derivatives by z_{l+1} and exists only with ``gradients``. ``outputs`` is (G, N, O).
    """

    def __init__(self, scales: LayerScales, members: int, x: Tensor, *, gradients: bool) -> None:
        points = len(x)
        self._points = _empty_units(1, points, scales.layers[0] + 1, x)[0]
        self.load(x)
        self.inputs = [self._points.expand(members, *self._points.shape)]
        self.inputs += [_empty_units(members, points, width + 1, x) for width in scales.layers[1:-1]]
        for numbers, constant in zip([self._points, *self.inputs[1:]], scales.constants, strict=True):
            numbers[..., -1] = constant
        self.units = [hidden[..., :-1] for hidden in self.inputs[1:]]
        self.slopes = [_empty_units(members, points, width, x) for width in scales.layers[1:-1]]
        self.signals = [_empty_units(members, points, width, x) for width in scales.layers[1:-1]] if gradients else []
        self.gradients = gradients
        self.outputs = x.new_empty(members, points, scales.layers[-1])

    def load(self, x: Tensor) -> None:
        """Replace the points by as many others (N, F)."""
        self._points[:, :-1] = x


def forward(scales: LayerScales, layers: list[Tensor], space: Workspace) -> Tensor:
    """Return the outputs (G, N, O) of every network; computes slopes if the workspace has gradients."""
    hidden = zip(space.slopes, space.units, space.inputs, layers, scales.gains, strict=False)
    for z, units, inputs, layer, gain in hidden:
        add_product(z, inputs, layer, beta=0.0, scale=gain)
        scales.activation.apply(z, units)
        if space.gradients:
            scales.activation.differentiate(z, units)
    add_product(space.outputs, space.inputs[-1], layers[-1], beta=0.0, scale=scales.gains[-1])
    return space.outputs


def backward(scales: LayerScales, layers: list[Tensor], space: Workspace, update: Update) -> None:
    """Backpropagate ``space.outputs``, the derivatives of the loss by the outputs, and update every network.

    Each layer is updated once the signal has passed through it; gradients are stored only where the optimizer needs it.
    """
    signal, lowest = space.outputs, scales.lowest_trained
    for index in range(len(layers) - 1, lowest - 1, -1):
        layer, above = layers[index], signal
        if index > lowest:
            signal = space.signals[index - 1]
            add_product(signal, above, layer[:, :-1].mT, beta=0.0, scale=scales.gains[index])
            signal.mul_(space.slopes[index - 1])
        update.apply(index, layer, _LayerGradient(scales, index, space.inputs[index], above))


def evaluate(scales: LayerScales, layers: list[Tensor], x: Tensor) -> Tensor:
    """Return the outputs (G, M, O) on points ``x`` (M, F), block by block to bound the activations in memory."""
    parts = []
    for block in torch.split(x, _BLOCK):
        parts.append(forward(scales, layers, Workspace(scales, len(layers[0]), block, gradients=False)))
    return torch.cat(parts, dim=1)


class _LayerGradient(NamedTuple):
    """The gradient ``gain_l inputs_l^T signal_l`` of layer ``layer``, added to a target without being stored."""

    scales: LayerScales
    layer: int
    inputs: Tensor
    signal: Tensor

    def add_to(self, target: Tensor, *, beta: float, scale: float) -> None:
        weight_rate, bias_rate = self.scales.rate_multipliers[self.layer]
        scale *= self.scales.gains[self.layer]
        if weight_rate == bias_rate:
            add_product(target, self.inputs.mT, self.signal, beta=beta, scale=scale * weight_rate)
            return
        add_product(target[:, :-1], self.inputs[..., :-1].mT, self.signal, beta=beta, scale=scale * weight_rate)
        bias_scale = scale * bias_rate * self.scales.constants[self.layer]
        target[:, -1].mul_(beta).add_(self.signal.sum(dim=1), alpha=bias_scale)

    def store(self, target: Tensor) -> None:
        add_product(target, self.inputs.mT, self.signal, beta=0.0, scale=self.scales.gains[self.layer])


def add_product(target: Tensor, left: Tensor, right: Tensor, *, beta: float, scale: float) -> None:
    """Set the target to ``beta target + scale * left @ right``, in place.

    Computes the transposed product if the target's rows are not contiguous: PyTorch passes a batch to BLAS in one call
    only for contiguous rows.
    """
    if target.stride(2) == 1:
        target.baddbmm_(left, right, beta=beta, alpha=scale)
    else:
        target.mT.baddbmm_(right.mT, left.mT, beta=beta, alpha=scale)
