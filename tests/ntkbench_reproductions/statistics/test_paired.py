"""Paired tests over splits: by formula, by their false alarms in simulation, and corrected for many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ntkbench.errors import DataError
from ntkbench_reproductions.statistics.paired import holm, paired_test


def test_without_overlap_it_is_the_ordinary_t_test():
    values = np.random.default_rng(0).standard_normal(20) + 0.3
    found = paired_test(values, 0.0)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-12)
    assert found.error == pytest.approx(stats.sem(values), rel=1e-14)
    assert found.splits == 20


def test_overlap_widens_the_error():
    values = np.array([1.0, 2.0, 4.0, 3.0])
    assert paired_test(values, 1 / 9).error == pytest.approx(values.std(ddof=1) * np.sqrt(1 / 4 + 1 / 9), rel=1e-14)


@pytest.mark.parametrize(("values", "splits"), [([], 0), ([1.0], 1), ([1.0, 2.0], 2), ([0.5, 0.5, 0.5], 3)])
def test_where_there_is_no_p_there_is_none(values, splits):
    found = paired_test(values, 0.1)
    assert np.isnan(found.p) and found.splits == splits


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="finite"):
        paired_test([1.0, np.nan, 2.0], 0.1)


def test_false_alarms_over_random_splits_are_no_more_than_stated():
    """Two constant predictors, each other's equal in truth, over 20 random 90/10 splits of 100 rows, 2,000 studies.

    Which one is better on the rows at hand is the same in all splits but for the test rows: the ordinary t-test calls
    that a difference far too often, the corrected one stays near 5 %.
    """
    rng = np.random.default_rng(1)
    corrected = ordinary = 0
    for _ in range(2000):
        y = rng.standard_normal(100)
        differences = []
        for _ in range(20):
            rows = rng.permutation(100)
            mean, test = y[rows[:90]].mean(), y[rows[90:]]
            median = np.median(y[rows[:90]])
            differences.append(np.mean((test - mean) ** 2) - np.mean((test - median) ** 2))
        corrected += paired_test(differences, 1 / 9).p < 0.05
        ordinary += paired_test(differences, 0.0).p < 0.05
    assert corrected / 2000 < 0.06
    assert ordinary / 2000 > 2 * corrected / 2000


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    found = holm([0.02, np.nan, 0.5])
    assert found[0] == 0.04 and np.isnan(found[1]) and found[2] == 0.5
    assert holm([]) == []
