"""Which architectures have kernels here; light enough for planning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.errors import suggestion

if TYPE_CHECKING:
    from ntkbench.architecture import Architecture

ACTIVATIONS = ("erf", "relu")


def unsupported(architecture: Architecture) -> str | None:
    """Return the reason why this architecture has no analytic kernel here, or None."""
    if architecture.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS) + suggestion(architecture.activation, ACTIVATIONS)
        return f'no analytic kernel for activation "{architecture.activation}"; there are {known}'
    if architecture.parameterization != "ntk":
        return (
            f'no analytic kernel for parameterization "{architecture.parameterization}": it depends on how tensors '
            'share the learning rate, which an architecture does not say; use "ntk"'
        )
    return None
