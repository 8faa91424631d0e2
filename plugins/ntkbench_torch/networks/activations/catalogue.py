"""An activation by its spelling, or of a Python function."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ntkbench.plugin import DataError
from ntkbench.theory.activations import parse_activation

from ...names import unsupported_activation
from .functions import of_function
from .piecewise import absolute, leaky_relu, rectified_monomial
from .polynomials import hermite, monomial, polynomial
from .smooth import rbf, smooth

if TYPE_CHECKING:
    from collections.abc import Callable

    from .interface import TorchActivation

_MAKERS: dict[str, tuple[Callable[..., TorchActivation], dict[str, Any]]] = {
    "relu": (rectified_monomial, {"degree": 1}),
    "step": (rectified_monomial, {"degree": 0}),
    "rectified_monomial": (rectified_monomial, {}),
    "leaky_relu": (leaky_relu, {}),
    "abs": (absolute, {}),
    "identity": (monomial, {"degree": 1}),
    "monomial": (monomial, {}),
    "polynomial": (polynomial, {}),
    "hermite": (hermite, {}),
    "rbf": (rbf, {}),
}


def find_activation(activation: str | Callable[[Any], Any]) -> TorchActivation:
    """Return an activation by its spelling (equal ones are one object), or of a function on tensors.

    :raises DataError: for a spelling that is not known, and for a function that cannot be imported or trained through.
    """
    if isinstance(activation, str):
        return _spelled(activation)
    return of_function(activation, getattr(activation, "__name__", repr(activation)))


@lru_cache(maxsize=256)
def _spelled(text: str) -> TorchActivation:
    if reason := unsupported_activation(text):
        raise DataError(reason)
    spelled = parse_activation(text)
    if str(spelled) != text:
        return _spelled(str(spelled))
    if ":" in spelled.name:
        return of_function(_imported(spelled.name), spelled.name)
    if spelled.name not in _MAKERS:
        return smooth(text)
    make, fixed = _MAKERS[spelled.name]
    return make(text, **dict(spelled.parameters), **fixed)


def _imported(target: str) -> Any:
    module, _, path = target.partition(":")
    try:
        value: Any = import_module(module)
        for part in path.split("."):
            value = getattr(value, part)
    except Exception as error:  # whatever the user's own module does when it is imported
        raise DataError(f'activation "{target}" cannot be imported: {type(error).__name__}: {error}') from error
    return value
