"""What only the backend can see of networks while they train. Names are in :mod:`.catalogue`, which needs no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .norms import operator_norm
    from .observation import Snapshot
    from .recorder import Recorder

_HOMES = {
    "Snapshot": "observation",
    "Recorder": "recorder",
    "operator_norm": "norms",
}
__all__ = ["Recorder", "Snapshot", "operator_norm"]


def __getattr__(name: str) -> Any:
    """Import a public name, and torch with it, when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench_torch.observables' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
