"""Power before a run: the intervals that verdicts will have, checked by simulating the verdicts themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.series.quantities import ALL
from ntkbench.analysis.verdicts.expected_rows import plan_of
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.analysis.verdicts.power import planned_power
from ntkbench.analysis.verdicts.scatter import SCATTER
from ntkbench.analysis.verdicts.simulated import STUDIES
from ntkbench.api.claims import studies_of_claims
from ntkbench.plugin.loading import load_registry
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study
from ntkbench.theory.claims import expectation

REGISTRY = load_registry()
WIDTHS = (64, 128, 256, 512, 1024, 2048)


def planned(name, **changes):
    return plan_of(make_plan(resolve_study(name, REGISTRY, Overrides(set=changes)), REGISTRY).resolved)


def power(name, metric, activation, **changes):
    powers = planned_power(planned(name, **changes))
    return next(p for p in powers if (p.metric, p.key.activation) == (metric, activation))


def test_the_planned_probability_is_that_of_the_verdict():
    """Members' squares are gamma, whose logarithm's RMS scatters by half of their coefficient of variation."""
    found = power("claim-c7", "function_distance_max", "erf", **{"subject.0.members": 40})
    cv2 = (2 * SCATTER["function_distance_max"].smooth) ** 2
    rng, verdicts, widths = np.random.default_rng(0), [], []
    for _ in range(150):
        shape = (64 / np.array(WIDTHS)) ** rng.choice((1.0, 0.5))
        correction = np.exp(rng.standard_normal() * 8 / 64 * shape)
        samples = [np.sqrt(rng.gamma(1 / cv2, cv2, 40)) * n**-0.5 * c for n, c in zip(WIDTHS, correction, strict=True)]
        fit = fit_exponent(WIDTHS, samples, correction=8.0)
        verdicts.append(verdict(fit, found.expectation, 20).verdict)
        widths.append(np.diff(fit.interval()) / 2)
    assert np.median(widths) == pytest.approx(found.half_width, rel=0.08)
    assert verdicts.count("holds") / 150 == pytest.approx(found.holds, abs=3 * math.sqrt(0.25 / 150 + 0.25 / STUDIES))


def test_more_members_decide_more():
    few, many = (power("claim-c7", "function_distance_max", "erf", **{"subject.0.members": n}) for n in (20, 200))
    assert many.half_width < few.half_width
    assert many.holds > few.holds
    assert many.detects < few.detects


def test_a_bound_needs_the_truth_beyond_it():
    found = power("claim-c4", "ntk_change_frobenius", "relu")
    assert found.expectation.one_sided
    assert found.half_width < found.holds < 2 * found.half_width


def test_nothing_is_said_where_nothing_is_known():
    assert np.isnan(power("claim-c13", "smallest_eigenvalue", "erf").holds)


def test_deviations_that_mostly_fail_say_how_often():
    found = power("claim-c7", "function_distance_max", "erf", **{"subject.0.members": 4000})
    assert math.isinf(found.detects)
    assert 0.3 < found.fails_at_most < 0.8


def test_scatter_is_of_known_quantities():
    assert not SCATTER.keys() - ALL.keys()


def test_scatter_is_known_of_all_that_a_claim_judges_by_a_power_law_or_a_limit():
    unknown = {
        row.metric
        for plan in map(planned, studies_of_claims(REGISTRY))
        for row in plan.expected
        if (found := expectation(row.metric, row.facts, plan.claim.id)) and found.judged
    } - SCATTER.keys()
    assert unknown == {
        "nngp_bias",
        "function_distance_of_mean_over_time",
        "output_fourth_moment",
        "smallest_eigenvalue",
        "ntk_smallest_eigenvalue",
        "time_over_linearization_narrowest",
        "time_and_growth",
    }
