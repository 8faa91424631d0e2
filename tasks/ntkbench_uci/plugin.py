"""The UCI tasks, described; nothing here imports what reads them."""

from __future__ import annotations

from functools import partial
from typing import Any

from ntkbench.hookspecs import hookimpl
from ntkbench.specs import TaskSpec

from .collection import COLLECTION, Dataset
from .splits import sizes


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return one task per data set of the collection."""
    return [_task(dataset) for dataset in COLLECTION.values()]


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


def _fingerprint(dataset: Dataset, parameters: Any) -> str:
    return dataset.sha256
