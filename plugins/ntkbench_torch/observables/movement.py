"""How far weights and activations move during training, and statistics of activations (docs/theory.md, C1 and C5)."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import torch

from .norms import frobenius, spectral_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntkbench.plugin import Measurement

    from .observation import Observation


def weight_change(observation: Observation) -> Iterator[Measurement]:
    """Yield each layer's change since initialization; ``component`` is the layer, from 0 (C5).

    ``weight_change_relative``: ``|W_t - W_0|_F / |W_0|_F`` with W_0 drawn from N(0, 1), and ``weight_change_absolute``
    its numerator. ``weight_change_operator``: relative change in operator norm, middle layers only.
    ``bias_change_relative``: hidden biases only, since the output bias moves by O(1).
    """
    snapshot = observation.snapshot
    last = len(snapshot.layers) - 1
    for index, (layer, before) in enumerate(zip(snapshot.layers, snapshot.initial, strict=True)):
        moved, drawn = layer - before, before[:, :-1]
        change = frobenius(moved[:, :-1])
        yield from observation.rows("weight_change_absolute", change, component=index)
        yield from observation.rows("weight_change_relative", change / frobenius(drawn), component=index)
        if index < last and snapshot.scales.constants[index] != 0:
            bias = frobenius(moved[:, -1]) / frobenius(before[:, -1])
            yield from observation.rows("bias_change_relative", bias, component=index)
        if 0 < index < last:
            sizes = observation.initial.spectral_norms[index]
            values = [nan] * len(moved)
            for k in observation.finite:
                values[k] = spectral_norm(moved[k, :-1]) / sizes[k]
            yield from observation.rows("weight_change_operator", values, component=index)


def weight_norm(observation: Observation) -> Iterator[Measurement]:
    """Yield the operator norm of each middle layer's initial weights, N(0, 1), over the root of its fan-in (C1)."""
    for index, sizes in observation.initial.spectral_norms.items():
        fan_in = observation.snapshot.scales.layers[index]
        yield from observation.rows("weight_operator_norm", [size / fan_in**0.5 for size in sizes], component=index)


def activation_change(observation: Observation) -> Iterator[Measurement]:
    """Yield the RMS change of individual activations relative to their initial RMS, on training points (C5).

    ``component`` is the hidden layer, from 1.
    """
    pairs = zip(observation.now.space.units, observation.initial.space.units, strict=True)
    for index, (units, before) in enumerate(pairs, start=1):
        change = frobenius(units - before) / frobenius(before)
        yield from observation.rows("activation_change", change, split="train", component=index)


def activation_statistics(observation: Observation) -> Iterator[Measurement]:
    """Yield mean, RMS and the fraction of zero slopes of activations on training points.

    ``component`` is the hidden layer, from 1.
    """
    space = observation.now.space
    for index, (units, slopes) in enumerate(zip(space.units, space.slopes, strict=True), start=1):
        statistics: dict[str, Tensor] = {
            "activation_mean": units.mean(dim=(1, 2), dtype=torch.float64),
            "activation_rms": frobenius(units) / units[0].numel() ** 0.5,
            "activation_inactive": (slopes == 0).mean(dim=(1, 2), dtype=torch.float64),
        }
        for metric, values in statistics.items():
            yield from observation.rows(metric, values, split="train", component=index)
