"""How far weights and activations move while the network learns (C5), and what activations are like."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import torch

from .norms import spectral_norm
from .observation import frobenius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntkbench.plugin import Measurement

    from .observation import Observation


def weight_change(observation: Observation) -> Iterator[Measurement]:
    """Yield each layer's change since initialization, layer l from 0 as ``component``.

    ``weight_change_relative`` ``|W_t - W_0|_F / |W_0|_F``, and ``weight_change_absolute``, its numerator, of parameters
    drawn from N(0, 1); ``weight_change_operator``, relative in operator norm, of middle layers; and
    ``bias_change_relative`` of hidden biases. The output bias moves by O(1) and is left out.
    """
    view = observation.view
    last = len(view.layers) - 1
    for index, (layer, before) in enumerate(zip(view.layers, view.initial, strict=True)):
        moved, drawn = layer - before, before[:, :-1]
        change = frobenius(moved[:, :-1])
        yield from observation.rows("weight_change_absolute", change, component=index)
        yield from observation.rows("weight_change_relative", change / frobenius(drawn), component=index)
        if index < last and view.form.constants[index] != 0:
            bias = frobenius(moved[:, -1]) / frobenius(before[:, -1])
            yield from observation.rows("bias_change_relative", bias, component=index)
        if 0 < index < last:
            sizes = observation.initial.spectral_norms[index]
            values = [nan] * len(moved)
            for k in observation.alive:
                values[k] = spectral_norm(moved[k, :-1]) / sizes[k]
            yield from observation.rows("weight_change_operator", values, component=index)


def weight_norm(observation: Observation) -> Iterator[Measurement]:
    """Yield the operator norm of each middle layer's weights, drawn from N(0, 1), over the root of its inputs (C1)."""
    for index, sizes in observation.initial.spectral_norms.items():
        fan_in = observation.view.form.layers[index]
        yield from observation.rows("weight_operator_norm", [size / fan_in**0.5 for size in sizes], component=index)


def activation_change(observation: Observation) -> Iterator[Measurement]:
    """Yield the RMS change of individual activations over their initial RMS, on training points.

    ``component`` is the hidden layer, h_1 the first.
    """
    pairs = zip(observation.now.space.units, observation.initial.space.units, strict=True)
    for index, (units, before) in enumerate(pairs, start=1):
        change = frobenius(units - before) / frobenius(before)
        yield from observation.rows("activation_change", change, split="train", component=index)


def activation_statistics(observation: Observation) -> Iterator[Measurement]:
    """Yield mean, RMS and the fraction of slope zero of activations on training points, h_1 as ``component`` 1."""
    space = observation.now.space
    for index, (units, slopes) in enumerate(zip(space.units, space.slopes, strict=True), start=1):
        statistics: dict[str, Tensor] = {
            "activation_mean": units.mean(dim=(1, 2), dtype=torch.float64),
            "activation_rms": frobenius(units) / units[0].numel() ** 0.5,
            "activation_inactive": (slopes == 0).mean(dim=(1, 2), dtype=torch.float64),
        }
        for metric, values in statistics.items():
            yield from observation.rows(metric, values, split="train", component=index)
