"""The activations this backend supports. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.plugin import suggestion
from ntkbench.theory.activations import CATALOGUE, parse_activation

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = (
    "arctan",
    "celu",
    "elu",
    "log_cosh",
    "mish",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
)  # without parameters, beside those of the catalogue


def unsupported_activation(activation: str | Callable[[Any], Any]) -> str | None:
    """Return why networks cannot have this activation, or None; functions are checked when they are first used."""
    if not isinstance(activation, str):
        return None
    try:
        spelled = parse_activation(activation)
    except ValueError as error:
        return str(error)
    known = (*CATALOGUE, *FUNCTIONS)
    if ":" in spelled.name:
        return None
    if spelled.name not in known:
        available = ", ".join(known) + ", and functions as module:function"
        return f'no activation "{activation}" for networks; there are {available}' + suggestion(spelled.name, known)
    if spelled.name in FUNCTIONS and spelled.parameters:
        return f'activation "{spelled.name}" has no parameters'
    return None
