"""Put the infinite-width theory of neural networks to the test, at every width."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture import Architecture
    from .dynamics import kernel_dynamics
    from .hookspecs import hookimpl

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "architecture",
    "hookimpl": "hookspecs",
    "kernel_dynamics": "dynamics",
}
__all__ = ["Architecture", "__version__", "hookimpl", "kernel_dynamics"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import ntkbench`` stays light (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
