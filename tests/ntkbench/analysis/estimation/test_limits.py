"""Limits at infinite width: exact where there is no noise, honest where there is, and silent where nothing is known."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from ntkbench.analysis.estimation.exponents import fit_exponent, fit_exponent_of_summaries
from ntkbench.analysis.estimation.limits import fit_limit

WIDTHS = 32.0 * 2 ** np.arange(5)
STUDIES = 2000
EXHAUSTIVE = pytest.mark.exhaustive


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("limit", [0.0, 1.0, -3.0])
def test_a_noiseless_expansion_is_extrapolated_exactly(limit, power):
    values = limit + 7 * WIDTHS**-power
    fit = fit_limit(WIDTHS, values, np.full(5, 1e-6), np.full(5, 10), powers=(power,))
    assert fit.estimate == pytest.approx(limit, abs=1e-10)
    low, high = fit.interval()
    assert low < limit < high
    assert high - low < 1e-4
    assert not fit.rejected


def test_the_second_correction_widens_the_interval_and_is_forgiven():
    values = 1 + 4 / WIDTHS + 60 / WIDTHS**2
    errors, members = np.full(5, 1e-4), np.full(5, 100)
    trusting = fit_limit(WIDTHS, values, errors, members)
    allowing = fit_limit(WIDTHS, values, errors, members, correction=80.0)
    assert trusting.rejected
    assert not allowing.rejected
    assert abs(allowing.estimate - 1) < abs(trusting.estimate - 1)
    low, high = allowing.interval()
    assert low < 1 < high


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_of_several_powers_the_interval_is_the_hull(confidence):
    values, errors, members = 1 + 0.8 * WIDTHS**-0.5, np.full(5, 2e-3), np.array([60, 40, 30, 20, 12])
    powers = (1.0, 0.75, 0.5)
    size = 0.05  # of the second correction at the smallest width
    several = fit_limit(WIDTHS, values, errors, members, powers=powers, correction=size * 32.0**2)
    each = [
        fit_limit(WIDTHS, values, errors, members, powers=(power,), correction=size * 32.0 ** (2 * power))
        for power in powers
    ]
    lows, highs = zip(*(fit.interval(confidence) for fit in each), strict=True)
    assert several.interval(confidence) == pytest.approx((min(lows), max(highs)), rel=1e-12)
    assert several.estimate == pytest.approx(each[0].estimate, rel=1e-12)
    assert lows[0] > 1 > lows[-1]  # one in 1/n alone misses the limit
    assert several.lack_of_fit == max(fit.lack_of_fit for fit in each)
    assert "or with n^-0.75 or n^-0.5 in place of n^-1" in several.method


def test_a_limit_is_rejected_if_every_power_is():
    values = 1 + 0.8 * WIDTHS**-0.5
    errors = np.full(5, 1e-4)
    assert fit_limit(WIDTHS, values, errors, 30).rejected
    assert not fit_limit(WIDTHS, values, errors, 30, powers=(1.0, 0.5)).rejected


def test_one_width_is_taken_as_it_is():
    fit = fit_limit([8], [1.4], [0.1], [5], correction=40.0)
    assert (fit.estimate, fit.n_widths, fit.n_members) == (1.4, 1, 5)
    assert fit.interval()[1] == pytest.approx(1.4 + 2.7764451051977987 * 0.1, rel=1e-12)  # t of 4 degrees, 97.5 %
    assert "no extrapolation" in fit.method


@pytest.mark.parametrize("errors", [[0.0, 0.0], [math.nan, math.nan], [math.inf, 0.0]])
def test_nothing_to_go_by(errors):
    fit = fit_limit([64, 128], [1.0, 1.0], errors, [5, 5])
    assert math.isnan(fit.estimate)
    assert all(math.isnan(end) for end in fit.interval())
    assert fit.method.startswith("none")


def test_what_is_not_finite_is_left_out():
    fit = fit_limit([32, 64, 128, 256], [math.nan, 1 + 1 / 64, 1 + 1 / 128, 1 + 1 / 256], [1e-3] * 4, [9] * 4)
    assert fit.n_widths == 3
    assert fit.estimate == pytest.approx(1, abs=1e-12)


def draw_limits(rng, members, c, e, r, limit=1.0):
    """Values and standard errors (STUDIES, W): members are drawn, so that errors are as uncertain as in a study."""
    shape = (STUDIES, members, len(WIDTHS))
    drawn = limit + c / WIDTHS + e / WIDTHS**2 + rng.standard_normal(shape) * (WIDTHS / 64) ** (r / 2)
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / members**0.5


@pytest.mark.parametrize(
    ("members", "c", "e", "correction", "r"),
    [
        pytest.param(4, 8.0, 40.0, 80.0, -1.0, id="few members"),
        pytest.param(20, 8.0, 40.0, 80.0, 0.0, id="scatter that does not fall", marks=EXHAUSTIVE),
        pytest.param(20, -16.0, 0.0, 0.0, -1.0, id="no second correction", marks=EXHAUSTIVE),
        pytest.param(200, 4.0, -60.0, 80.0, -1.0, id="near the allowance", marks=EXHAUSTIVE),
        pytest.param(200, 4.0, 160.0, 80.0, -1.0, id="twice the allowance", marks=EXHAUSTIVE),
        pytest.param(1000, 4.0, 60.0, 80.0, -2.0, id="many members", marks=EXHAUSTIVE),
    ],
)
def test_coverage(members, c, e, correction, r):
    """The pre-asymptotic bias is in, up to twice the allowed one."""
    values, errors = draw_limits(np.random.default_rng(1), members, c, e, r)
    fits = [fit_limit(WIDTHS, v, s, members, correction=correction) for v, s in zip(values, errors, strict=True)]
    low, high = np.array([fit.interval() for fit in fits]).T
    covered = ((low <= 1) & (high >= 1)).sum()
    assert covered >= binom.ppf(1e-4, STUDIES, 0.93)
    assert sum(fit.rejected for fit in fits) <= binom.ppf(1 - 1e-4, STUDIES, 0.02)


def test_coverage_needs_the_allowance():
    """The same simulation finds out a rule that presumes the second correction away."""
    values, errors = draw_limits(np.random.default_rng(1), 1000, 4.0, 250.0, -2.0)
    hits = {}
    for correction in (0.0, 250.0):
        fits = (fit_limit(WIDTHS, v, s, 1000, correction=correction) for v, s in zip(values, errors, strict=True))
        hits[correction] = sum(low <= 1 <= high for low, high in (fit.interval() for fit in fits))
    assert hits[250.0] >= binom.ppf(1e-4, STUDIES, 0.93)
    assert hits[0.0] < 0.8 * STUDIES


def test_a_law_with_another_power_is_rejected():
    values = 1 + WIDTHS**-0.5
    fit = fit_limit(WIDTHS, values, np.full(5, 1e-4), 100, correction=10.0)
    assert fit.rejected
    assert "not of this form" in fit.words
    assert not fit_limit(WIDTHS, values, np.full(5, 1e-4), 100, powers=(0.5,)).rejected


def test_limits_move_and_scale_with_the_values():
    rng = np.random.default_rng(3)
    values, errors = 1 + 4 / WIDTHS + 0.1 * rng.standard_normal(5), 0.1 * rng.gamma(5, 0.2, 5)
    ends = np.array(fit_limit(WIDTHS, values, errors, 9, correction=80.0).interval())
    scaled = fit_limit(WIDTHS, 7 + 1e-3 * values, 1e-3 * errors, 9, correction=0.08)
    np.testing.assert_allclose(scaled.interval(), 7 + 1e-3 * ends, rtol=1e-12)
    wider = fit_limit(3 * WIDTHS, values, errors, 9, correction=9 * 80.0)  # e is in units of the width squared
    np.testing.assert_allclose(wider.interval(), ends, rtol=1e-9)


def test_two_widths_are_a_straight_line_in_the_inverse_width():
    fit = fit_limit([64, 256], [1.4, 1.1], [0.03, 0.02], 1000)
    assert fit.estimate == pytest.approx(1.0, rel=1e-12)  # (256 * 1.1 - 64 * 1.4) / 192
    assert fit.by_power[0].standard_error == pytest.approx(math.hypot(256 * 0.02, 64 * 0.03) / 192, rel=1e-12)
    assert fit.lack_of_fit is None
    allowing = fit_limit([64, 256], [1.4, 1.1], [0.03, 0.02], 1000, correction=1e3)
    assert allowing.estimate == pytest.approx(fit.estimate, rel=1e-12)
    # Two widths say nothing of e: the line is as it was, and off by -e / (64 * 256).
    assert allowing.by_power[0].standard_error == pytest.approx(
        math.hypot(fit.by_power[0].standard_error, 1e3 / (64 * 256)), rel=1e-9
    )


def test_errors_next_to_nothing_at_one_width_do_no_harm():
    fit = fit_limit(WIDTHS, 1 + 4 / WIDTHS, [0.1, 0.07, 1e-12, 0.03, 0.02], 10, correction=80.0)
    assert fit.estimate == pytest.approx(1.0, abs=1e-9)
    assert 0.01 < fit.by_power[0].standard_error < 0.2


def test_methods_name_what_is_no_width_and_count_what_is_left_out():
    values, errors = [math.nan, 0.5, 0.25, 0.125], [0.01] * 4
    limit = fit_limit([1, 2, 4, 8], values, errors, 9, along="depth")
    assert "n is the depth" in limit.method
    assert "left out: 1" in limit.words
    assert "at depth 8" in fit_limit([8], [1.0], [0.1], 9, along="depth").method
    summaries = fit_exponent_of_summaries([1, 2, 4, 8], values, errors, 9, along="depth")
    assert "n is the depth" in summaries.method
    assert "left out: 1" in summaries.words
    samples = [[v, 1.1 * v] for v in values]
    assert "n is the depth" in fit_exponent([1, 2, 4, 8], samples, along="depth").method
    assert "two values of the depth" in fit_exponent([1], samples[:1], along="depth").method
    assert "left out" not in fit_limit([2, 4], values[1:3], errors[1:3], 9).words


def test_a_power_law_of_summaries_is_found_exactly():
    values = 3 * WIDTHS**-1.0
    fit = fit_exponent_of_summaries(WIDTHS, values, values * 1e-6, np.full(5, 50))
    assert fit.estimate == pytest.approx(-1, abs=1e-9)
    assert "log value" in fit.method


def variances(rng, members, b):
    """Variances of Gaussian members, truly (1 + b / n) / n, with jackknife errors, (STUDIES, W) each."""
    x = rng.standard_normal((STUDIES, members, len(WIDTHS))) * np.sqrt((1 + b / WIDTHS) / WIDTHS)
    squares = (x - x.mean(axis=1, keepdims=True)) ** 2
    without = (squares.sum(axis=1, keepdims=True) - squares * members / (members - 1)) / (members - 2)
    return x.var(axis=1, ddof=1), np.sqrt((members - 1) * without.var(axis=1))


@pytest.mark.parametrize(
    ("members", "b"),
    [(8, 0.0), *(pytest.param(*case, marks=EXHAUSTIVE) for case in ((20, 2.0), (100, 4.0), (1000, 3.0)))],
)
def test_coverage_of_an_exponent_of_variances(members, b):
    """Variances over members have chi-square noise, and jackknife errors of their own, the less sure the fewer."""
    values, errors = variances(np.random.default_rng(2), members, b)
    fits = (
        fit_exponent_of_summaries(WIDTHS, v, s, members, correction=4.0) for v, s in zip(values, errors, strict=True)
    )
    hits = sum(low <= -1 <= high for low, high in (fit.interval() for fit in fits))
    assert hits >= binom.ppf(1e-4, STUDIES, 0.93)


def test_points_without_a_logarithm_are_left_out():
    fit = fit_exponent_of_summaries([1, 2, 4, 8], [1.0, -0.5, 0.25, 0.125], [0.01] * 4, [9] * 4)
    assert fit.n_widths == 3
    assert fit.estimate == pytest.approx(-1, abs=1e-9)
    assert math.isnan(fit_exponent_of_summaries([1, 2], [1.0, 0.0], [0.1, 0.1], [9, 9]).estimate)
