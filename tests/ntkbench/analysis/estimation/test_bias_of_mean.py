"""The bias of an ensemble's mean: exact where it can be, and intervals that cover as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ntkbench.analysis.estimation.bias_of_mean import bias_of_seeds, fit_exponent_of_mean

STUDIES = 400
EXHAUSTIVE = pytest.mark.exhaustive
FAMILIES = (9, 18, 100)
QUICK = 32.0 * 4 ** np.arange(4)
FULL = 64.0 * 2 ** np.arange(7)


def of_mean(d):
    """Value, standard error and floor (3, S) of the mean of differences d (S, E, M), as the metric computes them."""
    members, mean = d.shape[1], d.mean(axis=1)
    left_out = np.sqrt(np.mean(((members * mean[:, None] - d) / (members - 1)) ** 2, axis=-1))
    floor = np.sqrt(d.var(axis=1, ddof=1).mean(axis=-1) / members)
    return np.stack([np.sqrt(np.mean(mean**2, axis=-1)), np.sqrt((members - 1) * left_out.var(axis=1)), floor])


def draw_means(rng, widths, members, *, p, b, bias):
    """Members scatter as n^-1/2 about a bias; both along few directions of the 16 points."""
    scale = 1 / np.arange(1, 17.0)
    scale /= np.sqrt(np.mean(scale**2))
    direction = rng.standard_normal((STUDIES, 1, 16)) * scale
    direction /= np.sqrt(np.mean(direction**2, axis=-1, keepdims=True))
    bias_at = [bias * (n / 64) ** p * np.exp(b / n) * direction for n in widths]
    noise_at = [0.1 * (n / 64) ** -0.5 * scale * rng.standard_normal((STUDIES, members, 16)) for n in widths]
    return np.stack([of_mean(x + y) for x, y in zip(bias_at, noise_at, strict=True)], axis=-1)


def fit_means(widths, members, *, p, b, bias):
    drawn = draw_means(np.random.default_rng(5), widths, members, p=p, b=b, bias=bias)
    return [fit_exponent_of_mean(widths, *drawn[:, i], members=members, correction=12.0) for i in range(STUDIES)]


def missed(fits, p, confidence):
    """Where an exponent was found, whether its interval misses p: NaN is neither hit nor miss."""
    ends = np.array([fit.interval(confidence) for fit in fits]).reshape(-1, 2)
    low, high = ends[~np.isnan(ends[:, 0])].T
    return (p < low) | (high < p)


@pytest.mark.parametrize(
    ("widths", "members", "b", "bias", "found"),
    [
        pytest.param(QUICK, 10, 12.0, 0.3, 0.99, id="quickstart, b = tau", marks=EXHAUSTIVE),
        pytest.param(QUICK, 10, -4.0, 0.1, 0.25, id="quickstart, bias near the floor"),
        pytest.param(FULL, 20, -4.0, 0.1, 0.3, id="7 x 20, bias near the floor", marks=EXHAUSTIVE),
        pytest.param(FULL, 20, -4.0, 0.05, 0.0, id="7 x 20, bias drowned", marks=EXHAUSTIVE),
    ],
)
def test_exponents_of_the_mean_are_covered_where_found_and_in_families(widths, members, b, bias, found):
    fits = fit_means(widths, members, p=-1.0, b=b, bias=bias)
    at_95 = missed(fits, -1.0, 0.95)
    assert len(at_95) >= found * STUDIES
    if found:
        assert (~at_95).sum() >= binom.ppf(0.01, len(at_95), 0.95)
    for m in FAMILIES:
        assert missed(fits, -1.0, 1 - 0.05 / m).sum() <= binom.ppf(0.99, STUDIES, 0.05 / m)


@pytest.mark.parametrize(("widths", "members"), [(QUICK, 10), (QUICK, 4), (FULL, 20)])
def test_a_mean_without_bias_has_hardly_ever_an_exponent(widths, members):
    fits = fit_means(widths, members, p=-1.0, b=0.0, bias=0.0)
    assert len(missed(fits, -1.0, 0.95)) <= binom.ppf(0.99, STUDIES, 2e-3)
    assert all("sampling floor" in fit.method for fit in fits if np.isnan(fit.interval()[0]))
    for m in FAMILIES:
        assert missed(fits, -1.0, 1 - 0.05 / m).sum() <= binom.ppf(0.99, STUDIES, 0.05 / m)


@pytest.mark.parametrize("members", [2, 8])
@pytest.mark.parametrize(("error", "floor"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
def test_a_mean_without_scatter_is_all_bias(members, error, floor):
    fit = fit_exponent_of_mean(QUICK, 5 / QUICK, error / QUICK, floor / QUICK, members=members, correction=12.0)
    assert fit.estimate == pytest.approx(-1)
    assert fit.interval() == pytest.approx((-1, -1), abs=1e-3)


@pytest.mark.parametrize("error", [1.0, 1e9])
def test_errors_without_bound_find_no_bias(error):
    fit = fit_exponent_of_mean(QUICK, 1 / QUICK, error / QUICK, 1 / QUICK, members=2)
    assert "sampling floor" in fit.method


def test_sampling_noise_is_no_rate():
    # The raw distance of a mean without bias falls as n^-1/2; taken for an exponent it would refute C7.
    values = [0.1 * n**-0.5 for n in QUICK]
    fit = fit_exponent_of_mean(QUICK, values, [0.4 * v for v in values], values, members=8)
    assert np.isnan([fit.estimate, *fit.interval()]).all()
    assert "sampling floor" in fit.method


def test_noiseless_bias_is_recovered():
    fit = fit_exponent_of_mean(QUICK, 5 / QUICK, 1e-6 / QUICK, 1e-6 / QUICK, members=8, correction=0.0)
    assert fit.estimate == pytest.approx(-1)
    low, high = fit.interval()
    assert -1.01 <= low <= -1 <= high <= -0.99


def test_a_bias_seen_at_one_width_bounds_one_side():
    fit = fit_exponent_of_mean(QUICK, [1.0, 0.1, 0.1, 0.1], [0.05] * 4, [0.1] * 4, members=10)
    low, high = fit.interval()
    assert low == -np.inf
    assert high < 0


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 1.0], [0.0, 0.0]])
def test_mean_with_nothing_to_fit(values):
    fit = fit_exponent_of_mean(QUICK[: len(values)], values, values, values, members=8)
    assert np.isnan([fit.estimate, *fit.interval()]).all()


def test_biases_of_seeds_are_fitted_together():
    together = bias_of_seeds([fit_exponent_of_mean(QUICK, 5 / QUICK, *noise(0.02), members=8) for _ in range(3)])
    alone = fit_exponent_of_mean(QUICK, 5 / QUICK, *noise(0.02), members=8)
    assert together.estimate == pytest.approx(-1)
    assert np.diff(together.interval()) < np.diff(alone.interval())


def test_biases_of_seeds_that_differ_bound_less_of_other_data_sets_than_of_those_at_hand():
    shapes = [QUICK**-0.8, QUICK**-1.0, QUICK**-1.2]
    fits = [fit_exponent_of_mean(QUICK, shape, *(0.02 * shape for _ in range(2)), members=50) for shape in shapes]
    found = bias_of_seeds(fits)
    assert found.interval()[0] < found.at_hand.interval()[0] < -1 < found.at_hand.interval()[1] < found.interval()[1]


def noise(share):
    return share * 5 / QUICK, share * 5 / QUICK


@pytest.mark.parametrize("above_floor", [13, 50, 100])
@pytest.mark.parametrize("b", [-0.6, 0.0, 0.3, 0.75])
@pytest.mark.parametrize("p", [-1.0, -0.71])
def test_corrections_that_the_data_know_well_are_not_missed(p, b, above_floor):
    widths = 32.0 * 2 ** np.arange(5)
    bias = widths**p * np.exp(12 * b / widths)
    floor = bias[0] / above_floor * (widths / 32) ** -0.5
    values = np.hypot(bias, floor)
    fit = fit_exponent_of_mean(widths, values, 0.3 * floor, floor, members=3000, correction=12.0)
    for found in (fit, bias_of_seeds([fit] * 3)):
        low, high = found.interval()
        assert low < p < high
        assert not found.rejected


def test_a_bias_that_no_correction_describes_is_rejected():
    widths, values = 32.0 * 2 ** np.arange(5), [1, 0.25, 0.30, 0.06, 0.03]
    fit = fit_exponent_of_mean(widths, values, [0.01] * 5, [0.02] * 5, members=500, correction=12.0)
    assert fit.rejected
    assert bias_of_seeds([fit] * 3).rejected
