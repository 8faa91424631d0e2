"""Times to learn a component: known exponentials, censored members, medians and correlations by their definitions."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ntkbench.analysis.derived.learning_time import (
    LEARNING_TIMES,
    component_growth_ratio,
    learning,
    time_over_linearization,
    time_to_residual,
    times,
)
from ntkbench.analysis.derived.medians import Between, median, median_error, median_interval
from ntkbench.analysis.estimation.correlation import pooled, rank_correlation
from ntkbench.analysis.estimation.limits import fit_limit
from ntkbench.analysis.estimation.narrowest import median_of
from ntkbench.analysis.series.quantities import ALL
from ntkbench.analysis.series.records import Tables

RATE, N, EIGENVALUE = 0.2, 10, 2.0
STEPS = np.arange(0, 61, 3)
INF = np.inf


def tables(network, linear, kernel, steps=STEPS):
    """Tables of one ensemble whose shares and kernels along component 2 are (E, T)."""
    metrics = {"component_share_network": network, "component_share_linearization": linear, "component_growth": kernel}
    same = {"run_id": "r", "cell_id": "net", "split_index": 0, "reference": "ntk", "reference_cell_id": "law"}
    measurements = pd.DataFrame(
        [
            same
            | {"metric": metric, "split": "train", "member": e, "step": s, "time": RATE * s, "component": 1}
            | {"value": values[e, t]}
            for metric, values in metrics.items()
            for e in range(len(values))
            for t, s in enumerate(steps)
        ]
    )
    cell = {"learning_rate": RATE, "n_train": N, "learning_rate_multiplier": 1.0}
    cells = pd.DataFrame([{"cell_id": "net"} | cell, {"cell_id": "law"} | cell])
    spectra = pd.DataFrame({"cell_id": "law", "output": 0, "component": [0, 1], "eigenvalue": [5.0, EIGENVALUE]})
    return Tables(SimpleNamespace(measurements=measurements, cells=cells, spectra=spectra))


def exponentials(rates):
    return np.exp(-np.outer(rates, STEPS))


def value(table, metric):
    return table.loc[table["metric"] == metric, "value"].item()


@pytest.mark.parametrize("level", [0.8, np.exp(-1), 0.1])
def test_times_of_exponentials_are_exact_between_records(level):
    rates = np.array([0.05, 0.1, 0.2])
    found = times(STEPS, exponentials(rates), level)
    np.testing.assert_allclose(found.low, -np.log(level) / rates, rtol=1e-12)
    np.testing.assert_array_equal(found.low, found.high)


def test_a_member_that_does_not_get_there_is_censored():
    found = times(STEPS, exponentials([0.001, 0.1]), 0.5)
    assert found.low[0] == 60 and np.isinf(found.high[0])
    assert found.low[1] == found.high[1]


def test_a_share_that_jumps_below_zero_is_interpolated_linearly():
    assert times(np.array([0.0, 1, 2]), np.array([[1.0, 0.6, -0.4]]), 0.1).low == pytest.approx([1.5])


@pytest.mark.parametrize("end", ["", "_early", "_late"])
def test_ratios_of_exponentials_are_those_of_their_rates(end):
    speeds = np.array([1.0, 1.2, 1.5, 2.0, 4.0])
    made = tables(exponentials(0.05 * speeds), exponentials(np.full(5, 0.05)), np.ones((5, len(STEPS))))
    found = time_over_linearization(made, end)
    assert value(found, f"time_over_linearization{end}") == pytest.approx(1 / 1.5, rel=1e-12)
    if not end:
        speed = LEARNING_TIMES["speed_over_linearization"](made)
        assert value(speed, "speed_over_linearization") == pytest.approx(1.5, rel=1e-12)


def test_times_over_the_limits_count_the_initial_kernel():
    exact = -np.log(1 - RATE * EIGENVALUE / N)
    made = tables(exponentials([exact, 2 * exact, exact]), exponentials([exact / 2] * 3), np.ones((3, len(STEPS))))
    assert value(time_to_residual(made), "time_to_residual") == pytest.approx(1, rel=1e-12)
    end = "_linearization"
    assert value(time_to_residual(made, end), f"time_to_residual{end}") == pytest.approx(2, rel=1e-12)


def test_censored_ratios_are_bounds():
    rates, linear = [0.05, 0.001, 0.05, 0.001], [0.05, 0.05, 0.001, 0.001]
    (found,) = learning(tables(exponentials(rates), exponentials(linear), np.ones((4, len(STEPS)))))
    np.testing.assert_allclose(found.ratios.low, [1, 3, 0, 0], rtol=1e-12)
    np.testing.assert_allclose(found.ratios.high, [1, INF, 20 / 60, INF], rtol=1e-12)


def test_growth_is_the_last_kernel_over_the_first_and_diverged_members_are_left_out():
    kernel = np.linspace(1, [2.0, 3.0, 5.0, 9.0], len(STEPS)).T * 7
    network = exponentials([0.05] * 4)
    network[3, -1] = np.nan
    made = tables(network, exponentials([0.05] * 4), kernel)
    assert value(component_growth_ratio(made), "component_growth_ratio") == pytest.approx(3, rel=1e-12)
    assert next(learning(made)).members.tolist() == [0, 1, 2]


def known(values):
    return Between(np.asarray(values, dtype=float), np.asarray(values, dtype=float))


def test_a_median_is_open_where_censored_members_could_move_it():
    assert median(known([3, 1, 2])) == 2
    assert median(Between(np.array([1.0, 2, 5]), np.array([1.0, 2, INF]))) == 2
    assert np.isnan(median(Between(np.array([1.0, 2, 5]), np.array([1.0, INF, INF]))))


@pytest.mark.parametrize(("count", "confidence"), [(6, 0.95), (11, 0.9), (16, 0.95), (16, 0.99)])
def test_the_interval_of_a_median_is_the_narrowest_that_keeps_its_confidence(count, confidence):
    """Whether each draw lies above the median is a fair coin: all 2^count cases."""
    low, high = median_interval(known(np.arange(count)), confidence)
    below = np.array([sum(coins) for coins in product((0, 1), repeat=count)])  # draws below the median

    def coverage(k):  # of the k-th smallest and the k-th largest
        return np.mean((below >= k) & (below <= count - k))

    k = int(low) + 1
    assert high == count - k
    assert coverage(k) >= confidence > coverage(k + 1)


def test_too_few_members_have_no_interval_and_censored_ones_widen_it():
    assert median_interval(known([1, 2, 3, 4, 5]), 0.95) == (-INF, INF)
    numbers = Between(np.array([0.0, *np.arange(1, 16)]), np.array([*np.arange(15.0), INF]))
    assert median_interval(numbers, 0.95) == (3.0, 12.0)
    assert median_of(numbers).n_members == 16


@pytest.mark.parametrize("count", [4, 10, 16, 40])
def test_the_error_of_a_median_is_that_of_normal_draws_or_somewhat_larger(count):
    draws = np.random.default_rng(count).standard_normal((4000, count))
    errors = np.array([median_error(known(one)) for one in draws])
    assert 0.95 < errors.mean() / np.median(draws, axis=1).std() < 1.3
    assert np.isnan(median_error(known([1.0])))


def test_a_rank_correlation_is_spearmans_and_censored_pairs_count_as_ties():
    x, y = np.random.default_rng(0).standard_normal((2, 12))
    assert rank_correlation(known(x), y) == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)
    tied = Between(np.array([1.0, 2, 3, 3]), np.array([1.0, 2, INF, INF]))
    expected = stats.spearmanr([1, 2, 3, 3], [1, 2, 3, 4]).statistic
    assert rank_correlation(tied, np.array([1.0, 2, 3, 4])) == pytest.approx(expected, rel=1e-12)


def test_pooled_correlations_average_fishers_z_and_narrow_the_interval():
    one, two = pooled([0.5], [20]), pooled([0.5, 0.5], [20, 20])
    assert one.estimate == two.estimate == pytest.approx(0.5)
    half = stats.norm.ppf(0.975) * (1.06 / 17) ** 0.5
    assert one.interval() == pytest.approx((np.tanh(np.arctanh(0.5) - half), np.tanh(np.arctanh(0.5) + half)))
    assert two.interval()[0] > one.interval()[0]
    assert (two.n_members, two.n_widths) == (20, 2)


@pytest.mark.parametrize(
    ("limit", "curvature", "least", "most"), [(1.0, 0.4, 0.95, 1), (1.0, 0.8, 0.92, 1), (1.2, 0.4, 0, 0.1)]
)
def test_the_limit_of_the_speed_is_covered_with_terms_of_every_order(limit, curvature, least, most):
    """Medians of 16 log-normal members, spread and medians about as networks' are: c k / (1 + b k), k = 48 / n."""
    rng, widths = np.random.default_rng(7), 50.0 * 2 ** np.arange(5)
    kappa, spread = 48 / widths, np.array([0.28, 0.15, 0.10, 0.06, 0.03])
    medians = limit + 1.8 * kappa / (1 + curvature * kappa)
    quantity = ALL["speed_over_linearization"]
    contained = []
    for _ in range(400):
        drawn = [known(m * np.exp(s * rng.standard_normal(16))) for m, s in zip(medians, spread, strict=True)]
        values, errors = [median(one) for one in drawn], [median_error(one) for one in drawn]
        fit = fit_limit(
            widths, values, errors, 16, correction=3 * quantity.correction_per_layer, powers=quantity.powers
        )
        low, high = fit.interval()
        contained.append(low <= 1 <= high)
    assert least <= np.mean(contained) <= most
