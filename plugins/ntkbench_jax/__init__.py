"""Infinite-width predictions in JAX: analytic NNGP and tangent kernels, and a scikit-learn estimator on top of them.

Importing this package imports neither JAX nor scikit-learn; its public names import them on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activations import unsupported
    from .estimator import NTKRegressor
    from .gradient_flow.flow import CostFlow, cost_flow
    from .kernels.analytic import Kernels, analytic_kernel, analytic_kernels, kernel_diagonal

__all__ = [
    "CostFlow",
    "Kernels",
    "NTKRegressor",
    "analytic_kernel",
    "analytic_kernels",
    "cost_flow",
    "kernel_diagonal",
    "unsupported",
]
_HOMES = {
    "CostFlow": "gradient_flow.flow",
    "Kernels": "kernels.analytic",
    "NTKRegressor": "estimator",
    "analytic_kernel": "kernels.analytic",
    "analytic_kernels": "kernels.analytic",
    "cost_flow": "gradient_flow.flow",
    "kernel_diagonal": "kernels.analytic",
    "unsupported": "activations",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
