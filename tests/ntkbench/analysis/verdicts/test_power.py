"""Power before a run: the intervals that verdicts will have, checked by simulating the verdicts themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.series.quantities import ALL
from ntkbench.analysis.verdicts.expected_rows import plan_of
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.analysis.verdicts.power import planned_power
from ntkbench.analysis.verdicts.scatter import SCATTER
from ntkbench.plugin.registry import load_registry
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

REGISTRY = load_registry()
WIDTHS = (64, 128, 256, 512, 1024, 2048)


def powers(name, **changes):
    plan = make_plan(resolve_study(name, REGISTRY, Overrides(set=changes)), REGISTRY)
    return {(p.metric, p.key.activation): p for p in planned_power(plan_of(plan.resolved))}


def test_the_planned_probability_is_that_of_the_verdict():
    """Members' squares are gamma, whose logarithm's RMS scatters by half of their coefficient of variation."""
    found = powers("claim-c7", **{"subject.0.members": 40})["function_distance_max", "erf"]
    cv2 = (2 * SCATTER["function_distance_max"].smooth) ** 2
    rng, holds, widths = np.random.default_rng(0), 0, []
    for _ in range(400):
        samples = [np.sqrt(rng.gamma(1 / cv2, cv2, 40)) * n**-0.5 for n in WIDTHS]
        fit = fit_exponent(WIDTHS, samples, correction=8.0)
        holds += verdict(fit, replace(found.expectation, vanishes=False), 20).verdict == "holds"
        widths.append(np.diff(fit.interval()) / 2)
    assert np.median(widths) == pytest.approx(found.half_width, rel=0.08)
    assert holds / 400 == pytest.approx(found.holds, abs=0.1)


def test_more_members_decide_more():
    few, many = (powers("claim-c7", **{"subject.0.members": n})["function_distance_max", "relu"] for n in (20, 200))
    assert many.half_width < few.half_width
    assert many.holds > few.holds
    assert many.detects < few.detects


def test_a_bound_needs_the_truth_beyond_it():
    found = powers("claim-c4")["ntk_change_frobenius", "relu"]
    assert found.expectation.one_sided
    assert found.half_width < found.holds < 2 * found.half_width


def test_nothing_is_said_where_nothing_is_known():
    assert np.isnan(powers("claim-c13")["smallest_eigenvalue", "erf"].holds)


def test_scatter_is_of_known_quantities():
    assert not SCATTER.keys() - ALL.keys()
