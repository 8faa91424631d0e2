"""Estimates of several seeds: against closed forms and scipy. Honest intervals: against folded normals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from grids import each_once
from scipy.stats import chi2, foldnorm, norm, ttest_ind_from_stats

from ntkbench.analysis.derived.medians import Between
from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.estimation.limits import LimitFit, fit_limit
from ntkbench.analysis.estimation.mixed import BOUND, MixedEstimate
from ntkbench.analysis.estimation.narrowest import median_of
from ntkbench.analysis.estimation.over_seeds import over_seeds
from ntkbench.analysis.estimation.pooling import heterogeneity, pooled
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded

WIDTHS = 64.0 * 2 ** np.arange(6)


def estimate(value, error=0.1, correction=0.0, dof=1e9, p=None):
    return MixedEstimate(value, error, correction, dof, p)


def members(seed, p=-0.5, count=30):
    rng = np.random.default_rng(seed)
    return [np.sqrt(rng.gamma(3, 1 / 3, count)) * n**p for n in WIDTHS]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.9995])
@pytest.mark.parametrize("correction", [0.0, 1e-9, 0.02, -0.1, 3.0])
def test_an_honest_interval_is_a_quantile_of_the_folded_normal(correction, confidence):
    low, high = estimate(1.0, 0.1, correction).interval(confidence)
    assert (high + low) / 2 == pytest.approx(1.0)
    shift = BOUND * abs(correction) / 0.1
    expected = foldnorm.ppf(confidence, shift) if shift < 20 else shift + norm.ppf(confidence)
    assert (high - low) / 2 == pytest.approx(0.1 * expected, rel=1e-6)


def test_without_noise_the_interval_is_the_bound_of_the_correction():
    assert estimate(1.0, 0.0, 0.2).interval(0.95) == (1 - BOUND * 0.2, 1 + BOUND * 0.2)


def test_seeds_that_agree_average_their_noise_but_not_the_correction():
    found = pooled([estimate(-0.5, 0.1, 0.03) for _ in range(4)])
    assert found.estimate == pytest.approx(-0.5)
    assert found.sampling_error == pytest.approx(0.05)
    assert found.correction == pytest.approx(0.03)


def test_seeds_weigh_equally():
    found = pooled([estimate(0.0, 0.1), estimate(0.05, 0.2)])
    assert found.estimate == pytest.approx(0.025)
    assert found.sampling_error == pytest.approx((0.01 + 0.04) ** 0.5 / 2)


@pytest.mark.parametrize(("values", "level"), [([0.0, 1.0, 2.5], 0.4), ([0.0, 1.0], 0.3)])
def test_seeds_that_differ_are_given_an_upper_estimate_of_their_variance(values, level):
    seeds = [estimate(value, 0.1) for value in values]
    squares, dof = np.square(values - np.mean(values)).sum(), len(values) - 1
    assert squares / (0.01 + heterogeneity(seeds).between ** 2) == pytest.approx(chi2.ppf(0.5, dof), rel=1e-6)
    omega2 = squares / chi2.ppf(level, dof) - 0.01
    error, found_dof = pooled(seeds).noise
    assert error == pytest.approx(((0.01 + omega2) / len(values)) ** 0.5, rel=1e-6)
    assert found_dof == pytest.approx(dof * (1 + 0.01 / omega2) ** 2, rel=1e-3)


def test_data_sets_at_hand_say_nothing_of_how_others_differ():
    found = pooled([estimate(value, 0.1) for value in (0.0, 1.0, 2.5)]).at_hand
    assert found.noise[0] == pytest.approx(0.1 / 3**0.5)
    assert found.estimate == pytest.approx(3.5 / 3)


@pytest.mark.parametrize(
    ("errors", "between"),
    each_once([(0.1, 0.1), (0.1,) * 3, (0.1, 0.2, 0.2), (0.1, 0.3, 0.9), (0.1,) * 6], [0.0, 0.1, 0.2, 0.4]),
)
def test_pooled_intervals_cover_however_far_data_sets_differ(errors, between):
    least = 0.9 if len(errors) == 2 else 0.93
    drawn = np.random.default_rng(1).standard_normal((2, 2000, len(errors)))
    values = between * drawn[0] + np.array(errors) * drawn[1]
    ends = [pooled([estimate(*each) for each in zip(row, errors, strict=True)]).interval(0.95) for row in values]
    low, high = np.array(ends).T
    assert np.mean((low <= 0) & (high >= 0)) >= least - 0.005  # its error over 2,000 studies


def test_a_bound_of_each_data_set_has_to_hold_on_each():
    fits = {seed: fit_limit(WIDTHS, value + 0 * WIDTHS, 0.01, 50) for seed, value in ((1, 0.1), (2, 1.0), (3, 0.05))}
    found, differ = over_seeds(fits, on_each=True)
    assert found.limits(0.05)[0] == fits[3].limits(0.05)[0] > 0
    assert over_seeds(fits)[0].limits(0.05)[0] < 0  # the mean of such data sets is not known from three
    assert differ.p < 1e-6


def test_one_data_set_refutes_what_has_to_hold_on_each():
    values, members = np.array([0.6, 0.6, 1.3]), np.random.default_rng(0).normal(1, 0.01, 40)
    fits = {seed: median_of(Between(value * members, value * members)) for seed, value in enumerate(values)}
    found, _ = over_seeds(fits, on_each=True)
    assert found.at_hand.limits(1e-3)[0] == fits[2].limits(1e-3 / 3)[0] > 1.2
    open_ended = {seed: median_of(Between(1.5 * members, np.full(40, np.inf))) for seed in range(3)}
    assert over_seeds(open_ended, on_each=True)[0].at_hand.limits(1e-3)[0] > 1.4


def test_seeds_with_and_without_an_extrapolation_are_not_mixed():
    fits = {1: fit_limit(WIDTHS, 1 + 0 * WIDTHS, 0.01, 50), 2: fit_limit(WIDTHS[:1], [1.0], [0.01], 50)}
    for on_each in (False, True):
        assert "some seeds have a single width" in over_seeds(fits, on_each=on_each)[0].method


def test_what_was_left_out_on_one_seed_is_said_of_it():
    fits = {seed: fit_limit(WIDTHS, 1 + 0 * WIDTHS, 0.01, 50) for seed in (1, 2)}
    fits = {seed: replace(fit, remarks=("both", *(["one"] if seed == 2 else []))) for seed, fit in fits.items()}
    assert over_seeds(fits)[0].words.endswith("; both; seed 2: one")


def test_differences_of_two_seeds_are_tested_as_welch_does():
    found = heterogeneity([estimate(0.3, 0.11, dof=9), estimate(0.0, 0.07, dof=19)])
    welch = ttest_ind_from_stats(0.3, 0.11 * 10**0.5, 10, 0.0, 0.07 * 20**0.5, 20, equal_var=False)
    assert found.p == pytest.approx(welch.pvalue, rel=1e-9)


def test_models_that_fit_badly_on_every_seed_are_rejected_together():
    p = pooled([estimate(0.0, p=0.05), estimate(0.0, p=0.05), estimate(0.0, p=None)]).lack_of_fit
    assert p == pytest.approx(0.05**2 * (1 - np.log(0.05**2)), rel=1e-9)  # of two p-values, in closed form
    assert pooled([estimate(0.0), estimate(0.0)]).lack_of_fit is None


def test_one_seed_is_itself():
    fit = fit_exponent(WIDTHS, members(1), correction=8.0)
    assert over_seeds({1: fit})[0] is fit
    assert pooled([estimate(1.0)]) == estimate(1.0)


def test_the_pooled_exponent_is_narrower_and_has_a_curve():
    fits = {seed: fit_exponent(WIDTHS, members(seed), correction=2.0) for seed in range(4)}
    found, differ = over_seeds(fits)
    assert found.estimate == pytest.approx(np.mean([fit.estimate for fit in fits.values()]), abs=0.01)
    widths = [np.diff(fit.interval()).item() for fit in (found, *fits.values())]
    assert widths[0] < 0.8 * min(widths[1:])
    assert len(found.curve.each) == 4
    assert 0.001 < differ.p < 0.999


def test_a_seed_without_an_estimate_leaves_none():
    fits = {1: fit_exponent(WIDTHS, members(1)), 2: fit_exponent([], [])}
    found, differ = over_seeds(fits)
    assert np.isnan(found.interval()).all()
    assert "no estimate from 1 of 2 seeds (seed 2: none: needs two widths" in found.method
    assert np.isnan(differ.p)


def test_limits_pool():
    fits = {seed: fit_limit(WIDTHS, 1 + 3 / WIDTHS, 0.01 + 0 * WIDTHS, 50) for seed in range(3)}
    found, _ = over_seeds(fits)
    assert isinstance(fits[0], LimitFit)
    assert found.estimate == pytest.approx(1.0, abs=1e-6)
    assert np.diff(found.interval()) < np.diff(fits[0].interval())


def test_bounds_on_errors_are_no_sample():
    fits = {
        seed: Bounded(estimate=e, error=0.1, n_widths=0, n_members=0, method="m") for seed, e in ((1, 0.5), (2, 1.0))
    }
    found, _ = over_seeds(fits)
    assert found.interval() == pytest.approx((0.4, 1.1))
    assert found.at_hand.interval() == pytest.approx((0.9, 0.6))  # beyond any bound that one of them is beyond
