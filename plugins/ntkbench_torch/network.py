"""A group of networks in NTK parameterization: one forward pass, and one step of gradient descent, for all at once.

Layer l is kept as ``W_l^T`` with the bias as its last row, (G, n_l + 1, n_{l+1}), and activations carry a constant last
column ``bias_std sqrt(n_l) / weight_std``, so that ``z_{l+1} = weight_std / sqrt(n_l) [h_l, c_l] [W_l^T; b_l]`` is one
product, and so is the gradient of both (theory.md, "Network").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from .activations import find_activation
from .layout import layer_sizes

if TYPE_CHECKING:
    from torch import Tensor

    from ntkbench.architecture import Architecture
    from ntkbench.specs import Width

    from .activations import Activation

_ALIGNMENT = 16  # rows of activations start at multiples of this many numbers


@dataclass(frozen=True)
class Form:
    """What all networks of a group share: ``layers`` (n_0 .. n_L), scales per weight matrix, the activation.

    ``gains[l]`` is ``weight_std / sqrt(n_l)``; ``constants[l]`` is what multiplies the bias, over that gain.
    """

    layers: tuple[int, ...]
    gains: tuple[float, ...]
    constants: tuple[float, ...]
    activation: Activation

    @classmethod
    def of(cls, architecture: Architecture, n_features: int, width: Width, n_outputs: int) -> Form:
        """Read an architecture whose support was checked."""
        layers = layer_sizes(n_features, width, architecture.depth, n_outputs)
        gains = tuple(architecture.weight_std / math.sqrt(fan_in) for fan_in in layers[:-1])
        constants = tuple(architecture.bias_std / gain for gain in gains)
        return cls(layers, gains, constants, find_activation(architecture.activation))


def empty_layers(form: Form, members: int, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return room for the layers of ``members`` networks, zero: (G, n_l + 1, n_{l+1}) each.

    Numbers are contiguous along the longer side of the matrix, which thin first and last layers are fastest with.
    """
    layers = []
    for fan_in, fan_out in pairwise(form.layers):
        rows, columns = fan_in + 1, fan_out
        if columns < rows - 1:
            layers.append(torch.zeros(members, columns, rows, device=device, dtype=dtype).transpose(1, 2))
        else:
            layers.append(torch.zeros(members, rows, columns, device=device, dtype=dtype))
    return layers


def _with_constant(shape: tuple[int, ...], constant: float, like: Tensor) -> Tensor:
    """Return room for rows of numbers, with one more column that holds a constant."""
    *outer, columns = shape
    padded = -(-(columns + 1) // _ALIGNMENT) * _ALIGNMENT
    room = torch.zeros(*outer, padded, device=like.device, dtype=like.dtype)[..., : columns + 1]
    room[..., columns] = constant
    return room


class Workspace:
    """Room for what a group of G networks computes on N points ``x`` (N, F), reused from step to step.

    ``inputs[l]`` (G, N, n_l + 1) is what layer l multiplies; ``units[l]`` is ``inputs[l + 1]`` without its constant;
    ``slopes[l]`` (G, N, n_{l+1}) holds z_{l+1} or, where ``gradients`` are wanted, phi'(z_{l+1}); only then is there
    room for ``signals[l]``, alike, the derivatives by z_{l+1}. ``outputs`` is (G, N, O).
    """

    def __init__(self, form: Form, members: int, x: Tensor, *, gradients: bool) -> None:
        points = len(x)
        first = _with_constant((points, form.layers[0]), form.constants[0], x)
        first[:, :-1] = x
        self.inputs = [first.expand(members, *first.shape)]
        for width, constant in zip(form.layers[1:-1], form.constants[1:], strict=True):
            self.inputs.append(_with_constant((members, points, width), constant, x))
        self.units = [hidden[..., :-1] for hidden in self.inputs[1:]]
        shapes = [unit.shape for unit in self.units]
        self.slopes = [x.new_empty(shape) for shape in shapes]
        self.signals = [x.new_empty(shape) for shape in shapes] if gradients else []
        self.gradients = gradients
        self.outputs = x.new_empty(members, points, form.layers[-1])


def forward(form: Form, layers: list[Tensor], space: Workspace) -> Tensor:
    """Compute the outputs (G, N, O) of every network, and the slopes where the workspace is for gradients."""
    for z, units, inputs, layer, gain in zip(space.slopes, space.units, space.inputs, layers, form.gains, strict=False):
        z.baddbmm_(inputs, layer, beta=0, alpha=gain)
        form.activation.apply(z, units)
        if space.gradients:
            form.activation.differentiate(z)
    return space.outputs.baddbmm_(space.inputs[-1], layers[-1], beta=0, alpha=form.gains[-1])


def descend(form: Form, layers: list[Tensor], space: Workspace, targets: Tensor, learning_rate: float) -> None:
    """Take one step of gradient descent on ``C = 1/(2N) sum_i |f(x_i) - y_i|^2`` from the last forward pass.

    ``targets`` (N, O) is subtracted from the outputs in place; each update is added to its weights as the product is
    formed, once the signal has passed through them, so that no gradient is ever stored.
    """
    signal = space.outputs.sub_(targets)
    rate = learning_rate / len(targets)
    for index in range(len(layers) - 1, -1, -1):
        layer, gain, above = layers[index], form.gains[index], signal
        if index > 0:
            signal = space.signals[index - 1]
            signal.baddbmm_(above, layer[:, :-1].mT, beta=0, alpha=gain).mul_(space.slopes[index - 1])
        _add_product(layer, space.inputs[index].mT, above, -rate * gain)


def _add_product(target: Tensor, left: Tensor, right: Tensor, scale: float) -> None:
    """Add ``scale * left @ right`` to the target; transposed where its rows are not contiguous.

    PyTorch hands a batch to BLAS in one call only where the result's rows are contiguous.
    """
    if target.stride(2) == 1:
        target.baddbmm_(left, right, alpha=scale)
    else:
        target.mT.baddbmm_(right.mT, left.mT, alpha=scale)
