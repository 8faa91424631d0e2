"""The tangent kernel times a vector, without the kernel: back through every network, and forward again.

With the vector v as the signal at the outputs, a backward pass gives ``s_l = sum over outputs v d_l`` on the right
points; layer l then moves ``z_{l+1}`` of the left points by its Gram matrix times ``s_{l+1}``, and a forward pass adds
up what the layers below have moved. No matrix with as many rows as points times outputs is formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .tangent_kernel import activation_gram

if TYPE_CHECKING:
    from torch import Tensor

    from ..networks.network import LayerScales, Workspace


def tangent_product(
    form: LayerScales, layers: list[Tensor], left: Workspace, right: Workspace, vector: Tensor
) -> Tensor:
    """Return ``Theta(x1, x2) v``, (G, n1, O), of every network, for ``vector`` (G, n2, O).

    :param left: what :func:`~ntkbench_torch.empirical_ntk.tangent_kernel.look` returned for x1; ``right``: for x2.
    """
    signals = [vector]
    for index in range(len(layers) - 1, form.lowest_trained, -1):
        back = torch.bmm(signals[0], layers[index][:, :-1].mT)
        signals.insert(0, back.mul_(form.gains[index]).mul_(right.slopes[index - 1]))
    lowest = form.lowest_trained
    moved = _moved(form, left, right, lowest, signals[0])
    for index, signal in enumerate(signals[1:], start=lowest + 1):
        units = moved.mul_(left.slopes[index - 1])
        moved = _moved(form, left, right, index, signal)
        moved.baddbmm_(units, layers[index][:, :-1], alpha=form.gains[index])
    return moved


def _moved(form: LayerScales, left: Workspace, right: Workspace, index: int, signal: Tensor) -> Tensor:
    """Return layer ``index``'s Gram matrix between the points times ``signal`` (G, n2, n_{l+1}), cheapest order."""
    one, other = left.inputs[index], right.inputs[index]
    (n1, fan_in), n2, fan_out = one.shape[1:], other.shape[1], signal.shape[2]
    if n1 * n2 * (fan_in + fan_out) <= fan_in * fan_out * (n1 + n2):
        return torch.bmm(activation_gram(form, left, right, index, form.rates[index]), signal)
    gradient = torch.bmm(other.mT, signal)
    weight_rate, bias_rate = form.rates[index]
    gradient[:, :-1] *= weight_rate
    gradient[:, -1:] *= bias_rate
    return torch.bmm(one, gradient).mul_(form.gains[index] ** 2)
