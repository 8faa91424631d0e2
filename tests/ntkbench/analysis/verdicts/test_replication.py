"""Verdicts on several seeds: what is the same quantity, what is missing, and what is kept of each seed."""

from __future__ import annotations

import math

import pytest
from toy_findings import finding

from ntkbench.analysis.estimation.limits import nothing
from ntkbench.analysis.report.replication_page import replication_page
from ntkbench.analysis.verdicts.replication import replication
from ntkbench.analysis.verdicts.table import replication_table
from ntkbench.store.arrow import from_frame


def test_seeds_decide_together_what_none_decides_alone():
    seeds = {seed: [finding(seed, value, 0.06)] for seed, value in ((1, -0.49), (2, -0.50), (3, -0.51), (4, -0.5))}
    assert {f.verdict for (f,) in seeds.values()} == {"inconclusive"}
    found = replication(seeds, 10)
    (quantity,) = found.quantities
    assert quantity.pooled.verdict == "holds"
    assert quantity.verdicts == {"inconclusive": 4}
    assert quantity.pooled.rate.key.run_id == "run-1,run-2,run-3,run-4"
    assert found.comparisons == 10


def test_seeds_that_contradict_each_other_do_not_hold_together():
    found = replication({1: [finding(1, -0.42, 0.005)], 2: [finding(2, -0.58, 0.005)], 3: [finding(3, -0.5, 0.005)]}, 1)
    (quantity,) = found.quantities
    assert quantity.verdicts == {"holds": 3}
    assert quantity.pooled.verdict == "inconclusive"
    assert quantity.heterogeneity.p < 1e-6


def test_what_fails_on_one_seed_does_not_hold_on_all():
    seeds = {seed: [finding(seed, value, 0.004)] for seed, value in enumerate((-0.5, -0.5, -0.5, -0.5, -0.5, -0.37))}
    (quantity,) = replication(seeds, 1).quantities
    assert quantity.by_seed[5].verdict == "fails"
    assert (quantity.pooled.verdict, quantity.pooled.kind) == ("inconclusive", "one-seed-fails")
    assert quantity.pooled.reason.endswith("but by itself seed 5 fails")


def test_what_one_seed_lacks_is_not_measured():
    missing = finding(2, fit=nothing("12 of 12 cells failed"))
    (quantity,) = replication({1: [finding(1)], 2: [missing]}, 1).quantities
    assert quantity.pooled.verdict == "inconclusive"
    assert "seed 2: none: 12 of 12 cells failed" in quantity.pooled.reason


def test_a_component_is_judged_where_it_exists():
    found = replication({1: [finding(1, component=0), finding(1, component=3)], 2: [finding(2, component=0)]}, 2)
    assert [sorted(quantity.by_seed) for quantity in found.quantities] == [[1, 2], [1]]


def test_a_selection_on_one_seed_is_one_of_all():
    (quantity,) = replication({1: [finding(1)], 2: [finding(2, censored="3 of 4 cells diverged")]}, 1).quantities
    assert (quantity.pooled.verdict, quantity.pooled.kind) == ("inconclusive", "censored")
    assert "seed 2: 3 of 4 cells diverged" in quantity.pooled.reason


def test_controls_are_not_waited_for():
    (open_one, control) = replication(
        {1: [finding(1, -0.5, 0.2), finding(1, -0.5, 0.2, control=True)]}, 1
    ).quantities  # fmt: skip
    assert (open_one.open, control.open) == (True, False)


@pytest.mark.parametrize(("error", "verdict"), [(0.05, "holds"), (0.05 / 6, "inconclusive")])
def test_each_look_has_its_share_of_the_error(error, verdict):
    (quantity,) = replication({1: [finding(1, -0.5, 0.045)]}, 1, error).quantities
    assert quantity.pooled.verdict == verdict


def test_the_table_and_the_page_have_each_seed():
    found = replication({1: [finding(1)], 7: [finding(7, -0.45)]}, 3)
    table = replication_table(found)
    from_frame("replication", table)
    assert table["seed"].tolist() == [1, 7]
    assert table["estimate"].tolist() == [-0.5, -0.45]
    assert not math.isnan(table["heterogeneity"].iloc[0])
    page = replication_page(found)
    assert "| seed 1 | seed 7 |" in page
    assert "| -0.5 h | -0.45 h |" in page
    assert "| single seeds | 2 | 0 | 0 |" in page
