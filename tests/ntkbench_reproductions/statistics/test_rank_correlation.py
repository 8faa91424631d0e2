"""Rank correlation: by another program, by all permutations, and by its false alarms and coverage in simulation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from ntkbench.errors import DataError
from ntkbench_reproductions.statistics.rank_correlation import bonett_wright, rank_correlation


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [4, 6, 35])
def test_rho_is_that_of_scipy(count, ties):
    rng = np.random.default_rng(count)
    x = rng.standard_normal(count)
    y = x + rng.standard_normal(count)
    if ties:
        x, y = np.round(x), np.round(y)
    assert rank_correlation(x, y).rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-14)
    assert rank_correlation(x, y).units == count


def test_of_few_units_p_counts_all_permutations():
    x, y = np.arange(6.0), np.array([1.0, 0.0, 2.0, 5.0, 3.0, 4.0])
    seen = abs(stats.spearmanr(x, y).statistic)
    as_far = [abs(stats.spearmanr(x, other).statistic) >= seen - 1e-12 for other in permutations(y)]
    assert rank_correlation(x, y).p == pytest.approx(np.mean(as_far), abs=1e-12)


def test_of_many_units_p_is_near_the_t_distribution():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(40)
    y = x + 3 * rng.standard_normal(40)
    assert rank_correlation(x, y).p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    assert rank_correlation(x, x).p == pytest.approx(2e-4, rel=0.01)  # the least of 9,999 permutations
    assert rank_correlation(x, x).high > rank_correlation(x, x).low > 0.99


def test_signs_and_monotone_changes():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 20))
    found = rank_correlation(x, y)
    assert rank_correlation(np.exp(x), y**3) == found
    turned = rank_correlation(-x, y)
    assert (turned.rho, turned.low, turned.high) == pytest.approx((-found.rho, -found.high, -found.low), abs=1e-14)


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("units", [16, 35])
def test_the_interval_covers(rho, units):
    """2,000 samples of a bivariate normal law, whose Spearman's rho is 6/pi asin(r/2)."""
    rng = np.random.default_rng(5)
    x, z = rng.standard_normal((2, 2000, units))
    r = 2 * np.sin(np.pi * rho / 6)
    y = r * x + np.sqrt(1 - r**2) * z
    ranks, others = (np.argsort(np.argsort(values, axis=1), axis=1) - (units - 1) / 2 for values in (x, y))
    found = np.sum(ranks * others, axis=1) / np.sum(ranks**2, axis=1)
    low, high = np.array([bonett_wright(value, units) for value in found]).T
    assert 0.94 <= np.mean((low <= rho) & (rho <= high)) <= 0.985


def test_false_alarms_are_no_more_than_stated():
    rng = np.random.default_rng(6)
    alarms = [rank_correlation(*rng.standard_normal((2, 6))).p < 0.05 for _ in range(300)]
    assert np.mean(alarms) < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 300)


def test_units_without_numbers_are_left_out():
    x, y = np.arange(6.0), np.array([1.0, 3.0, 2.0, 4.0, 6.0, 5.0])
    more = rank_correlation([*x, np.nan, 1.0], [*y, 2.0, np.inf])
    assert more == rank_correlation(x, y)


@pytest.mark.parametrize(("x", "y"), [([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])])
def test_where_nothing_can_be_said_it_is_nan(x, y):
    found = rank_correlation(x, y)
    assert np.isnan(found[:4]).all() and found.units == len(x)


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="equal length"):
        rank_correlation([1, 2, 3, 4], [1, 2, 3, 4, 5])
