"""Exponents: exact where they can be, and intervals that cover as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ntkbench.analysis.estimation.exponents import fit_exponent

STUDIES = 4000
EXHAUSTIVE = pytest.mark.exhaustive
FAMILIES = (9, 18, 100)
QUICK = 32.0 * 4 ** np.arange(4)
FULL = 64.0 * 2 ** np.arange(7)
TRAINED = 64.0 * 2 ** np.arange(6)

# The coverage demanded is 93 %: fewer hits than AT_LEAST would leave it in doubt at the 1 % level.
AT_LEAST = binom.ppf(0.99, STUDIES, 0.93)


def draw_members(rng, widths, members, *, p, b, cv2, h):
    """Squares are gamma, of squared coefficient of variation ``cv2 (1 + h / n)``: skewed, and more so at small n."""
    spread = [cv2 * (1 + h / n) for n in widths]
    return [
        np.sqrt(rng.gamma(1 / s, s, (STUDIES, members))) * n**p * np.exp(b / n)
        for n, s in zip(widths, spread, strict=True)
    ]


@pytest.mark.parametrize(
    ("widths", "members", "p", "b", "cv2", "h", "tau"),
    [
        pytest.param(QUICK, 8, -0.5, 1.6, 1.0, 30, 2, id="quickstart, 8 members"),
        pytest.param(QUICK, 8, -0.5, 0.0, 1.0, 0, 2, id="quickstart, no pre-asymptotic bias", marks=EXHAUSTIVE),
        pytest.param(FULL, 20, -0.5, 2.4, 0.28, 60, 2, id="C2, relu, 7 widths, 20 members", marks=EXHAUSTIVE),
        pytest.param(TRAINED, 20, -1.0, -13.0, 0.4, 0, 12, id="C4, erf, strong bias", marks=EXHAUSTIVE),
        pytest.param(TRAINED, 20, -1.0, -24.0, 0.4, 0, 12, id="C4, twice the allowance", marks=EXHAUSTIVE),
        pytest.param(TRAINED, 20, -0.5, 0.0, 0.3, 10, 8, id="C7, a bias that is not there", marks=EXHAUSTIVE),
    ],
)
def test_intervals_cover(widths, members, p, b, cv2, h, tau):
    rng = np.random.default_rng(2024)
    drawn = draw_members(rng, widths, members, p=p, b=b, cv2=cv2, h=h)
    fits = (fit_exponent(widths, [x[i] for x in drawn], correction=tau).interval() for i in range(STUDIES))
    assert sum(low <= p <= high for low, high in fits) >= AT_LEAST


def test_coverage_needs_the_correction():
    # The same simulation finds a rule that ignores the bias out.
    drawn = draw_members(np.random.default_rng(1), TRAINED, 20, p=-1.0, b=-13.0, cv2=0.4, h=0)
    fits = (fit_exponent(TRAINED, [x[i] for x in drawn]).interval() for i in range(500))
    assert sum(low <= -1 <= high for low, high in fits) < 0.8 * 500


def test_allowing_for_a_correction_widens_the_interval_by_a_third():
    drawn = draw_members(np.random.default_rng(7), FULL, 20, p=-0.5, b=1.2, cv2=0.18, h=30)
    studies = [[x[i] for x in drawn] for i in range(200)]
    widths = [[np.diff(fit_exponent(FULL, s, correction=tau).interval()) for s in studies] for tau in (0.0, 2.0)]
    assert np.median(widths[1]) < 1.33 * np.median(widths[0])
    assert np.median(widths[1]) < 0.1  # the band of C2


@pytest.mark.parametrize("tau", [0.0, 2.0])
def test_noiseless_power_law_is_recovered(tau):
    fit = fit_exponent(QUICK, [np.full(5, 3 * n**-0.5) for n in QUICK], correction=tau)
    assert fit.estimate == pytest.approx(-0.5, abs=1e-8)
    assert (fit.n_widths, fit.n_members) == (4, 5)
    assert "not of this form" not in fit.words
    if tau == 0:
        assert fit.interval() == pytest.approx((-0.5, -0.5), abs=1e-6)


def test_noiseless_correction_is_fitted_away():
    fit = fit_exponent(FULL, [np.full(5, 3 * n**-0.5 * np.exp(3 / n)) for n in FULL], correction=2.0)
    assert fit.estimate == pytest.approx(-0.5, abs=1e-6)


def test_scale_of_the_distance_does_not_matter():
    samples = [np.random.default_rng(int(n)).gamma(2, size=8) * n**-0.5 for n in QUICK]
    fit, scaled = fit_exponent(QUICK, samples), fit_exponent(QUICK, [1e-9 * x for x in samples])
    assert scaled.interval() == pytest.approx(fit.interval(), rel=1e-6)


def test_what_is_no_power_law_is_said_so():
    rng = np.random.default_rng(0)
    levels_off = [np.hypot(n**-0.5, 0.1) * (1 + 0.02 * rng.standard_normal(20)) for n in FULL]
    fit = fit_exponent(FULL, levels_off, correction=2.0)
    assert "not of this form" in fit.words
    assert fit.lack_of_fit < 0.01
    assert fit.rejected


@pytest.mark.parametrize("b", [-4.0, 0.0, 4.0])
def test_lack_of_fit_rejects_no_power_law_of_an_allowed_correction_more_often_than_it_says(b):
    drawn = draw_members(np.random.default_rng(4), FULL, 20, p=-0.5, b=b, cv2=0.18, h=30)
    p = np.array([fit_exponent(FULL, [x[i] for x in drawn], correction=2.0).lack_of_fit for i in range(1000)])
    assert (p < 0.01).sum() <= binom.ppf(0.999, 1000, 0.01)
    assert 0.2 < np.mean(p < 0.5) < 0.56  # not so cautious that it sees nothing


def test_two_widths_test_no_power_law():
    fit = fit_exponent(QUICK[:2], [np.array([1.0, 1.2, 0.8]) * n**-0.5 for n in QUICK[:2]])
    assert fit.lack_of_fit is None
    assert not fit.rejected


@pytest.mark.parametrize(
    ("widths", "samples", "why"),
    [
        ([64], [[1.0, 2.0]], "two widths"),
        ([], [], "two widths"),
        ([64, 128], [[1.0], [0.5]], "two members"),
        ([64, 128], [[1.0, np.nan], [0.5, np.inf]], "two members"),
        ([64, 128], [[1.0, 2.0], [0.0, 0.0]], "zero"),
    ],
)
def test_nothing_to_fit(widths, samples, why):
    fit = fit_exponent(widths, samples)
    assert np.isnan([fit.estimate, *fit.interval()]).all()
    assert why in fit.method


def test_nan_members_are_left_out_and_counted_out():
    samples = [np.array([1.0, 1.1, 0.9, 1.05]) * n**-0.5 for n in QUICK]
    samples[1] = np.append(samples[1][:3], np.nan)
    fit = fit_exponent(QUICK, samples)
    assert fit.n_members == 3
    assert fit.estimate == pytest.approx(-0.5, abs=0.05)


def test_one_zero_member_is_a_value():
    fit = fit_exponent(QUICK, [np.array([0.0, 1.0, 1.0, 1.0]) * n**-0.5 for n in QUICK])
    assert fit.estimate == pytest.approx(-0.5)


def test_an_outlier_widens_the_interval():
    samples = [np.random.default_rng(int(n)).gamma(9, size=8) * n**-0.5 for n in QUICK]
    spoilt = [*samples[:-1], np.append(samples[-1][:-1], 100 * samples[-1].max())]
    low, high = fit_exponent(QUICK, spoilt).interval()
    assert np.isfinite([low, high]).all()
    assert high - low > 5 * np.diff(fit_exponent(QUICK, samples).interval())
    assert low <= -0.5 <= high


def test_widths_below_the_correction_are_left_out():
    widths = [4, 64, 256, 1024]
    fit = fit_exponent(widths, [np.array([1.0, 1.2, 0.8]) * n**-0.5 for n in widths], correction=8.0)
    assert fit.n_widths == 3
