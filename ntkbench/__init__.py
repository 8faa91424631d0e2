"""Test the infinite-width theory of neural networks against trained networks, at every width."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis.estimation.rates import convergence_rates
    from .api.run import run
    from .architecture.nodes import Architecture
    from .dynamics import kernel_dynamics
    from .plugin.hookspecs import hookimpl
    from .store.read import Results, load
    from .study.model import Study

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "architecture.nodes",
    "Results": "store.read",
    "Study": "study.model",
    "convergence_rates": "analysis.estimation.rates",
    "hookimpl": "plugin.hookspecs",
    "kernel_dynamics": "dynamics",
    "load": "store.read",
    "run": "api.run",
}
__all__ = [
    "Architecture",
    "Results",
    "Study",
    "__version__",
    "convergence_rates",
    "hookimpl",
    "kernel_dynamics",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import ntkbench`` stays light (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
