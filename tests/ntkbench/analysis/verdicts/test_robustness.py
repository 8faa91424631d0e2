"""Verdicts on exponents with their floors, local slopes and corrections."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.theory.claims import expected_exponent

WIDTHS = 64.0 * 2 ** np.arange(7)
KERNEL = expected_exponent("ntk_distance_frobenius", "erf")
FUNCTION = expected_exponent("function_distance_max", "relu")


def study(values, widths=WIDTHS, members=40, cv2=0.18, tau=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return fit_exponent(widths, [v * np.sqrt(rng.gamma(1 / cv2, cv2, members)) for v in values], correction=tau)


def with_floor(share):
    return np.sqrt(share**2 + (1 - share**2) * WIDTHS.max() / WIDTHS)


def test_a_true_distance_holds_and_says_so_under_every_correction():
    judgement = verdict(study(WIDTHS**-0.5), KERNEL, 20)
    assert (judgement.verdict, judgement.kind, judgement.sensitivity) == ("holds", "inside", "robust")
    assert "; floor " in judgement.reason


def test_a_floor_refutes_an_exponent_inside_its_band():
    # As of a weight_std off by half a percent: the exponent's interval is inside [-0.55, -0.45].
    fit = study(with_floor(0.45), members=200)
    low, high = fit.interval()
    assert low > -0.55
    assert high < -0.45
    judgement = verdict(fit, KERNEL, 20)
    assert (judgement.verdict, judgement.kind) == ("fails", "floor")
    assert "the distance levels off: a floor of 39 % [" in judgement.reason


def test_a_possible_floor_prevents_a_hold():
    found = [verdict(study(with_floor(0.4), seed=seed), KERNEL, 1000) for seed in range(12)]
    assert "floor-possible" in {judgement.kind for judgement in found}
    assert all(j.verdict == "inconclusive" for j in found if j.kind == "floor-possible")


def test_a_distance_that_levels_off_is_refuted():
    judgement = verdict(study(with_floor(0.97), tau=8.0, cv2=0.5), FUNCTION, 20)
    assert judgement.verdict == "fails"


def test_a_slope_that_still_steepens_refutes_nothing():
    widths = 64.0 * 4 ** np.arange(5)
    fit = study([0.073, 0.057, 0.041, 0.026, 0.0158], widths, members=20, cv2=0.02, tau=8.0)
    judgement = verdict(fit, FUNCTION, 20)
    assert fit.interval(1 - 0.05 / 20)[1] > -0.4  # disjoint from the band, or it would be no question
    assert fit.interval(1 - 0.05 / 20)[0] > -0.4
    assert (judgement.verdict, judgement.kind) == ("inconclusive", "not-asymptotic")
    assert judgement.reason.startswith("not yet asymptotic: the local slope goes from -0.1")
    assert "it may reach the band from width" in judgement.reason


@pytest.mark.parametrize("metric", ["weight_change_first", "function_distance_max"])
def test_a_settled_slope_is_refuted(metric):
    judgement = verdict(study(WIDTHS**-0.15), expected_exponent(metric, "erf"), 20)
    assert judgement.verdict == "fails"


@pytest.mark.parametrize(("p", "would_be"), [(-1.05, "inside"), (-0.84, "disjoint from")])
def test_a_verdict_that_depends_on_the_correction_is_inconclusive(p, would_be):
    # The correction falls as n^-1/2 and is twice as large as allowed: without it the slope is estimated 0.06 steeper,
    # beyond the end of [-1.1, -0.9] or into it.
    values = WIDTHS[:6] ** p * np.exp(2 * 8.0 / 64 * (64 / WIDTHS[:6]) ** 0.5)
    fit = study(values, WIDTHS[:6], members=4000, cv2=0.1, tau=8.0)
    judgement = verdict(fit, expected_exponent("weight_change_middle", "erf"), 20)
    assert (judgement.verdict, judgement.kind, judgement.sensitivity) == ("inconclusive", "depends", "depends")
    assert would_be in judgement.reason


def test_only_distances_to_a_limit_have_floors():
    vanish = ("ntk_distance_frobenius", "ntk_distance_operator", "ntk_change_frobenius", "output_blocks")
    vanish += ("linearization_distance_max", "function_distance_max", "linearization_split_kernel")
    assert all(expected_exponent(name, activation).vanishes for name in vanish for activation in ("erf", "relu"))
    others = ("ntk_variance", "weight_change_first", "weight_operator_norm", "descent_residual")
    assert not any(expected_exponent(name, "erf").vanishes for name in others)
