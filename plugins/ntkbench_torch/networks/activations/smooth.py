"""Smooth activations, and elu, celu and selu.

If torch has a fused backward pass, its result for a signal of ones is the derivative. At 0, the derivative of elu
and celu is 1 and that of selu its limit from below, as in the analytic kernels.
"""

from __future__ import annotations

from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import torch

from .interface import TorchActivation, ones

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_aten = torch.ops.aten
_SIGMOID_SCALE = 2.4020563531719796  # of erf_sigmoid
_SELU = (1.6732632423543772, 1.0507009873554805)  # alpha and scale of Klambauer et al. 2017
_LINEAR = 40  # above it softplus(x) is x in every type


class ValueAndSlope(NamedTuple):
    """The two functions of a :class:`TorchActivation`."""

    write: Callable[[Tensor, Tensor], object]
    slope: Callable[[Tensor, Tensor | None], object]


def _erf(z: Tensor, units: Tensor) -> None:
    torch.erf(z, out=units)


def _erf_slope(z: Tensor, units: Tensor | None) -> None:
    z.square_().neg_().exp_().mul_(2 / sqrt(pi))


def _erf_sigmoid(z: Tensor, units: Tensor) -> None:
    torch.div(z, _SIGMOID_SCALE, out=units).erf_().add_(1).mul_(0.5)


def _erf_sigmoid_slope(z: Tensor, units: Tensor | None) -> None:
    z.div_(_SIGMOID_SCALE).square_().neg_().exp_().mul_(1 / (_SIGMOID_SCALE * sqrt(pi)))


def _gelu(z: Tensor, units: Tensor) -> None:
    """Write a copy, because torch's ``out`` leaves strided float32 tensors unchanged on a CPU."""
    units.copy_(_aten.gelu(z))


def _gelu_slope(z: Tensor, units: Tensor | None) -> None:
    _aten.gelu_backward.grad_input(ones(z), z, grad_input=z)


def _sin(z: Tensor, units: Tensor) -> None:
    torch.sin(z, out=units)


def _sin_slope(z: Tensor, units: Tensor | None) -> None:
    z.cos_()


def _cos(z: Tensor, units: Tensor) -> None:
    torch.cos(z, out=units)


def _cos_slope(z: Tensor, units: Tensor | None) -> None:
    z.sin_().neg_()


def _rbf(frequency: float, z: Tensor, units: Tensor) -> None:
    torch.mul(z, frequency, out=units).add_(pi / 4).sin_().mul_(sqrt(2))


def _rbf_slope(frequency: float, z: Tensor, units: Tensor | None) -> None:
    z.mul_(frequency).add_(pi / 4).cos_().mul_(sqrt(2) * frequency)


def _exp(z: Tensor, units: Tensor) -> None:
    torch.exp(z, out=units)


def _exp_slope(z: Tensor, units: Tensor | None) -> None:
    z.exp_() if units is None else z.copy_(units)


def _gaussian(z: Tensor, units: Tensor) -> None:
    torch.square(z, out=units).neg_().exp_()


def _gaussian_slope(z: Tensor, units: Tensor | None) -> None:
    z.mul_(z.square().neg_().exp_() if units is None else units).mul_(-2)


def _arctan(z: Tensor, units: Tensor) -> None:
    torch.atan(z, out=units)


def _arctan_slope(z: Tensor, units: Tensor | None) -> None:
    z.square_().add_(1).reciprocal_()


def _elu(alpha: float, scale: float, z: Tensor, units: Tensor) -> None:
    _aten.elu.out(z, alpha, scale, out=units)


def _elu_slope(alpha: float, scale: float, z: Tensor, units: Tensor | None) -> None:
    _aten.elu_backward.grad_input(ones(z), alpha, scale, 1, False, z, grad_input=z)


def _log_cosh(z: Tensor, units: Tensor) -> None:
    """``|x| + log((1 + exp(-2 |x|)) / 2)``, accurate to a rounding of |x| for small x."""
    distance = torch.abs(z)
    torch.mul(distance, -2, out=units).expm1_().mul_(0.5).log1p_().add_(distance)


def _log_cosh_slope(z: Tensor, units: Tensor | None) -> None:
    z.tanh_()


def _mish(z: Tensor, units: Tensor) -> None:
    _aten.mish.out(z, out=units)


def _mish_slope(z: Tensor, units: Tensor | None) -> None:
    z.copy_(_aten.mish_backward(ones(z), z))


def _sigmoid(z: Tensor, units: Tensor) -> None:
    torch.sigmoid(z, out=units)


def _sigmoid_slope(z: Tensor, units: Tensor | None) -> None:
    _aten.sigmoid_backward.grad_input(ones(z), z.sigmoid() if units is None else units, grad_input=z)


def _silu(z: Tensor, units: Tensor) -> None:
    _aten.silu.out(z, out=units)


def _silu_slope(z: Tensor, units: Tensor | None) -> None:
    _aten.silu_backward.grad_input(ones(z), z, grad_input=z)


def _softplus(z: Tensor, units: Tensor) -> None:
    _aten.softplus.out(z, 1, _LINEAR, out=units)


def _softplus_slope(z: Tensor, units: Tensor | None) -> None:
    z.sigmoid_()


def _softsign(z: Tensor, units: Tensor) -> None:
    torch.div(z, torch.abs(z, out=units).add_(1), out=units)


def _softsign_slope(z: Tensor, units: Tensor | None) -> None:
    z.abs_().add_(1).pow_(-2)


def _tanh(z: Tensor, units: Tensor) -> None:
    torch.tanh(z, out=units)


def _tanh_slope(z: Tensor, units: Tensor | None) -> None:
    _aten.tanh_backward.grad_input(ones(z), z.tanh() if units is None else units, grad_input=z)


SMOOTH: dict[str, ValueAndSlope] = {
    "arctan": ValueAndSlope(_arctan, _arctan_slope),
    "celu": ValueAndSlope(partial(_elu, 1.0, 1.0), partial(_elu_slope, 1.0, 1.0)),
    "cos": ValueAndSlope(_cos, _cos_slope),
    "elu": ValueAndSlope(partial(_elu, 1.0, 1.0), partial(_elu_slope, 1.0, 1.0)),
    "erf": ValueAndSlope(_erf, _erf_slope),
    "erf_sigmoid": ValueAndSlope(_erf_sigmoid, _erf_sigmoid_slope),
    "exp": ValueAndSlope(_exp, _exp_slope),
    "gaussian": ValueAndSlope(_gaussian, _gaussian_slope),
    "gelu": ValueAndSlope(_gelu, _gelu_slope),
    "log_cosh": ValueAndSlope(_log_cosh, _log_cosh_slope),
    "mish": ValueAndSlope(_mish, _mish_slope),
    "selu": ValueAndSlope(partial(_elu, *_SELU), partial(_elu_slope, *_SELU)),
    "sigmoid": ValueAndSlope(_sigmoid, _sigmoid_slope),
    "silu": ValueAndSlope(_silu, _silu_slope),
    "sin": ValueAndSlope(_sin, _sin_slope),
    "softplus": ValueAndSlope(_softplus, _softplus_slope),
    "softsign": ValueAndSlope(_softsign, _softsign_slope),
    "swish": ValueAndSlope(_silu, _silu_slope),
    "tanh": ValueAndSlope(_tanh, _tanh_slope),
}


def smooth(name: str) -> TorchActivation:
    """Return an activation of this module by its name, one of :data:`SMOOTH`."""
    return TorchActivation(name, *SMOOTH[name])


def rbf(name: str, gamma: float) -> TorchActivation:
    """Return ``sqrt(2) sin(sqrt(2 gamma) x + pi / 4)`` (Rahimi and Recht 2007)."""
    frequency = sqrt(2 * gamma)
    return TorchActivation(name, partial(_rbf, frequency), partial(_rbf_slope, frequency))
