"""Simulated verdicts: those of the studies that they stand for, drawn without any of the shortcuts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from grids import each_once

from ntkbench.analysis.estimation.curve import Curve
from ntkbench.analysis.estimation.exponents import exponent_of, fit_exponent
from ntkbench.analysis.estimation.limits import fit_limit
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.analysis.verdicts.simulated import (
    LARGEST,
    STUDIES,
    chance,
    chance_at_most,
    drawn_exponents,
    drawn_limits,
    judged,
    largest_tried,
    smallest_holding,
    smallest_refuted,
)
from ntkbench.theory.claims import Expectation, expected_exponent

WIDTHS = np.array([64.0, 128, 256, 512, 1024])
DISTANCE = Expectation(claim="C2", metric="m", value=-0.5, band_low=-0.6, band_high=-0.4, vanishes=True)
BAND = replace(DISTANCE, vanishes=False)
BOUND = expected_exponent("ntk_change_frobenius", "relu")
LIMIT = Expectation(claim="C8", metric="m", value=1.0, band_low=0.9, band_high=1.1, noun="limit")
FAMILY = 20


def curve(spread=0.3, members=100, tau=4.0, powers=(1.0,)):
    counts = np.full(len(WIDTHS), members)
    return Curve(WIDTHS, -0.5 * np.log(WIDTHS), np.full(len(WIDTHS), spread**2), counts, tau, powers=powers)


@pytest.mark.parametrize(("deviation", "expectation"), each_once([-0.3, 0.0, 0.15, 0.3], [DISTANCE, BAND, BOUND]))
def test_moving_the_expectation_is_moving_the_data(expectation, deviation):
    fits = drawn_exponents(curve())[:40]
    for fit in fits:
        y = fit.curve.y + deviation * np.log(WIDTHS)
        moved = exponent_of(Curve(WIDTHS, y, fit.curve.spread, fit.curve.counts, fit.curve.tau, powers=(1.0,)))
        assert judged(fit, expectation, FAMILY, deviation) == verdict(moved, expectation, FAMILY).verdict


def test_moving_the_expectation_of_a_limit_is_moving_its_values():
    n, error, members = WIDTHS, np.full(5, 0.02), np.full(5, 50.0)
    fits = drawn_limits(n, error, members, limit=1.0, powers=(1.0, 0.5), correction=40.0)
    rng = np.random.default_rng(1)
    for deviation in (-0.2, 0.0, 0.1, 0.3):
        values, errors = 1 + rng.normal(0, error), error * rng.uniform(0.8, 1.2, 5)
        still, moved = (
            fit_limit(n, values + by, errors, members, powers=(1.0, 0.5), correction=40.0) for by in (0, deviation)
        )
        assert judged(still, LIMIT, FAMILY, deviation) == verdict(moved, LIMIT, FAMILY).verdict
    covered = np.mean([low <= 1 <= high for low, high in (fit.interval() for fit in fits)])
    assert covered >= 0.93


def test_simulated_studies_are_those_of_members_one_by_one():
    """Members' squares are gamma, whose logarithm's RMS scatters by half of their coefficient of variation."""
    spread, members, tau, studies = 0.3, 60, 8.0, 250
    fits = drawn_exponents(curve(spread, members, tau, (1.0, 0.5)))
    deviation = smallest_refuted(fits, BAND, FAMILY)
    rng, cv2 = np.random.default_rng(2), (2 * spread) ** 2
    held, failed = 0, 0
    for _ in range(studies):
        power = rng.choice((1.0, 0.5))
        correction = np.exp(rng.standard_normal() * tau / 64 * (64 / WIDTHS) ** power)
        samples = [np.sqrt(rng.gamma(1 / cv2, cv2, members)) * c for c in correction]
        for exponent in (-0.5, -0.5 - deviation):
            moved = [x * n**exponent for x, n in zip(samples, WIDTHS, strict=True)]
            said = verdict(fit_exponent(WIDTHS, moved, correction=tau), BAND, FAMILY).verdict
            held += said == "holds" and exponent == -0.5
            failed += said == "fails" and exponent != -0.5
    three_errors = 3 * math.sqrt(0.25 / studies + 0.25 / STUDIES)
    assert held / studies == pytest.approx(chance("holds", fits, BAND, FAMILY), abs=three_errors)
    assert 0.8 - three_errors < failed / studies < 0.9 + three_errors


def test_a_failure_takes_more_than_an_interval():
    fits = drawn_exponents(curve())
    presumed = largest_tried(fits, BAND, FAMILY) / LARGEST
    assert chance("fails", fits, BAND, FAMILY, -presumed) < 0.75
    found = smallest_refuted(fits, BAND, FAMILY)
    assert chance("fails", fits, BAND, FAMILY, -found) >= 0.8
    assert chance("fails", fits, BAND, FAMILY, -0.9 * found) < 0.8
    assert chance_at_most(fits, BAND, FAMILY) >= 0.8


def test_corrections_make_true_claims_hold_less_often():
    with_one, without = (
        chance("holds", drawn_exponents(replace(curve(), y=y, tau=tau)), BAND, FAMILY)
        for y, tau in ((curve().y, 12.0), (curve().y, 0.0))
    )
    assert with_one < without - 0.1


def test_slopes_that_are_measured_well_see_every_correction():
    """Half of the corrections bend the curve towards the band, from however far: those studies never fail."""
    fits = drawn_exponents(curve(spread=0.01, tau=12.0))
    assert math.isinf(smallest_refuted(fits, BAND, FAMILY))
    assert 0.4 < chance_at_most(fits, BAND, FAMILY) < 0.75


def test_a_distance_that_falls_too_slowly_is_refuted_no_later():
    fits = drawn_exponents(curve())
    found = smallest_refuted(fits, DISTANCE, FAMILY)
    three_errors = 3 * math.sqrt(0.16 / STUDIES)
    assert chance("fails", fits, DISTANCE, FAMILY, found) >= chance("fails", fits, BAND, FAMILY, found)
    assert chance("fails", fits, BAND, FAMILY, found) == pytest.approx(0.8, abs=three_errors)


def test_a_bound_holds_beyond_it_and_fails_on_its_other_side():
    fits = drawn_exponents(curve(powers=(1.0, 0.5)))
    beyond, against = smallest_holding(fits, BOUND, FAMILY), smallest_refuted(fits, BOUND, FAMILY)
    assert 0 < beyond < against
    assert chance("holds", fits, BOUND, FAMILY, -beyond) >= 0.8 > chance("holds", fits, BOUND, FAMILY, -0.9 * beyond)
    assert chance("fails", fits, BOUND, FAMILY, against) >= 0.8
