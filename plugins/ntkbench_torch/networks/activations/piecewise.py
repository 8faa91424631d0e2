"""Activations with a kink or a jump at 0.

Derivatives at 0 itself: 0 for relu, step and rectified monomials, ``slope`` for leaky_relu, 0 for abs. A step's is 0
everywhere: the tangent kernel of such networks is that of their last layer (theory.md, "Kernels").
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from .interface import TorchActivation, ones

if TYPE_CHECKING:
    from torch import Tensor

_aten = torch.ops.aten


def _relu(z: Tensor, units: Tensor) -> None:
    torch.clamp_min(z, 0, out=units)


def _relu_slope(z: Tensor, units: Tensor | None) -> None:
    z.gt_(0)


def _step(z: Tensor, units: Tensor) -> None:
    torch.gt(z, 0, out=units)


def _zero(z: Tensor, units: Tensor | None) -> None:
    z.zero_()


def _abs(z: Tensor, units: Tensor) -> None:
    torch.abs(z, out=units)


def _abs_slope(z: Tensor, units: Tensor | None) -> None:
    z.sign_()


def _leaky(slope: float, z: Tensor, units: Tensor) -> None:
    _aten.leaky_relu.out(z, slope, out=units)


def _leaky_slope(slope: float, z: Tensor, units: Tensor | None) -> None:
    _aten.leaky_relu_backward.grad_input(ones(z), z, slope, False, grad_input=z)


def _power(degree: int, z: Tensor, units: Tensor) -> None:
    torch.clamp_min(z, 0, out=units).pow_(degree)


def _power_slope(degree: int, z: Tensor, units: Tensor | None) -> None:
    z.clamp_min_(0).pow_(degree - 1).mul_(degree)


def leaky_relu(name: str, slope: float) -> TorchActivation:
    """Return ``x``, or ``slope x`` where x < 0."""
    return TorchActivation(name, partial(_leaky, slope), partial(_leaky_slope, slope))


def rectified_monomial(name: str, degree: int) -> TorchActivation:
    """Return ``max(x, 0)^degree``: degree 0 is the step, 1 relu."""
    if degree == 0:
        return TorchActivation(name, _step, _zero)
    if degree == 1:
        return TorchActivation(name, _relu, _relu_slope)
    return TorchActivation(name, partial(_power, degree), partial(_power_slope, degree))


def absolute(name: str) -> TorchActivation:
    """Return ``|x|``."""
    return TorchActivation(name, _abs, _abs_slope)
