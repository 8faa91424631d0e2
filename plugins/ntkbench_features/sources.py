"""The backends that supply the random functions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from ntkbench.plugin import UnavailableError

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import BackendSpec

Kind = Literal["kernel", "tangent"]
SOURCES: dict[Kind, str] = {"kernel": "jax", "tangent": "torch"}


def source(kind: Kind) -> BackendSpec:
    """Return the backend that supplies functions of this kind."""
    name = SOURCES[kind]
    specs: tuple[BackendSpec, ...] = tuple(import_module(f"ntkbench_{name}.plugin").ntkbench_register_backends())
    return next(spec for spec in specs if spec.name == name)


def require(kind: Kind, architecture: Architecture) -> None:
    """Check that functions of this kind are available.

    :raises UnavailableError: if a package is not installed, or the architecture is not supported.
    """
    from ntkbench.plugin import require_available

    spec = source(kind)
    require_available(spec)
    if reason := spec.supports(architecture):
        raise UnavailableError(f"functions = {kind}: {reason}")
