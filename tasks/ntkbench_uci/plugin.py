"""Registers the UCI tasks; reading them is imported later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ntkbench.plugin import Sizes, TaskSpec, hookimpl

from . import published_splits, resamples
from .collection import COLLECTION
from .locations import missing
from .splits import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from .dataset import Dataset

_J18 = (
    "Jacot, Gabriel, Hongler (2018). Neural Tangent Kernel: Convergence and Generalization in Neural Networks. "
    "NeurIPS 31. arXiv:1806.07572."
)


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return one task per data set of the collection, and the kernel principal components of the digits."""
    return [*(_task(dataset) for dataset in COLLECTION.values()), _component(COLLECTION["optical-digits"])]


@hookimpl
def ntkbench_register_commands(cli: click.Group) -> None:
    """Add ``ntkbench data``."""
    from .data_command import data_command

    cli.add_command(data_command)


_PARAMETERS = {"random": "RandomSplit", "hla": "PublishedSplit", "a19": "A19Split"}
_SIZES: dict[str, Callable[[Dataset, Any], Sizes]] = {
    "random": sizes,
    "hla": published_splits.sizes,
    "a19": resamples.sizes,
}


def _task(dataset: Dataset) -> TaskSpec:
    return TaskSpec(
        name=f"uci/{dataset.name}",
        version=1,
        summary=dataset.summary,
        parameters=f"ntkbench_uci.parameters:{_PARAMETERS[dataset.protocol]}",
        target=f"ntkbench_uci.loading:{dataset.name}",
        sizes=partial(_SIZES[dataset.protocol], dataset),
        fingerprint=partial(_fingerprint, dataset),
        available=partial(missing, dataset),
        standardise_inputs=dataset.protocol != "a19",
        standardise_targets=dataset.classes is None,
        requires=("scikit-learn>=1.4",),
        install='pip install "ntkbench[uci]"',
        source=_source(dataset),
        licence=dataset.licence,
        citation=dataset.citation,
    )


def _source(dataset: Dataset) -> str:
    if not dataset.scikit_learn:
        return ", ".join(part for part in (dataset.page, f"{dataset.forms[0].path} in the data folder") if part)
    return f"{dataset.page}, as shipped with scikit-learn"


def _component(dataset: Dataset) -> TaskSpec:
    """Return the task of learning one component, which scales its inputs before it computes the kernel."""
    return TaskSpec(
        name=f"uci/{dataset.name}-component",
        version=1,
        summary="one principal component of the NTK on handwritten digits, standardised or as pixel values",
        parameters="ntkbench_uci.parameters:Component",
        target="ntkbench_uci.component:load",
        sizes=partial(_one_output, dataset),
        fingerprint=partial(_fingerprint, dataset),
        standardise_inputs=False,
        standardise_targets=False,
        requires=("scikit-learn>=1.4",),
        requires_plugins=("jax",),
        install='pip install "ntkbench[jax,uci]"',
        source="J18 Fig. 3: y = scale sqrt(N) v_i, v_i an eigenvector of Theta(X, X); there on MNIST, here on "
        f"https://archive.ics.uci.edu/dataset/{dataset.uci_id}",
        licence=dataset.licence,
        citation=f"{_J18} Digits: {dataset.citation}",
    )


def _one_output(dataset: Dataset, parameters: Any) -> Sizes:
    return sizes(dataset, parameters)._replace(n_outputs=1)


def _fingerprint(dataset: Dataset, parameters: Any) -> str:
    files = dataset.split_files
    return dataset.sha256 if files is None else f"{dataset.sha256} {files.tuning_sha256} {files.resamples_sha256}"
