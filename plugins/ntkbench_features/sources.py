"""Who supplies the random functions: the plugin ``jax`` or ``torch``, of which one is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ntkbench.plugin import UnavailableError

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

Kind = Literal["kernel", "tangent"]
SOURCES: dict[Kind, str] = {"kernel": "jax", "tangent": "torch"}


def unsupported(kind: Kind, architecture: Architecture) -> str | None:
    """Return why an architecture has no functions of this kind, or None."""
    if kind == "kernel":
        from ntkbench_jax import unsupported as no_kernel

        return no_kernel(architecture)
    from ntkbench_torch import unsupported as no_networks

    return no_networks(architecture)


def require(kind: Kind, architecture: Architecture) -> None:
    """Raise :class:`UnavailableError` where functions of this kind cannot be had: a package or a kernel is missing."""
    from ntkbench.plugin import load_registry, missing_plugin

    if reason := missing_plugin((SOURCES[kind],), load_registry()) or unsupported(kind, architecture):
        raise UnavailableError(f"functions = {kind}: {reason}")
