"""Data sets as problems. A task's target is ``ntkbench_uci.loading:<name of the data set>``."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import DataTable

from . import published_splits, resamples
from .collection import COLLECTION
from .readers import read
from .scaling import standardised
from .splits import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.plugin import Int, Problem

    from .dataset import Dataset
    from .parameters import A19Split, PublishedSplit, RandomSplit


_NOISE_STREAM = 0x6E6F6973  # "nois" in ASCII: keeps these draws apart from those of rows


@lru_cache(maxsize=2)
def _table(dataset: Dataset) -> DataTable:
    return DataTable.of_targets(*read(dataset), dataset.classes)


def load_random(dataset: Dataset, parameters: RandomSplit, split_index: int, seed: int) -> Problem:
    """Return a random split: inputs (N, F) in their own units, and targets (N, O), centred ones for labels (N,).

    :raises DataError: if the split does not fit the data set, or the data are not those the collection states.
    """
    size = sizes(dataset, parameters)
    x, targets = read(dataset)
    if parameters.random_labels:
        targets = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).permutation(targets)
    table = DataTable.of_targets(x, targets, dataset.classes)
    rows = table.random_split(size.n_train, size.n_test, seed, split_index)
    return _cut(table, rows, parameters, seed, split_index)


def load_published(dataset: Dataset, parameters: PublishedSplit, split_index: int, seed: int) -> Problem:
    """Return a published 90/10 split with validation rows; the seed only affects noise."""
    rows = published_splits.split_rows(dataset, parameters, split_index)
    return _cut(_table(dataset), rows, parameters, seed, split_index)


def _cut(
    table: DataTable, rows: tuple[Int, Int], parameters: RandomSplit | PublishedSplit, seed: int, split_index: int
) -> Problem:
    """Return the problem of (training, test) rows with its tuning problems; only the test targets have no noise."""
    train, test = rows
    clean = table.y
    if parameters.noise:
        generator = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(_NOISE_STREAM, split_index)))
        noise = generator.standard_normal(clean.shape)
        table = replace(table, y=clean + parameters.noise * clean.std(axis=0) * noise)
    tuning = tuple(table.problem(*part) for part in published_splits.tuning_rows(train, parameters))
    return replace(table.problem(train, test), y_test=clean[test], tuning=tuning)


def load_resample(dataset: Dataset, parameters: A19Split, split_index: int, seed: int) -> Problem:
    """Return a resample of the A19 collection with its tuning problems.

    Under the protocol ``a19`` inputs are those of the file, which its authors standardised over all rows, and the seed
    is not used. Under ``nested`` each problem, inner ones included, is standardised by its own training rows.
    """
    table = _table(dataset)
    if parameters.protocol == "a19":
        (train, test), halves = resamples.published_resample(dataset, split_index)
        return replace(table.problem(train, test), tuning=(table.problem(*halves),))
    assert table.labels is not None  # all sets of the collection have classes
    outer, inner = resamples.nested_folds(table.labels, seed, split_index)
    tuning = tuple(_standardised(table.problem(*rows)) for rows in inner)
    return replace(_standardised(table.problem(*outer)), tuning=tuning)


def _standardised(problem: Problem) -> Problem:
    x_train, x_test = standardised(problem.x_train, problem.x_test)
    return replace(problem, x_train=x_train, x_test=x_test)


_LOADERS: dict[str, Callable[..., Problem]] = {"random": load_random, "hla": load_published, "a19": load_resample}


def __getattr__(name: str) -> Callable[[Any, int, int], Problem]:
    """Return the loader of the data set with this name."""
    if name not in COLLECTION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    dataset = COLLECTION[name]
    return partial(_LOADERS[dataset.protocol], dataset)
