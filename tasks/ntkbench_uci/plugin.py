"""The UCI tasks, described; nothing here imports what reads them."""

from __future__ import annotations

from functools import partial
from typing import Any

from ntkbench.hookspecs import hookimpl
from ntkbench.specs import Sizes, TaskSpec

from .collection import COLLECTION, Dataset
from .splits import sizes

_J18 = (
    "Jacot, Gabriel, Hongler (2018). Neural Tangent Kernel: Convergence and Generalization in Neural Networks. "
    "NeurIPS 31. arXiv:1806.07572."
)


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return one task per data set of the collection, and the digits' kernel principal components."""
    return [*(_task(dataset) for dataset in COLLECTION.values()), _component(COLLECTION["optical-digits"])]


def _task(dataset: Dataset) -> TaskSpec:
    return TaskSpec(
        name=f"uci/{dataset.name}",
        version=1,
        summary=dataset.summary,
        parameters="ntkbench_uci.parameters:RandomSplit",
        target=f"ntkbench_uci.loading:{dataset.name}",
        sizes=partial(sizes, dataset),
        fingerprint=partial(_fingerprint, dataset),
        standardise_targets=False,
        requires=("scikit-learn>=1.4",),
        install='pip install "ntkbench[uci]"',
        source=f"https://archive.ics.uci.edu/dataset/{dataset.uci_id}, as shipped with {dataset.reader}",
        licence=dataset.licence,
        citation=dataset.citation,
    )


def _component(dataset: Dataset) -> TaskSpec:
    """Return the task of learning one component; it standardises its inputs itself, before it takes the kernel."""
    return TaskSpec(
        name=f"uci/{dataset.name}-component",
        version=1,
        summary="one principal component of the NTK on handwritten digits, on inputs it has standardised itself",
        parameters="ntkbench_uci.parameters:Component",
        target="ntkbench_uci.component:load",
        sizes=partial(_one_output, dataset),
        fingerprint=partial(_fingerprint, dataset),
        standardise_inputs=False,
        standardise_targets=False,
        requires=("scikit-learn>=1.4", "jax>=0.4.31"),
        install='pip install "ntkbench[jax,uci]"',
        source="J18 Fig. 3: y = scale sqrt(N) v_i, v_i an eigenvector of Theta(X, X); there on MNIST, here on "
        f"https://archive.ics.uci.edu/dataset/{dataset.uci_id}",
        licence=dataset.licence,
        citation=f"{_J18} Digits: {dataset.citation}",
    )


def _one_output(dataset: Dataset, parameters: Any) -> Sizes:
    return sizes(dataset, parameters)._replace(n_outputs=1)


def _fingerprint(dataset: Dataset, parameters: Any) -> str:
    return dataset.sha256
