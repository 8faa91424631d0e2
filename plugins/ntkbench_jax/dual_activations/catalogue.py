"""Find the dual of an activation by name, or of a Python function."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ntkbench.plugin import DataError
from ntkbench.theory.activations import parse_activation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.theory.activations import Activation

    from .interface import Adaptive, Homogeneous, Smooth

    DualActivation = Homogeneous | Smooth | Adaptive

_CLOSED_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("piecewise_linear:PiecewiseLinear", {"slope": 0.0}),
    "leaky_relu": ("piecewise_linear:PiecewiseLinear", {}),
    "abs": ("piecewise_linear:PiecewiseLinear", {"slope": -1.0}),
    "identity": ("polynomial:Polynomial.monomial", {"degree": 1}),
    "step": ("rectified:Rectified", {"degree": 0}),
    "rectified_monomial": ("rectified:Rectified", {}),
    "monomial": ("polynomial:Polynomial.monomial", {}),
    "polynomial": ("polynomial:Polynomial", {}),
    "hermite": ("polynomial:Polynomial.hermite", {}),
    "erf": ("error_function:Erf", {}),
    "erf_sigmoid": ("error_function:ErfSigmoid", {}),
    "gelu": ("gelu:Gelu", {}),
    "sin": ("trigonometric:Sin", {}),
    "cos": ("trigonometric:Cos", {}),
    "rbf": ("trigonometric:Rbf", {}),
    "exp": ("exponential:Exp", {}),
    "gaussian": ("exponential:Gaussian", {}),
}


@lru_cache(maxsize=256)
def find_dual_activation(activation: str | Callable[..., Any]) -> DualActivation:
    """Return the dual of an activation that :func:`..activations.unsupported` accepts.

    :raises DataError: for a function that cannot be imported.
    """
    if not isinstance(activation, str):
        return _of_function(activation)
    spelled = parse_activation(activation)
    if spelled.name in _CLOSED_FORMS:
        target, fixed = _CLOSED_FORMS[spelled.name]
        dual: DualActivation = _attribute(f"{__package__}.{target}")(**dict(spelled.parameters), **fixed)
        return dual
    return _of_name(spelled)


def _of_function(function: Callable[..., Any]) -> DualActivation:
    from .series import adaptive

    return adaptive(function, getattr(function, "__name__", repr(function)))


def _of_name(spelled: Activation) -> DualActivation:
    """Return the dual of an activation without a closed form: a function known here, or the user's."""
    from . import functions
    from .series import adaptive

    if ":" not in spelled.name:
        return adaptive(functions.FUNCTIONS[spelled.name], spelled.name)
    try:
        function = _attribute(spelled.name)
    except Exception as error:  # importing the user's module can raise anything
        raise DataError(f'activation "{spelled}" cannot be imported: {type(error).__name__}: {error}') from error
    if not callable(function):
        raise DataError(f'activation "{spelled}" is a {type(function).__name__}, not a function')
    return adaptive(function, spelled.name)


def _attribute(target: str) -> Any:
    module, _, path = target.partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value
