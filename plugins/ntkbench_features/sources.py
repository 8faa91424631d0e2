"""Who supplies the random functions: another backend's package, asked through what it registers."""

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
    """Return the backend that functions of this kind come from."""
    name = SOURCES[kind]
    specs: tuple[BackendSpec, ...] = tuple(import_module(f"ntkbench_{name}.plugin").ntkbench_register_backends())
    return next(spec for spec in specs if spec.name == name)


def require(kind: Kind, architecture: Architecture) -> None:
    """Raise :class:`UnavailableError` where functions of this kind cannot be had: a package or a kernel is missing."""
    from ntkbench.plugin import require_available

    spec = source(kind)
    require_available(spec)
    if reason := spec.supports(architecture):
        raise UnavailableError(f"functions = {kind}: {reason}")
