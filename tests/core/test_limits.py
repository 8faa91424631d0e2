"""Limits at infinite width: exact where there is no noise, honest where there is, and silent where nothing is known."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from ntkbench.analysis.exponents import fit_exponent_of_summaries
from ntkbench.analysis.limits import fit_limit

WIDTHS = 32.0 * 2 ** np.arange(5)
STUDIES = 2000


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("limit", [0.0, 1.0, -3.0])
def test_a_noiseless_expansion_is_extrapolated_exactly(limit, power):
    values = limit + 7 * WIDTHS**-power
    fit = fit_limit(WIDTHS, values, np.full(5, 1e-6), np.full(5, 10), power=power)
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


@pytest.mark.parametrize(
    ("members", "c", "e", "correction"),
    [(20, 8.0, 40.0, 80.0), (20, -16.0, 0.0, 0.0), (200, 4.0, -60.0, 80.0)],
)
def test_coverage(members, c, e, correction):
    """Members' own numbers are drawn, so that standard errors are as uncertain as they are; the bias is in."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(STUDIES):
        drawn = [1 + c / n + e / n**2 + rng.standard_normal(members) * n**-0.5 for n in WIDTHS]
        values, errors = [x.mean() for x in drawn], [x.std(ddof=1) / members**0.5 for x in drawn]
        low, high = fit_limit(WIDTHS, values, errors, np.full(5, members), correction=correction).interval()
        covered += low <= 1 <= high
    assert covered >= binom.ppf(1e-4, STUDIES, 0.93)


def test_a_power_law_of_summaries_is_found_exactly():
    values = 3 * WIDTHS**-1.0
    fit = fit_exponent_of_summaries(WIDTHS, values, values * 1e-6, np.full(5, 50))
    assert fit.exponent == pytest.approx(-1, abs=1e-9)
    assert "log value" in fit.method


def test_coverage_of_an_exponent_of_variances():
    """Variances over members have chi-square noise, and jackknife errors of their own."""
    rng, members, covered = np.random.default_rng(2), 100, 0
    for _ in range(STUDIES // 2):
        values, errors = [], []
        for n in WIDTHS:
            x = rng.standard_normal(members) * n**-0.5 * (1 + 1 / n)
            squares = (x - x.mean()) ** 2
            without = (squares.sum() - squares * members / (members - 1)) / (members - 2)
            values.append(x.var(ddof=1))
            errors.append(np.sqrt((members - 1) * np.mean((without - without.mean()) ** 2)))
        low, high = fit_exponent_of_summaries(WIDTHS, values, errors, np.full(5, members), correction=4.0).interval()
        covered += low <= -1 <= high
    assert covered >= binom.ppf(1e-4, STUDIES // 2, 0.93)


def test_points_without_a_logarithm_are_left_out():
    fit = fit_exponent_of_summaries([1, 2, 4, 8], [1.0, -0.5, 0.25, 0.125], [0.01] * 4, [9] * 4)
    assert fit.n_widths == 3
    assert fit.exponent == pytest.approx(-1, abs=1e-9)
    assert math.isnan(fit_exponent_of_summaries([1, 2], [1.0, 0.0], [0.1, 0.1], [9, 9]).exponent)
