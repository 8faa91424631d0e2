"""The 90/10 splits of Hernandez-Lobato and Adams (2015), redrawn: equal to the published row numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import DataError, Sizes

if TYPE_CHECKING:
    from ntkbench.plugin import Int

    from .dataset import Dataset
    from .parameters import PublishedSplit, RandomSplit

_SEED = 1
_SHARE = 0.9


def sizes(dataset: Dataset, parameters: PublishedSplit) -> Sizes:
    """Return the sizes of a task under ``PublishedSplit`` parameters.

    :raises DataError: if a part of a split has too few rows.
    """
    whole = round(_SHARE * dataset.rows)
    counts = {"n_train": whole, "n_test": dataset.rows - whole}
    for name, most in counts.items():
        asked = getattr(parameters, name)
        if asked is not None and asked > most:
            raise DataError(f"uci/{dataset.name}: {name} is {asked}, but that part of a split has {most} rows")
        counts[name] = most if asked is None else asked
    check_validation(dataset, counts["n_train"], parameters)
    return Sizes(**counts, n_features=dataset.features, n_outputs=1, splits=dataset.splits)


def split_rows(dataset: Dataset, parameters: PublishedSplit, split_index: int) -> tuple[Int, Int]:
    """Return the row numbers of a split's training and test part, in the published order."""
    train, test = published_rows(dataset.rows, split_index)
    size = sizes(dataset, parameters)
    return train[: size.n_train], test[: size.n_test]


def published_rows(rows: int, split_index: int) -> tuple[Int, Int]:
    """Return the row numbers of the published split ``split_index`` of a data set with ``rows`` rows.

    They are drawn as by the authors' program: one generator with seed 1, a permutation per split.
    """
    import numpy as np

    state = np.random.RandomState(_SEED)
    for _ in range(split_index + 1):
        permutation = state.choice(range(rows), rows, replace=False)
    count = round(_SHARE * rows)
    return permutation[:count].astype(np.int64), permutation[count:].astype(np.int64)


def check_validation(dataset: Dataset, n_train: int, parameters: PublishedSplit | RandomSplit) -> None:
    """Check that a share for validation leaves neither part of ``n_train`` training rows empty.

    :raises DataError: if it does.
    """
    if parameters.validation and not 0 < validation_rows(n_train, parameters) < n_train:
        raise DataError(
            f"uci/{dataset.name}: validation {parameters.validation} of {n_train} training rows leaves a "
            "part empty; take more rows, or 0 for no validation"
        )


def tuning_rows(train: Int, parameters: PublishedSplit | RandomSplit) -> list[tuple[Int, Int]]:
    """Return (rows to fit, rows to validate) of the training rows; the last ones validate."""
    count = validation_rows(len(train), parameters)
    return [(train[: len(train) - count], train[len(train) - count :])] if count else []


def validation_rows(n_train: int, parameters: PublishedSplit | RandomSplit) -> int:
    """Return how many of ``n_train`` training rows validate."""
    return round(parameters.validation * n_train)
