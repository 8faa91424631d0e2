"""Data sets as problems. A task's target is ``ntkbench_uci.loading:<name of the data set>``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.exchange import Problem

from .collection import COLLECTION
from .readers import read
from .splits import sizes, stratified_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.exchange import Float, Int

    from .collection import Dataset
    from .parameters import RandomSplit


def load(dataset: Dataset, parameters: RandomSplit, split_index: int, seed: int) -> Problem:
    """Return a stratified random split: inputs (N, F) in their own units, centred targets (N, O), and labels (N,).

    :raises DataError: if the split does not fit the data set, or the data are not those the collection states.
    """
    size = sizes(dataset, parameters)
    x, labels = read(dataset)
    if parameters.random_labels:
        labels = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).permutation(labels)
    train, test = stratified_rows(labels, size.n_train, size.n_test, seed, split_index)
    y = centred_targets(labels, dataset.classes)
    return Problem(
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        labels_train=labels[train],
        labels_test=labels[test],
    )


def centred_targets(labels: Int, classes: int) -> Float:
    """Return the targets (n, O) that stand for labels (n,).

    Two classes have one output, -1 for label 0 and +1 for label 1: the label of an output f is ``f > 0``.
    k > 2 classes have k outputs, one-hot less 1/k, whose sum is 0: the label is the largest output's index.
    """
    if classes == 2:
        return np.where(labels > 0, 1.0, -1.0)[:, None]
    return np.eye(classes)[labels] - 1 / classes


def __getattr__(name: str) -> Callable[[RandomSplit, int, int], Problem]:
    """Return the loader of the data set with this name."""
    if name not in COLLECTION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(load, COLLECTION[name])
