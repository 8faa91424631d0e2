"""Ensembles of finite networks, drawn and trained exactly as the theory of the neural tangent kernel speaks of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .networks.ensemble import NetworkEnsemble
    from .networks.module_ensemble import ModuleEnsemble
    from .observables.norms import operator_norm
    from .plugin import unsupported
    from .stability.thresholds import Thresholds, stability_thresholds
    from .training.trajectory import Trajectory

_HOMES = {
    "ModuleEnsemble": "networks.module_ensemble",
    "NetworkEnsemble": "networks.ensemble",
    "Thresholds": "stability.thresholds",
    "Trajectory": "training.trajectory",
    "operator_norm": "observables.norms",
    "stability_thresholds": "stability.thresholds",
    "unsupported": "plugin",
}
__all__ = [
    "ModuleEnsemble",
    "NetworkEnsemble",
    "Thresholds",
    "Trajectory",
    "operator_norm",
    "stability_thresholds",
    "unsupported",
]


def __getattr__(name: str) -> Any:
    """Import a public name, and torch with it, when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench_torch' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
