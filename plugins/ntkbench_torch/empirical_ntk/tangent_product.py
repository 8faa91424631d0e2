"""The tangent kernel times a vector without forming the kernel: a backward pass, then a forward pass.

With the vector v as the signal at the outputs, the backward pass gives ``s_l = sum over outputs v d_l`` on the right
points. Layer l changes ``z_{l+1}`` of the left points by its Gram matrix times ``s_{l+1}``, and the forward pass adds
the changes of all layers. No matrix with points times outputs rows is formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .tangent_kernel import activation_gram

if TYPE_CHECKING:
    from torch import Tensor

    from ..networks.network import LayerScales, Workspace


def tangent_product(
    scales: LayerScales, layers: list[Tensor], left: Workspace, right: Workspace, vector: Tensor
) -> Tensor:
    """Return ``Theta(x1, x2) v``, (G, n1, O), of every network, for ``vector`` (G, n2, O).

    :param left: :func:`~ntkbench_torch.empirical_ntk.tangent_kernel.propagate`'s workspace for x1; ``right``: for x2.
    """
    signals = [vector]
    for index in range(len(layers) - 1, scales.lowest_trained, -1):
        back = torch.bmm(signals[0], layers[index][:, :-1].mT)
        signals.insert(0, back.mul_(scales.gains[index]).mul_(right.slopes[index - 1]))
    lowest = scales.lowest_trained
    change = _change(scales, left, right, lowest, signals[0])
    for index, signal in enumerate(signals[1:], start=lowest + 1):
        units = change.mul_(left.slopes[index - 1])
        change = _change(scales, left, right, index, signal)
        change.baddbmm_(units, layers[index][:, :-1], alpha=scales.gains[index])
    return change


def _change(scales: LayerScales, left: Workspace, right: Workspace, index: int, signal: Tensor) -> Tensor:
    """Return layer ``index``'s Gram matrix times ``signal`` (G, n2, n_{l+1}), multiplied in the cheaper order."""
    one, other = left.inputs[index], right.inputs[index]
    (n1, fan_in), n2, fan_out = one.shape[1:], other.shape[1], signal.shape[2]
    if n1 * n2 * (fan_in + fan_out) <= fan_in * fan_out * (n1 + n2):
        return torch.bmm(activation_gram(scales, left, right, index, scales.rate_multipliers[index]), signal)
    gradient = torch.bmm(other.mT, signal)
    weight_rate, bias_rate = scales.rate_multipliers[index]
    gradient[:, :-1] *= weight_rate
    gradient[:, -1:] *= bias_rate
    return torch.bmm(one, gradient).mul_(scales.gains[index] ** 2)
