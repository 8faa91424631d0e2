"""The sizes of random splits, without loading any data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.plugin import DataError, Sizes

from .published_splits import check_validation

if TYPE_CHECKING:
    from .dataset import Dataset

SPLITS = 2**31 - 1
DEFAULT_TRAINING_ROWS = 100
DEFAULT_TEST_ROWS = 200


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
