"""Exponents: exact where they can be, and intervals that cover as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from ntkbench.analysis.estimation.exponents import fit_exponent, fit_exponent_of_mean

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
    assert fit.exponent == pytest.approx(-0.5, abs=1e-8)
    assert (fit.n_widths, fit.n_members) == (4, 5)
    assert "not a power law" not in fit.method
    if tau == 0:
        assert fit.interval() == pytest.approx((-0.5, -0.5), abs=1e-6)


def test_noiseless_correction_is_fitted_away():
    fit = fit_exponent(FULL, [np.full(5, 3 * n**-0.5 * np.exp(3 / n)) for n in FULL], correction=2.0)
    assert fit.exponent == pytest.approx(-0.5, abs=1e-6)


def test_scale_of_the_distance_does_not_matter():
    samples = [np.random.default_rng(int(n)).gamma(2, size=8) * n**-0.5 for n in QUICK]
    fit, scaled = fit_exponent(QUICK, samples), fit_exponent(QUICK, [1e-9 * x for x in samples])
    assert scaled.interval() == pytest.approx(fit.interval(), rel=1e-6)


def test_what_is_no_power_law_is_said_so():
    rng = np.random.default_rng(0)
    levels_off = [np.hypot(n**-0.5, 0.1) * (1 + 0.02 * rng.standard_normal(20)) for n in FULL]
    fit = fit_exponent(FULL, levels_off, correction=2.0)
    assert "not a power law" in fit.method
    assert fit.lack_of_fit < 0.01
    assert fit.rejected


def test_lack_of_fit_rejects_a_power_law_as_often_as_it_says():
    drawn = draw_members(np.random.default_rng(4), FULL, 20, p=-0.5, b=1.2, cv2=0.18, h=30)
    p = np.array([fit_exponent(FULL, [x[i] for x in drawn], correction=2.0).lack_of_fit for i in range(1000)])
    assert binom.ppf(0.001, 1000, 0.01) <= (p < 0.01).sum() <= binom.ppf(0.999, 1000, 0.01)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.06)


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
    assert np.isnan([fit.exponent, *fit.interval()]).all()
    assert why in fit.method


def test_nan_members_are_left_out_and_counted_out():
    samples = [np.array([1.0, 1.1, 0.9, 1.05]) * n**-0.5 for n in QUICK]
    samples[1] = np.append(samples[1][:3], np.nan)
    fit = fit_exponent(QUICK, samples)
    assert fit.n_members == 3
    assert fit.exponent == pytest.approx(-0.5, abs=0.05)


def test_one_zero_member_is_a_value():
    fit = fit_exponent(QUICK, [np.array([0.0, 1.0, 1.0, 1.0]) * n**-0.5 for n in QUICK])
    assert fit.exponent == pytest.approx(-0.5)


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
    assert fit.exponent == pytest.approx(-1)
    assert fit.interval() == pytest.approx((-1, -1), abs=1e-3)


@pytest.mark.parametrize("error", [1.0, 1e9])
def test_errors_without_bound_find_no_bias(error):
    fit = fit_exponent_of_mean(QUICK, 1 / QUICK, error / QUICK, 1 / QUICK, members=2)
    assert "sampling floor" in fit.method


def test_sampling_noise_is_no_rate():
    # The raw distance of a mean without bias falls as n^-1/2; taken for an exponent it would refute C7.
    values = [0.1 * n**-0.5 for n in QUICK]
    fit = fit_exponent_of_mean(QUICK, values, [0.4 * v for v in values], values, members=8)
    assert np.isnan([fit.exponent, *fit.interval()]).all()
    assert "sampling floor" in fit.method


def test_noiseless_bias_is_recovered():
    fit = fit_exponent_of_mean(QUICK, 5 / QUICK, 1e-6 / QUICK, 1e-6 / QUICK, members=8, correction=0.0)
    assert fit.exponent == pytest.approx(-1)
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
    assert np.isnan([fit.exponent, *fit.interval()]).all()
