"""Which rows to train and test on: their number without loading anything, and the rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.plugin import DataError, Sizes

from .published_splits import check_validation

if TYPE_CHECKING:
    from numpy.random import RandomState

    from ntkbench.plugin import Int

    from .dataset import Dataset

SPLITS = 2**31 - 1
DEFAULT_TRAINING_ROWS = 100
DEFAULT_TEST_ROWS = 200
_STREAM = 0x75636900  # "uci" in ASCII: keeps these draws apart from other users of the same seed


def sizes(dataset: Dataset, parameters: Any) -> Sizes:
    """Return the sizes of a task under ``RandomSplit`` parameters.

    :raises DataError: if the data set has too few rows, or a part could not hold a row of every class.
    """
    n_train, n_test = parameters.n_train, parameters.n_test
    least = dataset.classes or 1
    if n_train is None:
        n_train = max(least, min(DEFAULT_TRAINING_ROWS, 3 * dataset.rows // 4))
    if n_test is None:
        n_test = max(least, min(DEFAULT_TEST_ROWS, dataset.rows - n_train))
    if n_train + n_test > dataset.rows:
        raise DataError(
            f"uci/{dataset.name} has {dataset.rows} rows: n_train {n_train} and n_test {n_test} do not fit; "
            f"their sum may be at most {dataset.rows}"
        )
    if min(n_train, n_test) < least:
        raise DataError(
            f"uci/{dataset.name} has {dataset.classes} classes: n_train {n_train} and n_test {n_test} must each be "
            f"at least {dataset.classes}"
        )
    if hasattr(parameters, "validation"):
        check_validation(dataset, n_train, parameters)
    return Sizes(n_train, n_test, dataset.features, dataset.outputs, SPLITS)


def random_rows(rows: int, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
    """Return disjoint training (n_train,) and test (n_test,) row numbers out of ``rows``."""
    permutation = _state(seed, split_index).permutation(rows)
    return permutation[:n_train], permutation[n_train : n_train + n_test]


def stratified_rows(labels: Int, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
    """Return disjoint training (n_train,) and test (n_test,) row numbers with the shares of classes of ``labels``."""
    from sklearn.model_selection import StratifiedShuffleSplit

    state = _state(seed, split_index)
    splitter = StratifiedShuffleSplit(n_splits=1, train_size=n_train, test_size=n_test, random_state=state)
    train, test = next(splitter.split(labels, labels))
    return train, test


def _state(seed: int, split_index: int) -> RandomState:
    import numpy as np

    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM, split_index))
    return np.random.RandomState(np.random.MT19937(sequence))
