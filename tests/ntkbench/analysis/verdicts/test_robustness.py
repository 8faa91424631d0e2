"""Verdicts on exponents with their floors, local slopes and corrections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ntkbench.analysis.estimation.curve import exponent
from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.analysis.verdicts.robustness import hold_depends
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
    found = [verdict(study(with_floor(0.3), members=150, seed=seed), KERNEL, 1000) for seed in range(12)]
    assert "floor-possible" in {judgement.kind for judgement in found}
    assert all(j.verdict == "inconclusive" for j in found if j.kind == "floor-possible")


def test_a_distance_that_levels_off_is_refuted():
    judgement = verdict(study(with_floor(0.97), tau=8.0, cv2=0.5), FUNCTION, 20)
    assert judgement.verdict == "fails"


def test_a_slope_that_still_steepens_refutes_nothing():
    widths = 64.0 * 4 ** np.arange(5)
    fit = study([0.073, 0.057, 0.041, 0.026, 0.0158], widths, members=200, cv2=0.02, tau=4.0)
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


WEIGHTS = expected_exponent("weight_change_middle", "erf")


def with_root_correction(p, size, members, tau=8.0):
    """A power law with a correction in n^-1/2, in units of the one allowed at the smallest width."""
    n = WIDTHS[:6]
    return study(n**p * np.exp(size * tau / 64 * (64 / n) ** 0.5), n, members=members, cv2=0.1, tau=tau)


def test_a_failure_that_depends_on_the_correction_is_inconclusive():
    fit = with_root_correction(-0.87, 1.0, members=1000)
    judgement = verdict(fit, WEIGHTS, 20)
    assert (judgement.verdict, judgement.kind, judgement.sensitivity) == ("inconclusive", "depends", "depends")
    assert "disjoint from" in judgement.reason


def test_a_correction_that_the_data_reject_decides_nothing():
    """Twice the allowed correction, measured so well that only the true one describes it: the truth is found."""
    holds, fails = (verdict(with_root_correction(p, 2.0, members=4000), WEIGHTS, 20) for p in (-1.05, -0.84))
    assert (holds.verdict, holds.sensitivity) == ("holds", "robust")
    assert (fails.verdict, fails.sensitivity) == ("fails", "robust")


def test_estimates_under_other_corrections_must_stay_in_the_band():
    fit = with_root_correction(-1.0, 1.0, members=300)
    found = [exponent(fit.curve, allowed, power).estimate for allowed in (1.0, 2.0, 4.0) for power in fit.curve.powers]
    assert max(found) - min(found) > 0.01
    inside = replace(WEIGHTS, band_low=min(found) - 0.1, band_high=max(found) + 0.1)
    assert not hold_depends(fit, inside)
    assert hold_depends(fit, replace(inside, band_low=(min(found) + max(found)) / 2))


def test_only_distances_to_a_limit_have_floors():
    vanish = ("ntk_distance_frobenius", "ntk_distance_operator", "ntk_change_frobenius", "output_blocks")
    vanish += ("linearization_distance_max", "function_distance_max", "linearization_split_kernel")
    assert all(expected_exponent(name, activation).vanishes for name in vanish for activation in ("erf", "relu"))
    others = ("ntk_variance", "weight_change_first", "weight_operator_norm", "descent_residual")
    assert not any(expected_exponent(name, "erf").vanishes for name in others)
