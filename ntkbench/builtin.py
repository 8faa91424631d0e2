"""The plugin inside ntkbench: its metrics and studies, registered through the public hooks and nothing else."""

from __future__ import annotations

from pathlib import Path

from .hookspecs import hookimpl
from .specs import MetricSpec, StudySpec

_STUDIES = Path(__file__).parent / "studies"
_FIGURES = {
    "j18-fig1": "the tangent kernel on the circle before and after training (C2, C4), after J18 Fig. 1",
    "j18-fig2": "trained networks on the circle against the law of the limit (C8), after J18 Fig. 2",
    "j18-fig3": "training towards a kernel principal component of digits (C9, C15), after J18 Fig. 3",
    "l19-fig1": "change of weights and of the tangent kernel against width (C4, C5), after L19 Fig. 1",
    "l19-fig4": "networks against their own linearizations in training (C6), after L19 Fig. 4",
}


@hookimpl
def ntkbench_register_metrics() -> list[MetricSpec]:
    """Return the metrics that need only outputs and kernels."""
    return [
        MetricSpec(
            name="rmse",
            version=1,
            summary="root-mean-square error of the prediction, in units of the scaled targets",
            unit="target",
            goal="min",
            target="ntkbench.metrics:rmse",
        ),
        MetricSpec(
            name="loss",
            version=1,
            summary="the cost that is trained on; of the squared error 1/(2N) sum over points and outputs",
            unit="cost",
            goal="min",
            target="ntkbench.metrics:loss",
        ),
        MetricSpec(
            name="accuracy",
            version=1,
            summary="fraction of points whose predicted class is the label (tasks with labels only)",
            unit="fraction",
            goal="max",
            target="ntkbench.metrics:accuracy",
        ),
        MetricSpec(
            name="function_distance",
            version=1,
            summary="RMS distance between a network and the kernel's prediction from the same f_0, at the same step",
            unit="target",
            goal="none",
            target="ntkbench.metrics:function_distance",
            needs=("members_test",),
            needs_reference=True,
        ),
    ]


@hookimpl
def ntkbench_register_studies() -> list[StudySpec]:
    """Return the studies shipped with ntkbench."""
    return [
        *(StudySpec(name=name, summary=summary, path=_STUDIES / f"{name}.toml") for name, summary in _FIGURES.items()),
        StudySpec(
            name="quickstart",
            summary="kernel predictions against trained networks on three small tasks, in about a minute",
            path=_STUDIES / "quickstart.toml",
        ),
    ]
