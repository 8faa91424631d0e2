"""Functions of the user's own as activations: checked once, differentiated by torch in every step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ntkbench.plugin import DataError

from .interface import TorchActivation

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Function = Callable[[Any], Any]

_PROBES = (0.0, 1e-9, -1e-9, 1e-3, -1e-3, 0.3, -0.3, 1.0, -1.0, 2.7, -2.7, 6.1, -6.1)
_WRITE = "write it with torch operations or plain arithmetic, element by element, so that torch can differentiate it"
_STEP = 1e-6  # over which what torch calls constant must be constant


def of_function(function: Function, name: str) -> TorchActivation:
    """Return the activation of a function on tensors; a step costs its forward pass twice, and its backward pass.

    :raises DataError: unless it is elementwise, differentiable by torch, finite, and keeps the type of its input.
    """
    _check(function, f'activation "{name}"')
    return TorchActivation(name, partial(_write, function), partial(_slope, function))


def _write(function: Function, z: Tensor, units: Tensor) -> None:
    with torch.no_grad():
        units.copy_(function(z))


def _slope(function: Function, z: Tensor, units: Tensor | None) -> None:
    z.copy_(_differentiated(function, z))


def _differentiated(function: Function, z: Tensor) -> Tensor:
    """Return phi'(z); 0 for a function whose value does not depend on z by differentiable operations, as a step."""
    with torch.enable_grad():
        x = z.detach().requires_grad_()
        value = function(x)
        if not value.requires_grad:
            return torch.zeros_like(x)
        (slope,) = torch.autograd.grad(value, x, torch.ones_like(value), allow_unused=True, materialize_grads=True)
    return slope


def _check(function: Function, where: str) -> None:
    if not callable(function):
        raise DataError(f"{where} is a {type(function).__name__}, not a function of a tensor")
    probes = torch.tensor(_PROBES, dtype=torch.float64)
    value, slope = _tried(function, probes, where)
    _tried(function, torch.ones(2, 3, dtype=torch.float32), where)
    for what, numbers in (("value", value), ("derivative", slope)):
        if not bool(torch.isfinite(numbers).all()):
            i = int(torch.isfinite(numbers).logical_not().nonzero()[0])
            raise DataError(f"{where}: its {what} at {_PROBES[i]:g} is {numbers[i]:g}; it must be finite everywhere")
    for i in (5, 8):
        alone, _ = _tried(function, probes[i : i + 1], where)
        if abs(float(alone) - float(value[i])) > 1e-12 * (1 + abs(float(value[i]))):
            raise DataError(f"{where}: its value at one element depends on the others; {_WRITE}")
    _check_constant(function, probes, slope, where)


def _tried(function: Function, x: Tensor, where: str) -> tuple[Tensor, Tensor]:
    """Return value and derivative at x, having checked that they are what a network can use."""
    given = x.clone()
    try:
        with torch.no_grad():
            value = function(given)
    except Exception as error:  # whatever the user's code raises
        raise DataError(f"{where}: fails on a tensor ({_first_line(error)}); {_WRITE}") from error
    if not isinstance(value, torch.Tensor):
        raise DataError(f"{where}: returns a {type(value).__name__} for a tensor; {_WRITE}")
    if value.shape != x.shape:
        got, expected = tuple(value.shape), tuple(x.shape)
        raise DataError(f"{where}: returns shape {got} for inputs of shape {expected}; {_WRITE}")
    if value.dtype != x.dtype:
        raise DataError(f"{where}: returns {value.dtype} for {x.dtype} inputs; it must keep the type of its input")
    if not torch.equal(given, x):
        raise DataError(f"{where}: writes on its input; it must return a new tensor")
    try:
        return value, _differentiated(function, x)
    except Exception as error:
        raise DataError(f"{where}: torch cannot differentiate it ({_first_line(error)}); {_WRITE}") from error


def _check_constant(function: Function, probes: Tensor, slope: Tensor, where: str) -> None:
    """Refuse a function that was cut off from its input (``detach``): its slope is zero though its value moves."""
    if bool((slope != 0).any()):
        return
    here = probes[3:]  # away from a jump at zero
    with torch.no_grad():
        moved = function(here + _STEP) - function(here)
    if bool((moved != 0).all()):
        raise DataError(f"{where}: torch finds its derivative to be zero, yet its value changes; {_WRITE}")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"
