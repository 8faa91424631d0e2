"""Which activations networks can be trained with here; light enough for planning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.plugin import suggestion
from ntkbench.theory.activations import CATALOGUE, parse_activation

if TYPE_CHECKING:
    from collections.abc import Callable


def unsupported_activation(activation: str | Callable[[Any], Any]) -> str | None:
    """Return why networks cannot have this activation, or None. A function is checked when it is used."""
    if not isinstance(activation, str):
        return None
    try:
        spelled = parse_activation(activation)
    except ValueError as error:
        return str(error)
    if ":" in spelled.name or spelled.name in CATALOGUE:
        return None
    there = ", ".join(CATALOGUE) + ", and functions as module:function"
    return f'no activation "{activation}" for networks; there are {there}' + suggestion(spelled.name, CATALOGUE)
