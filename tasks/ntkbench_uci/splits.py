"""Which rows to train and test on: their number without loading anything, and the rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.errors import DataError
from ntkbench.specs import Sizes

if TYPE_CHECKING:
    from ntkbench.exchange import Int

    from .collection import Dataset

SPLITS = 2**31 - 1
DEFAULT_TEST_ROWS = 200
_STREAM = 0x75636900  # "uci" in ASCII: keeps these draws apart from other users of the same seed


def sizes(dataset: Dataset, parameters: Any) -> Sizes:
    """Return the sizes of a task under ``RandomSplit`` parameters.

    :raises DataError: if the data set has too few rows, or a part could not hold a row of every class.
    """
    n_train, n_test = parameters.n_train, parameters.n_test
    if n_test is None:
        n_test = max(dataset.classes, min(DEFAULT_TEST_ROWS, dataset.rows - n_train))
    if n_train + n_test > dataset.rows:
        raise DataError(
            f"uci/{dataset.name} has {dataset.rows} rows: n_train {n_train} and n_test {n_test} do not fit; "
            f"their sum may be at most {dataset.rows}"
        )
    if min(n_train, n_test) < dataset.classes:
        raise DataError(
            f"uci/{dataset.name} has {dataset.classes} classes: n_train {n_train} and n_test {n_test} must each be "
            f"at least {dataset.classes}"
        )
    return Sizes(n_train, n_test, dataset.features, dataset.outputs, SPLITS)


def stratified_rows(labels: Int, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
    """Return disjoint training (n_train,) and test (n_test,) row numbers with the shares of classes of ``labels``."""
    import numpy as np
    from sklearn.model_selection import StratifiedShuffleSplit

    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM, split_index))
    state = np.random.RandomState(np.random.MT19937(sequence))
    splitter = StratifiedShuffleSplit(n_splits=1, train_size=n_train, test_size=n_test, random_state=state)
    train, test = next(splitter.split(labels, labels))
    return train, test
