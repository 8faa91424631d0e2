"""The architectures that have analytic kernels here. Light: no JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import suggestion
from ntkbench.theory.activations import CATALOGUE, parse_activation

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

FUNCTIONS = tuple(name for name, entry in CATALOGUE.items() if not entry.closed_form)  # integrated numerically


def unsupported(architecture: Architecture) -> str | None:
    """Return the reason why this architecture has no analytic kernel here, or None."""
    if isinstance(architecture.activation, str) and (reason := _unknown(architecture.activation)):
        return reason
    if architecture.global_rate and architecture.depth == 0:
        return "with one global rate for all tensors the first layer is not trained, so there is no kernel at depth 0"
    return None


def _unknown(activation: str) -> str | None:
    spelled = parse_activation(activation)
    if ":" in spelled.name or spelled.name in CATALOGUE:
        return None
    there = ", ".join(CATALOGUE) + ", and functions as module:function"
    return f'no analytic kernel for activation "{activation}"; there are {there}' + suggestion(spelled.name, CATALOGUE)
