"""Random splits of rows into training and test rows; a seed and a split's index give the same rows on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError

if TYPE_CHECKING:
    from numpy.random import RandomState

    from .types import Int

_STREAM = 0x75636900  # "uci" in ASCII: keeps these draws independent of others with the same seed


def random_rows(rows: int, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
    """Return disjoint training (n_train,) and test (n_test,) row numbers out of ``rows``."""
    permutation = _generator(seed, split_index).permutation(rows)
    return permutation[:n_train], permutation[n_train : n_train + n_test]


def stratified_rows(labels: Int, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
    """Return disjoint training (n_train,) and test (n_test,) row numbers with the class shares of ``labels`` (rows,).

    The rows equal those that ``StratifiedShuffleSplit`` of scikit-learn 1.4 and later draws from the same generator.

    :raises DataError: if either part has fewer rows than there are classes, or a class has only one row.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if min(n_train, n_test) < len(counts):
        raise DataError(
            f"{len(counts)} classes need at least as many training and test rows each, not {n_train} and {n_test}"
        )
    if counts.min() < 2:
        raise DataError(
            "a class has only one row; a stratified split needs at least two, one to train on and one to test on"
        )
    rng = _generator(seed, split_index)
    train_counts = _shares(counts, n_train, rng)
    test_counts = _shares(counts - train_counts, n_test, rng)
    train, test = [], []
    for rows, taken, tested in zip(_rows_by_class(classes, counts), train_counts, test_counts, strict=True):
        shuffled = rows[rng.permutation(len(rows))]
        train.append(shuffled[:taken])
        test.append(shuffled[taken : taken + tested])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def _rows_by_class(classes: Int, counts: Int) -> list[Int]:
    return np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])


def _shares(counts: Int, total: int, rng: RandomState) -> Int:
    """Return how many of ``total`` rows each class gets: its share rounded down, plus one for the largest remainders.

    Ties between remainders are broken at random.
    """
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    rests = exact - shares
    missing = int(total - shares.sum())
    for rest in np.unique(rests)[::-1]:
        if missing <= 0:
            break
        tied = np.flatnonzero(rests == rest)
        chosen = rng.choice(tied, size=min(len(tied), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    return np.asarray(shares, dtype=np.int64)


def _generator(seed: int, split_index: int) -> RandomState:
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM, split_index))
    return np.random.RandomState(np.random.MT19937(sequence))
