"""Polynomial activations: powers, sums of powers by Horner's rule, Hermite's by their recurrence."""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

import torch

from .interface import TorchActivation

if TYPE_CHECKING:
    from torch import Tensor

Coefficients = tuple[float, ...]


def _power(degree: int, z: Tensor, units: Tensor) -> None:
    torch.pow(z, degree, out=units)


def _power_slope(degree: int, z: Tensor, units: Tensor | None) -> None:
    if degree == 0:
        z.zero_()
    else:
        z.pow_(degree - 1).mul_(degree)


def _horner(coefficients: Coefficients, z: Tensor, into: Tensor) -> None:
    """Write ``sum_k coefficients[k] z^k`` into a tensor, which may be z."""
    total = torch.full_like(z, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total.mul_(z).add_(coefficient)
    into.copy_(total)


def _horner_slope(derivative: Coefficients, z: Tensor, units: Tensor | None) -> None:
    _horner(derivative, z, z)


def _hermite(degree: int, z: Tensor, into: Tensor) -> None:
    """Write ``h_n(z)`` into a tensor, which may be z: ``sqrt(k + 1) h_(k+1) = z h_k - sqrt(k) h_(k-1)``."""
    before, current = torch.zeros_like(z), torch.ones_like(z)
    for k in range(degree):
        before.mul_(-sqrt(k / (k + 1))).addcmul_(z, current, value=1 / sqrt(k + 1))
        before, current = current, before
    into.copy_(current)


def _hermite_slope(degree: int, z: Tensor, units: Tensor | None) -> None:
    """``h_n' = sqrt(n) h_(n-1)``."""
    if degree == 0:
        z.zero_()
    else:
        _hermite(degree - 1, z, z)
        z.mul_(sqrt(degree))


def monomial(name: str, degree: int) -> TorchActivation:
    """Return ``x^degree``."""
    return TorchActivation(name, partial(_power, degree), partial(_power_slope, degree))


def polynomial(name: str, coefficients: Coefficients) -> TorchActivation:
    """Return ``sum_k coefficients[k] x^k``."""
    derivative = tuple(k * coefficient for k, coefficient in enumerate(coefficients))[1:] or (0.0,)
    return TorchActivation(name, partial(_horner, coefficients), partial(_horner_slope, derivative))


def hermite(name: str, degree: int) -> TorchActivation:
    """Return ``He_degree(x) / sqrt(degree!)``."""
    return TorchActivation(name, partial(_hermite, degree), partial(_hermite_slope, degree))
