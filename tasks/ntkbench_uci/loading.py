"""Data sets as problems. A task's target is ``ntkbench_uci.loading:<name of the data set>``."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import Problem

from . import published_splits, resamples
from .collection import COLLECTION
from .readers import read
from .scaling import standardised
from .splits import random_rows, sizes, stratified_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.plugin import Float, Int

    from .dataset import Dataset
    from .parameters import A19Split, PublishedSplit, RandomSplit


_NOISE_STREAM = 0x6E6F6973  # "nois" in ASCII: keeps these draws apart from those of rows


class Table:
    """All rows of a table, from which problems are cut."""

    def __init__(self, classes: int | None, x: Float, targets: Float | Int) -> None:
        """Take inputs (rows, F), and labels (rows,) of so many classes, or values (rows,) where ``classes`` is None."""
        self.x = x
        self.labels = None if classes is None else targets.astype(np.int64)
        self.y = targets[:, None] if classes is None else centred_targets(targets, classes)  # type: ignore[arg-type]

    def problem(self, train: Int, test: Int) -> Problem:
        """Return the problem of these rows, inputs in their own units."""
        labels = self.labels
        return Problem(
            x_train=self.x[train],
            y_train=self.y[train],
            x_test=self.x[test],
            y_test=self.y[test],
            labels_train=None if labels is None else labels[train],
            labels_test=None if labels is None else labels[test],
        )


@lru_cache(maxsize=2)
def _read(dataset: Dataset) -> tuple[Float, Float | Int]:
    return read(dataset)


def load_random(dataset: Dataset, parameters: RandomSplit, split_index: int, seed: int) -> Problem:
    """Return a random split: inputs (N, F) in their own units, and targets (N, O), centred ones for labels (N,).

    :raises DataError: if the split does not fit the data set, or the data are not those the collection states.
    """
    size = sizes(dataset, parameters)
    x, targets = read(dataset)
    if parameters.random_labels:
        targets = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).permutation(targets)
    if dataset.classes is None:
        rows = random_rows(dataset.rows, size.n_train, size.n_test, seed, split_index)
    else:
        rows = stratified_rows(targets, size.n_train, size.n_test, seed, split_index)  # type: ignore[arg-type]
    return _cut(Table(dataset.classes, x, targets), rows, parameters, seed, split_index)


def load_published(dataset: Dataset, parameters: PublishedSplit, split_index: int, seed: int) -> Problem:
    """Return a published 90/10 split with a part of its training rows to choose on; the seed matters to noise alone."""
    rows = published_splits.split_rows(dataset, parameters, split_index)
    return _cut(Table(dataset.classes, *_read(dataset)), rows, parameters, seed, split_index)


def _cut(
    table: Table, rows: tuple[Int, Int], parameters: RandomSplit | PublishedSplit, seed: int, split_index: int
) -> Problem:
    """Return the problem of (training, test) rows, with what to choose on; noise is on all targets but the test's."""
    train, test = rows
    clean = table.y
    if parameters.noise:
        generator = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(_NOISE_STREAM, split_index)))
        table.y = clean + parameters.noise * clean.std(axis=0) * generator.standard_normal(clean.shape)
    tuning = tuple(table.problem(*part) for part in published_splits.tuning_rows(train, parameters))
    return replace(table.problem(train, test), y_test=clean[test], tuning=tuning)


def load_resample(dataset: Dataset, parameters: A19Split, split_index: int, seed: int) -> Problem:
    """Return a resample of the A19 collection with what to choose on.

    Under the protocol ``a19`` inputs are as the file has them, standardised over all its rows by its authors, and no
    seed enters. Under ``nested`` each problem, inner ones included, is standardised by its own training rows.
    """
    x, labels = _read(dataset)
    table = Table(dataset.classes, x, labels)
    if parameters.protocol == "a19":
        (train, test), halves = resamples.published_resample(dataset, split_index)
        return replace(table.problem(train, test), tuning=(table.problem(*halves),))
    outer, inner = resamples.nested_folds(labels, seed, split_index)  # type: ignore[arg-type]
    tuning = tuple(_standardised(table.problem(*rows)) for rows in inner)
    return replace(_standardised(table.problem(*outer)), tuning=tuning)


def _standardised(problem: Problem) -> Problem:
    x_train, x_test = standardised(problem.x_train, problem.x_test)
    return replace(problem, x_train=x_train, x_test=x_test)


def centred_targets(labels: Int, classes: int) -> Float:
    """Return the targets (n, O) that stand for labels (n,).

    Two classes have one output, -1 for label 0 and +1 for label 1: the label of an output f is ``f > 0``.
    k > 2 classes have k outputs, one-hot less 1/k, whose sum is 0: the label is the largest output's index.
    """
    if classes == 2:
        return np.where(labels > 0, 1.0, -1.0)[:, None]
    return np.eye(classes)[labels] - 1 / classes


_LOADERS: dict[str, Callable[..., Problem]] = {"random": load_random, "hla": load_published, "a19": load_resample}


def __getattr__(name: str) -> Callable[[Any, int, int], Problem]:
    """Return the loader of the data set with this name."""
    if name not in COLLECTION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    dataset = COLLECTION[name]
    return partial(_LOADERS[dataset.protocol], dataset)
