"""Activations with the derivative that gradient descent needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ntkbench.errors import DataError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """``apply(z, units)`` writes phi(z) into units; ``differentiate(z)`` replaces z by phi'(z) in place."""

    apply: Callable[[Tensor, Tensor], object]
    differentiate: Callable[[Tensor], object]


def _relu(z: Tensor, units: Tensor) -> None:
    torch.clamp_min(z, 0, out=units)


def _relu_slope(z: Tensor) -> None:
    """One where z is positive: the derivative at 0 is taken to be 0."""
    z.gt_(0)


def _erf(z: Tensor, units: Tensor) -> None:
    torch.erf(z, out=units)


def _erf_slope(z: Tensor) -> None:
    """``2 / sqrt(pi) exp(-z^2)``."""
    z.square_().neg_().exp_().mul_(2 / math.sqrt(math.pi))


_ACTIVATIONS = {"erf": Activation(_erf, _erf_slope), "relu": Activation(_relu, _relu_slope)}


def find_activation(name: str) -> Activation:
    """Return an activation by name.

    :raises DataError: for an activation that is not known.
    """
    if name not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise DataError(f"activation {name!r} is none of {known}{suggestion(name, _ACTIVATIONS)}")
    return _ACTIVATIONS[name]
