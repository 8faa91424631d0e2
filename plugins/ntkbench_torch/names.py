"""Which activations networks can be trained with here; light enough for planning."""

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
)  # beyond the catalogue, without parameters


def unsupported_activation(activation: str | Callable[[Any], Any]) -> str | None:
    """Return why networks cannot have this activation, or None. A function is checked when it is used."""
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
        there = ", ".join(known) + ", and functions as module:function"
        return f'no activation "{activation}" for networks; there are {there}' + suggestion(spelled.name, known)
    if spelled.name in FUNCTIONS and spelled.parameters:
        return f'activation "{spelled.name}" has no parameters'
    return None
