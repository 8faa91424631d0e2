"""The empirical tangent kernel by Gram products of activations and signals, layer by layer; no Jacobian is formed.

    Theta = sum_l weight_std^2 / n_l (r_l h_l h_l'^T + s_l c_l^2) * (d_{l+1} d_{l+1}'^T)

with ``d_l`` the derivative of an output with respect to ``z_l``, the bias in the constant ``c_l`` and the rates ``r_l``
of weights and ``s_l`` of biases in :class:`~ntkbench_torch.networks.network.LayerScales`, 1 in NTK parameterization
and 0 where a layer is not trained (theory.md, C2 to C4; the products follow Novak et al. 2022, section 3).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import torch

from ..networks.network import Workspace, forward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..networks.network import LayerScales

_FLOATS = 2**24  # signals in memory at a time


def tangent_kernel(form: LayerScales, layers: list[Tensor], x1: Tensor, x2: Tensor | None, *, full: bool) -> Tensor:
    """Return the kernel of every network between points ``x1`` (n1, F) and ``x2`` (n2, F), None for ``x1`` again.

    :param full: every pair of outputs, (G, n1, n2, O, O); otherwise the mean over outputs of the diagonal blocks,
        (G, n1, n2).
    """
    per_member = max(len(x1), len(x2) if x2 is not None else 0) * form.layers[-1] * max(form.layers[1:])
    chunk = max(1, _FLOATS // per_member)
    kernel = _full_kernel if full else _mean_kernel
    parts = []
    for start in range(0, len(layers[0]), chunk):
        members = [layer[start : start + chunk] for layer in layers]
        left, right = look(form, members, x1), None if x2 is None else look(form, members, x2)
        parts.append(kernel(form, members, left, right))
    return torch.cat(parts)


def look(form: LayerScales, layers: list[Tensor], x: Tensor) -> Workspace:
    """Return the activations, slopes and outputs of every network on points ``x`` (n, F)."""
    space = Workspace(form, len(layers[0]), x, gradients=True)
    space.signals.clear()  # room that only training needs
    forward(form, layers, space)
    return space


def of_members(space: Workspace, members: slice) -> Workspace:
    """Return what a workspace holds of some networks; nothing is copied."""
    part = copy(space)
    part.inputs, part.units, part.slopes = (
        [t[members] for t in ts] for ts in (space.inputs, space.units, space.slopes)
    )
    part.outputs = space.outputs[members]
    return part


def layer_kernels(
    form: LayerScales, layers: list[Tensor], left: Workspace, right: Workspace | None = None
) -> Iterator[tuple[int, Tensor]]:
    """Yield (l, layer l's part of the kernel), last layer first, down to the lowest that is trained.

    Each part is (G, O, n1, O, n2), new, and the kernel is their sum: every pair of outputs between the points of two
    workspaces, the second the first where it is None.
    """
    last, n_outputs = len(layers) - 1, form.layers[-1]
    gram = activation_gram(form, left, right, last, form.rates[last])
    members, n1, n2 = gram.shape
    part = gram.new_zeros(members, n_outputs, n1, n_outputs, n2)
    part.diagonal(dim1=1, dim2=3).copy_(gram[..., None].expand(members, n1, n2, n_outputs))
    yield last, part
    every = slice(None)
    signals = zip(
        _signals(form, layers, left, every),
        _signals(form, layers, left if right is None else right, every),
        range(last - 1, -1, -1),
        strict=False,
    )
    for one, other, index in signals:
        gram = activation_gram(form, left, right, index, form.rates[index])
        product = one.flatten(1, 2) @ other.flatten(1, 2).mT
        yield index, product.view(members, n_outputs, n1, n_outputs, n2).mul_(gram[:, None, :, None, :])


def layer_traces(form: LayerScales, layers: list[Tensor], space: Workspace) -> Tensor:
    """Return the trace of each layer's part of the kernel on one set of points, (G, L), float64; 0 where untrained."""
    traces = torch.zeros(len(layers[0]), len(layers), dtype=torch.float64, device=space.outputs.device)
    last = len(layers) - 1
    traces[:, last] = _gram_diagonal(form, space, last).sum(dim=1) * form.layers[-1]
    for index, signal in enumerate(_signals(form, layers, space, slice(None)), start=1):
        squares = torch.linalg.vector_norm(signal, dim=-1, dtype=torch.float64).square_().sum(dim=1)
        traces[:, last - index] = (squares * _gram_diagonal(form, space, last - index)).sum(dim=1)
    return traces


def activation_gram(
    form: LayerScales, left: Workspace, right: Workspace | None, index: int, rates: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Return ``gain_l^2 (r_l h_l h_l'^T + s_l c_l^2)``, (G, n1, n2); of the last layer, at rates 1, it is the NNGP."""
    one = left.inputs[index]
    other = one if right is None else right.inputs[index]
    (weight_rate, bias_rate), square = rates, form.gains[index] ** 2
    if weight_rate == bias_rate:
        return torch.bmm(one, other.mT).mul_(weight_rate * square)
    product = torch.bmm(one[..., :-1], other[..., :-1].mT).mul_(weight_rate * square)
    return product.add_(bias_rate * square * form.constants[index] ** 2)


def _gram_diagonal(form: LayerScales, space: Workspace, index: int) -> Tensor:
    """Return the diagonal (G, n) of a layer's Gram matrix, float64."""
    (weight_rate, bias_rate), square = form.rates[index], form.gains[index] ** 2
    norms = torch.linalg.vector_norm(space.inputs[index][..., :-1], dim=-1, dtype=torch.float64).square_()
    return norms.mul_(weight_rate * square).add_(bias_rate * square * form.constants[index] ** 2)


def _mean_kernel(form: LayerScales, layers: list[Tensor], left: Workspace, right: Workspace | None) -> Tensor:
    grams = [activation_gram(form, left, right, index, form.rates[index]) for index in range(len(layers))]
    n_outputs = form.layers[-1]
    theta = grams[-1] * n_outputs
    chunk = max(1, _FLOATS // (len(layers[0]) * grams[0].shape[1] * max(form.layers[1:])))
    for start in range(0, n_outputs, chunk):
        rows = slice(start, start + chunk)
        signals = zip(
            _signals(form, layers, left, rows),
            _signals(form, layers, left if right is None else right, rows),
            reversed(grams[:-1]),
            strict=False,
        )
        for one, other, gram in signals:
            theta.addcmul_(gram, (one @ other.mT).sum(dim=1))
    return theta.div_(n_outputs)


def _full_kernel(form: LayerScales, layers: list[Tensor], left: Workspace, right: Workspace | None) -> Tensor:
    return sum_of_layers(layer_kernels(form, layers, left, right)).permute(0, 2, 4, 1, 3)


def sum_of_layers(parts: Iterator[tuple[int, Tensor]]) -> Tensor:
    """Return the kernel (G, O, n1, O, n2) that layers' parts make."""
    _, theta = next(parts)
    for _, part in parts:
        theta.add_(part)
    return theta


def _signals(form: LayerScales, layers: list[Tensor], space: Workspace, outputs: slice) -> Iterator[Tensor]:
    """Yield d_l (G, o, n, n_l) for l from the last hidden layer down: the derivative of chosen outputs by z_l."""
    signal = None
    for index in range(len(layers) - 1, form.lowest_trained, -1):
        back = layers[index][:, :-1].mT
        if signal is None:
            arriving = back[:, outputs, None, :]
        else:
            arriving = torch.bmm(signal.flatten(1, 2), back).view(*signal.shape[:3], back.shape[2])
        signal = space.slopes[index - 1][:, None] * arriving
        yield signal.mul_(form.gains[index])
