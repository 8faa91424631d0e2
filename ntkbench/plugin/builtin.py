"""The plugin inside ntkbench: its metrics and studies, registered through the public hooks only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .hookspecs import hookimpl
from .specs import ExecutorSpec, MetricSpec, StudySpec

_STUDIES = Path(__file__).parents[1] / "studies"


@hookimpl
def ntkbench_register_metrics() -> list[MetricSpec]:
    """Return the built-in metrics."""
    return [*_errors(), _function_distance(), *_comparisons()]


def _errors() -> list[MetricSpec]:
    """Return the metrics that compare a prediction with the targets."""
    return [
        _error("rmse", "target", "root-mean-square error of the prediction, in units of the scaled targets"),
        _error("rmse_of_network", "target", "RMSE that a law expects of one network: its mean's, and its variance"),
        _error("rmse_unscaled", "data", "root-mean-square error of the prediction, in the data's own units", False),
        _error(
            "loss", "cost", "the training cost; for the squared error, 1/(2N) times the sum over points and outputs"
        ),
        _error("accuracy", "fraction", "fraction of points classified correctly (tasks with labels only)"),
    ]


def _error(name: str, unit: str, summary: str, default: bool = True) -> MetricSpec:
    return MetricSpec(
        name=name,
        version=1,
        summary=summary,
        unit=unit,
        goal="max" if name == "accuracy" else "min",
        target=f"ntkbench.metrics.errors:{name}",
        default=default,
    )


def _function_distance() -> MetricSpec:
    return MetricSpec(
        name="function_distance",
        version=1,
        summary="RMS distance between a network and the kernel's prediction from the same f_0, at the same step",
        unit="target",
        goal="none",
        target="ntkbench.metrics.errors:function_distance",
        needs=("members_test",),
        needs_reference=True,
    )


def _comparisons() -> list[MetricSpec]:
    """Return the comparisons of an ensemble with a reference; a study must list them to get them."""
    return [
        _comparison(
            "ntkbench.metrics.predictions:function_distance_relative",
            "1",
            "the largest distance over training, in units of how far the kernel's prediction has moved (C7)",
        ),
        _comparison(
            "ntkbench.metrics.predictions:learning_speed_ratio",
            "1",
            "the ensemble's learning speed over the kernel's, fitted to the ensemble's mean (C7)",
        ),
        _comparison(
            "ntkbench.metrics.predictions:prediction_rmse",
            "target",
            "RMS test error of the kernel's prediction from the same f_0 (C10)",
            goal="min",
        ),
        _comparison(
            "ntkbench.metrics.ensemble_law:law_agreement",
            "1",
            "mean, variance, covariance and kurtosis of members against a law (C8, C16)",
            version=2,
            measures=(
                "law_mean_slope",
                "law_variance_ratio",
                "law_variance_left",
                "law_covariance_slope",
                "law_covariance_distance",
                "law_kurtosis",
            ),
        ),
    ]


def _comparison(
    target: str,
    unit: str,
    summary: str,
    goal: Literal["min", "none"] = "none",
    version: int = 1,
    measures: tuple[str, ...] = (),
) -> MetricSpec:
    """Return a comparison of an ensemble with a reference; a study must list it to get it."""
    return MetricSpec(
        name=target.partition(":")[2],
        version=version,
        summary=summary,
        unit=unit,
        goal=goal,
        target=target,
        needs=("members_test",),
        needs_reference=True,
        measures=measures,
        default=False,
    )


_SUMMARIES = {
    "quickstart": "kernel predictions against trained networks on three small tasks, in about a minute",
    "claim-c1": "C1: outputs at initialization are a Gaussian process: covariance bias, kurtosis, weights' norms",
    "claim-c2": "C2: the tangent kernel at initialization converges to Theta, as n^-1/2",
    "claim-c2-axes": "C2: ordered and chaotic weights, unequal widths, more and fewer points",
    "claim-c2-depth": "C2: the kernel's relative variance grows like depth / width",
    "claim-c3": "C3: outputs decouple, as n^-1/2",
    "claim-c4": "C4: the tangent kernel stays constant in training",
    "claim-c5": "C5: weights and activations barely move, yet together they learn",
    "claim-c6": "C6: a network follows its own linearization",
    "claim-c7": "C7: each network's function follows kernel descent, as n^-1/2",
    "claim-c7-mean": "C7: the ensemble's mean follows the kernel as n^-1, at the kernel's rate",
    "claim-c7-non-gradient": "C7: the same for a training direction that is not a gradient",
    "claim-c8": "C8: the trained ensemble is Gaussian, with the law of L19 and no posterior",
    "claim-c9": "C9: kernel principal components decay one by one, as exp(-t lambda / N)",
    "claim-c10": "C10: early stopping keeps large components and drops noise",
    "claim-c11": "C11: a kernel is approximated by P random functions, as P^-1/2",
    "claim-c11-tangent": "C11: tangent features of a finite network are not independent",
    "claim-c12": "C12: the cost falls by the squared norm of the training direction",
    "claim-c12-labels": "C12: random labels are fitted, under squared error and cross-entropy",
    "claim-c13": "C13: Theta is positive definite on the sphere, and its counter-examples",
    "claim-c14": "C14: the stability limit 2N / lambda_max",
    "claim-c15": "C15: smaller networks converge faster along a component than their linearizations",
    "claim-c15-kappa": "C15: the smaller the target, the smaller the effect",
    "claim-c16": "C16: last layer trained against all layers trained, each with its own law",
    "claim-c17": "C17: laziness is a matter of scale",
}


@hookimpl
def ntkbench_register_executors() -> list[ExecutorSpec]:
    """Return the executors on this machine."""
    return [
        ExecutorSpec(
            name="processes",
            version=1,
            summary="worker processes on this machine; if one dies, only its cell is lost",
            target="ntkbench.execution.process_pool:processes",
        ),
        ExecutorSpec(
            name="inline",
            version=1,
            summary="one cell at a time in ntkbench's own process, for debugging; no timeout, no crash is survived",
            target="ntkbench.execution.inline:inline",
        ),
    ]


@hookimpl
def ntkbench_register_studies() -> list[StudySpec]:
    """Return the studies shipped with ntkbench."""
    return [
        StudySpec(name=name, summary=summary, path=_STUDIES / f"{name}.toml") for name, summary in _SUMMARIES.items()
    ]
