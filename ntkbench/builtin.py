"""The plugin inside ntkbench: its metrics and studies, registered through the public hooks and nothing else."""

from __future__ import annotations

from pathlib import Path

from .hookspecs import hookimpl
from .specs import MetricSpec, StudySpec

_STUDIES = Path(__file__).parent / "studies"


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
        StudySpec(
            name="quickstart",
            summary="kernel predictions against trained networks on three small tasks, in about a minute",
            path=_STUDIES / "quickstart.toml",
        ),
    ]
