"""Registers ``sklearn-svm`` and the three baselines, without importing scikit-learn or JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import BackendSpec, hookimpl
from ntkbench.theory.losses import LOSSES

from .baselines import estimates
from .svm.estimate import estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ntkbench.architecture.nodes import Architecture

_REQUIRES, _INSTALL = "scikit-learn>=1.4", 'pip install "ntkbench[uci]"'
_CITATION = "scikit-learn: Pedregosa et al. 2011 (JMLR 12)"
_BASELINES = (
    ("sklearn-linear", "linear regression with a chosen penalty", estimates.linear, _CITATION),
    ("sklearn-rbf", "Gaussian kernel ridge regression with chosen width and penalty", estimates.rbf, _CITATION),
    (
        "sklearn-forest",
        "a random forest with chosen settings of splits and leaves",
        estimates.forest,
        f"Breiman 2001 (Machine Learning 45); {_CITATION}",
    ),
)


def supports(architecture: Architecture) -> str | None:
    """Return why there is no kernel for an architecture, or None."""
    from ntkbench_jax import unsupported

    if architecture.global_rate:
        return "kernels with fixed layers exist for the NTK parameterization only, not for a global rate"
    return unsupported(architecture)


def _any(architecture: Architecture) -> str | None:
    """Return None: a baseline has no architecture."""
    return None


@hookimpl
def ntkbench_register_backends() -> Iterable[BackendSpec]:
    """Register the backends fitted by scikit-learn; all choose their settings on the task's tuning problems."""
    yield BackendSpec(
        name="sklearn-svm",
        version=1,
        summary="a support vector machine on the NTK or NNGP of up to the architecture's depth, which is chosen, with "
        "its penalty, on the task's tuning problems (A19)",
        role="reference",
        parameters="ntkbench_sklearn.svm.parameters:Parameters",
        target="ntkbench_sklearn.svm.solve:solve",
        supports=supports,
        estimate=estimate,
        losses=LOSSES,  # it uses only the classes of a task
        requires=(_REQUIRES,),
        requires_plugins=("jax",),
        install=_INSTALL,
        citation="Arora, Du, Li, Salakhutdinov, Wang and Yu 2019 (arXiv:1910.01663); libsvm by Chang and Lin 2011",
    )
    for name, summary, estimate_of, citation in _BASELINES:
        module = name.removeprefix("sklearn-")
        yield BackendSpec(
            name=name,
            version=1,
            summary=f"baseline, without an architecture: {summary}",
            role="reference",
            parameters=f"ntkbench_sklearn.baselines.parameters:{module.capitalize()}Parameters",
            target=f"ntkbench_sklearn.baselines.{module}:solve",
            supports=_any,
            estimate=estimate_of,
            requires=(_REQUIRES,),
            install=_INSTALL,
            citation=citation,
        )
