"""A group of networks in NTK coordinates: one forward pass, and one backward pass that trains, for all at once.

Layer l is kept as ``W_l^T`` with the bias as its last row, (G, n_l + 1, n_{l+1}), and activations carry a constant last
column ``bias_std sqrt(n_l) / weight_std``, so that ``z_{l+1} = weight_std / sqrt(n_l) [h_l, c_l] [W_l^T; b_l]`` is one
product, and so is the gradient of both (theory.md, "Network").
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
    from .activations import Activation

TrainedLayers = Literal["all", "last"]
_ALIGNMENT = 16  # rows start at multiples of this many numbers
_FAN = 4  # a layer with so many times more outputs than inputs fans out widely
_BLOCK = 4096  # points evaluated at a time


@dataclass(frozen=True)
class LayerScales:
    """What all networks of a group share: ``layers`` (n_0 .. n_L), scales per weight matrix, the activation.

    ``gains[l]`` is ``weight_std / sqrt(n_l)``, the last one times ``output_scale``; ``constants[l]`` is what multiplies
    the bias, over that gain. Parameters are N(0, 1) here in any parameterization: another one is another learning
    rate, ``rates[l]`` times the given one for weights and for biases, 0 where a layer is not trained. ``standard``
    says that an optimizer which is not linear in the gradient is to see ``gain W`` and ``bias_std b``.
    """

    layers: tuple[int, ...]
    gains: tuple[float, ...]
    constants: tuple[float, ...]
    activation: Activation
    rates: tuple[tuple[float, float], ...]
    output_scale: float
    standard: bool

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        n_features: int,
        width: Width,
        n_outputs: int,
        *,
        output_scale: float = 1.0,
        trained_layers: TrainedLayers = "all",
    ) -> LayerScales:
        """Read an architecture whose support was checked."""
        layers = layer_sizes(n_features, width, architecture.depth, n_outputs)
        gains = [architecture.weight_std / math.sqrt(fan_in) for fan_in in layers[:-1]]
        constants = tuple(architecture.bias_std / gain for gain in gains)
        rates = [_rates(architecture, layers, fan_in) for fan_in in layers[:-1]]
        if trained_layers == "last":
            rates[:-1] = [(0.0, 0.0)] * (len(rates) - 1)
        gains[-1] *= output_scale
        return cls(
            layers,
            tuple(gains),
            constants,
            find_activation(architecture.activation),
            tuple(rates),
            output_scale,
            architecture.parameterization != "ntk",
        )

    @property
    def lowest_trained(self) -> int:
        """The first layer that is trained: signals need go no further down."""
        return next(index for index, rates in enumerate(self.rates) if any(rates))


def _rates(architecture: Architecture, layers: tuple[int, ...], fan_in: int) -> tuple[float, float]:
    """Return the multipliers of weights and biases: a global rate eta / n is one of them over their squared scale."""
    if not architecture.global_rate:
        return 1.0, 1.0
    width, weight, bias = layers[-2], architecture.weight_std**2, architecture.bias_std**2
    return fan_in / (width * weight), 1 / (width * bias) if bias else 0.0


def empty_layers(form: LayerScales, members: int, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return room for the layers of ``members`` networks, zero: views (G, n_l + 1, n_{l+1}) each.

    In memory every unit has its weights in one row, ``[W_l, b_l]``; but the rows of a layer that fans out widely are
    those of its inputs: products are fastest along the longer side.
    """
    layers = []
    for fan_in, fan_out in pairwise(form.layers):
        if _FAN * (fan_in + 1) <= fan_out:
            layers.append(torch.zeros(members, fan_in + 1, fan_out, device=device, dtype=dtype))
        else:
            shape = (members, fan_out, _row_length(fan_in + 1, members))
            layers.append(torch.zeros(shape, device=device, dtype=dtype)[..., : fan_in + 1].mT)
    return layers


def _row_length(numbers: int, members: int) -> int:
    """Return how long a row is in memory, for ``numbers`` of them to be used.

    Rows start at multiples of a cache line, and not all in the same set of the cache. Several members' rows are dense:
    PyTorch hands a batch of matrices to BLAS in one call only then.
    """
    if members > 1:
        return numbers
    aligned = -(-numbers // _ALIGNMENT) * _ALIGNMENT
    return aligned + _ALIGNMENT if aligned % (4 * _ALIGNMENT) == 0 else aligned


def _room(members: int, points: int, width: int, like: Tensor) -> Tensor:
    """Return zeros for numbers of every point, a view (G, N, n): in memory, a unit's points are one row.

    Then ``Z^T = W X^T``, ``S^T = W^T S'^T`` and ``dW = S^T X`` all run at the rate of square products, which those of
    few points in rows of their own do not.
    """
    shape = (members, width, _row_length(points, members))
    return torch.zeros(shape, device=like.device, dtype=like.dtype)[..., :points].mT


class Workspace:
    """Room for what a group of G networks computes on N points ``x`` (N, F), reused from step to step.

    ``inputs[l]`` (G, N, n_l + 1) is what layer l multiplies; ``units[l]`` is ``inputs[l + 1]`` without its constant;
    ``slopes[l]`` (G, N, n_{l+1}) holds z_{l+1} or, where ``gradients`` are wanted, phi'(z_{l+1}); only then is there
    room for ``signals[l]``, alike, the derivatives by z_{l+1}. ``outputs`` is (G, N, O).
    """

    def __init__(self, form: LayerScales, members: int, x: Tensor, *, gradients: bool) -> None:
        points = len(x)
        self._points = _room(1, points, form.layers[0] + 1, x)[0]
        self.load(x)
        self.inputs = [self._points.expand(members, *self._points.shape)]
        self.inputs += [_room(members, points, width + 1, x) for width in form.layers[1:-1]]
        for numbers, constant in zip([self._points, *self.inputs[1:]], form.constants, strict=True):
            numbers[..., -1] = constant
        self.units = [hidden[..., :-1] for hidden in self.inputs[1:]]
        self.slopes = [_room(members, points, width, x) for width in form.layers[1:-1]]
        self.signals = [_room(members, points, width, x) for width in form.layers[1:-1]] if gradients else []
        self.gradients = gradients
        self.outputs = x.new_empty(members, points, form.layers[-1])

    def load(self, x: Tensor) -> None:
        """Take other points (N, F), as many."""
        self._points[:, :-1] = x


def forward(form: LayerScales, layers: list[Tensor], space: Workspace) -> Tensor:
    """Compute the outputs (G, N, O) of every network, and the slopes where the workspace is for gradients."""
    for z, units, inputs, layer, gain in zip(space.slopes, space.units, space.inputs, layers, form.gains, strict=False):
        add_product(z, inputs, layer, beta=0.0, scale=gain)
        form.activation.apply(z, units)
        if space.gradients:
            form.activation.differentiate(z, units)
    add_product(space.outputs, space.inputs[-1], layers[-1], beta=0.0, scale=form.gains[-1])
    return space.outputs


def backward(form: LayerScales, layers: list[Tensor], space: Workspace, update: Update) -> None:
    """Send ``space.outputs``, the derivatives of the cost by the outputs, back through every network, and train it.

    Each layer is changed once the signal has passed through it; no gradient is stored that the optimizer need not keep.
    """
    signal, lowest = space.outputs, form.lowest_trained
    for index in range(len(layers) - 1, lowest - 1, -1):
        layer, above = layers[index], signal
        if index > lowest:
            signal = space.signals[index - 1]
            add_product(signal, above, layer[:, :-1].mT, beta=0.0, scale=form.gains[index])
            signal.mul_(space.slopes[index - 1])
        update.apply(index, layer, _LayerGradient(form, index, space.inputs[index], above))


def evaluate(form: LayerScales, layers: list[Tensor], x: Tensor) -> Tensor:
    """Return the outputs (G, M, O) on points ``x`` (M, F), in blocks that keep the activations small."""
    parts = []
    for block in torch.split(x, _BLOCK):
        parts.append(forward(form, layers, Workspace(form, len(layers[0]), block, gradients=False)))
    return torch.cat(parts, dim=1)


class _LayerGradient(NamedTuple):
    """``gain_l inputs_l^T signal_l``: the gradient of layer l, a product that is added as it is formed."""

    form: LayerScales
    index: int
    inputs: Tensor
    signal: Tensor

    def add_to(self, target: Tensor, *, beta: float, scale: float) -> None:
        weight_rate, bias_rate = self.form.rates[self.index]
        scale *= self.form.gains[self.index]
        if weight_rate == bias_rate:
            add_product(target, self.inputs.mT, self.signal, beta=beta, scale=scale * weight_rate)
            return
        add_product(target[:, :-1], self.inputs[..., :-1].mT, self.signal, beta=beta, scale=scale * weight_rate)
        bias_scale = scale * bias_rate * self.form.constants[self.index]
        target[:, -1].mul_(beta).add_(self.signal.sum(dim=1), alpha=bias_scale)

    def store(self, target: Tensor) -> None:
        add_product(target, self.inputs.mT, self.signal, beta=0.0, scale=self.form.gains[self.index])


def add_product(target: Tensor, left: Tensor, right: Tensor, *, beta: float, scale: float) -> None:
    """Make the target ``beta target + scale * left @ right``; transposed where its rows are not contiguous.

    PyTorch hands a batch to BLAS in one call only where the result's rows are contiguous.
    """
    if target.stride(2) == 1:
        target.baddbmm_(left, right, beta=beta, alpha=scale)
    else:
        target.mT.baddbmm_(right.mT, left.mT, beta=beta, alpha=scale)
