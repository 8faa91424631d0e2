"""Rows of random splits: disjoint, repeatable, and for classes the very rows that scikit-learn draws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from ntkbench.errors import DataError
from ntkbench.plugin import DataTable, random_rows, stratified_rows

CLASSES = {
    "two": [30, 12],
    "uneven": [3, 50, 2, 7],
    "tied": [10, 10, 10, 10, 10],
    "many": [*range(2, 14)],
}


def labels_of(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def state(seed, split_index):
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(0x75636900, split_index))
    return np.random.RandomState(np.random.MT19937(sequence))


@pytest.mark.parametrize("counts", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_stratified_rows_are_those_of_scikit_learn(counts, share):
    labels = labels_of(counts)
    n_train = max(len(counts), int(share * len(labels)))
    n_test = max(len(counts), (len(labels) - n_train) // 2)
    for seed, split_index in ((0, 0), (0, 1), (7, 0), (123, 456)):
        rng = state(seed, split_index)
        splitter = StratifiedShuffleSplit(n_splits=1, train_size=n_train, test_size=n_test, random_state=rng)
        expected = next(splitter.split(labels, labels))
        found = stratified_rows(labels, n_train, n_test, seed, split_index)
        for rows, others in zip(found, expected, strict=True):
            np.testing.assert_array_equal(rows, others)


def test_random_rows_are_disjoint_and_depend_on_seed_and_split():
    train, test = random_rows(20, 12, 5, seed=1, split_index=0)
    assert (len(train), len(test), len({*train, *test})) == (12, 5, 17)
    np.testing.assert_array_equal(random_rows(20, 12, 5, 1, 0)[0], train)
    assert not np.array_equal(random_rows(20, 12, 5, 1, 1)[0], train)
    assert not np.array_equal(random_rows(20, 12, 5, 2, 0)[0], train)


def test_a_class_that_cannot_be_in_both_parts_is_refused():
    with pytest.raises(DataError, match="only one row"):
        stratified_rows(np.array([0, 0, 1, 0]), 2, 2, 0, 0)
    with pytest.raises(DataError, match="3 classes need at least as many training and test rows each, not 2 and 4"):
        stratified_rows(np.array([0, 0, 1, 1, 2, 2]), 2, 4, 0, 0)


def test_a_table_cuts_problems_with_targets_and_labels():
    x = np.arange(8.0)[:, None]
    table = DataTable.of_targets(x, np.array([0, 1, 2, 1, 0, 2, 2, 1]), 3)
    problem = table.problem(*table.random_split(5, 3, 0, 0))
    np.testing.assert_array_equal(problem.labels_train, table.labels[problem.x_train[:, 0].astype(int)])
    np.testing.assert_allclose(problem.y_train.sum(axis=1), 0, atol=1e-15)
    values = DataTable.of_targets(x, x[:, 0] ** 2, None)
    problem = values.problem(*values.random_split(5, 3, 0, 0))
    assert problem.labels_train is None
    np.testing.assert_array_equal(problem.y_test, problem.x_test**2)
