"""Quantities that only the backend can measure, during training; :mod:`.catalogue` lists them without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recorder import Recorder
    from .snapshot import Snapshot

_HOMES = {
    "Recorder": "recorder",
    "Snapshot": "snapshot",
}
__all__ = ["Recorder", "Snapshot"]


def __getattr__(name: str) -> Any:
    """Import a public name, and torch with it, on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench_torch.observables' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
