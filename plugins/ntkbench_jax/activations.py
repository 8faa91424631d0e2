"""Which architectures have kernels here; light enough for planning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import suggestion
from ntkbench.theory.activations import CATALOGUE, parse_activation

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

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
)  # known by name, integrated numerically


def unsupported(architecture: Architecture) -> str | None:
    """Return the reason why this architecture has no analytic kernel here, or None."""
    if isinstance(architecture.activation, str) and (reason := _unknown(architecture.activation)):
        return reason
    if architecture.global_rate and architecture.depth == 0:
        return "with one global rate for all tensors the first layer drops out: no kernel is left at depth 0"
    return None


def _unknown(activation: str) -> str | None:
    spelled = parse_activation(activation)
    known = {*CATALOGUE, *FUNCTIONS}
    if ":" in spelled.name or spelled.name in CATALOGUE:
        return None
    if spelled.name not in known:
        there = ", ".join([*CATALOGUE, *FUNCTIONS]) + ", and functions as module:function"
        return f'no analytic kernel for activation "{activation}"; there are {there}' + suggestion(spelled.name, known)
    if spelled.parameters:
        return f'activation "{spelled.name}" has no parameters'
    return None
