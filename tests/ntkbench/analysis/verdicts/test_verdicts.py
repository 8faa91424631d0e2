"""Verdicts: inside the band, clear of it, or neither; and they can fail."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from ntkbench.analysis.estimation.bias_of_mean import fit_exponent_of_mean
from ntkbench.analysis.estimation.exponents import ExponentFit, fit_exponent
from ntkbench.analysis.estimation.limits import fit_limit
from ntkbench.analysis.estimation.mixed import MixedEstimate
from ntkbench.analysis.report.report import analyse
from ntkbench.analysis.verdicts.judge import minimum_detectable_deviation, verdict
from ntkbench.analysis.verdicts.table import verdict_table
from ntkbench.store.schemas import SCHEMAS
from ntkbench.theory.claims import Expectation, expected_exponent

BAND = Expectation(claim="C2", metric="m", value=-0.5, band_low=-0.6, band_high=-0.4)
BOUND = Expectation(claim="C4", metric="m", value=-0.5, band_low=-math.inf, band_high=-0.5, one_sided=True)


def fit(exponent, error):
    found = MixedEstimate(exponent, error, 0.0, 1e6, None)
    return ExponentFit(estimate=exponent, n_widths=4, n_members=8, method="test", by_power=(found,))


@pytest.mark.parametrize(
    ("exponent", "error", "n_comparisons", "expected"),
    [
        (-0.5, 0.04, 1, "holds"),  # -0.58, -0.42
        (-0.5, 0.06, 1, "inconclusive"),  # contains the value, but also what lies outside the band
        (-0.58, 0.005, 1, "holds"),  # excludes the value, and is equivalent to it
        (-0.58, 0.02, 1, "inconclusive"),
        (-0.3, 0.04, 1, "fails"),  # -0.38, -0.22
        (-0.3, 0.04, 20, "inconclusive"),  # one of twenty: 3.02 standard errors, -0.42
        (-0.25, 0.04, 20, "fails"),
        (-0.8, 0.04, 1, "fails"),
        (-0.5, 0.04, 20, "holds"),  # the family widens what refutes, not what confirms
        (math.nan, math.nan, 1, "inconclusive"),
    ],
)
def test_band(exponent, error, n_comparisons, expected):
    decided, reason, *_ = verdict(fit(exponent, error), BAND, n_comparisons)
    assert decided == expected
    assert reason


@pytest.mark.parametrize(
    ("exponent", "error", "n_comparisons", "expected"),
    [
        (-0.73, 0.05, 1, "holds"),
        (-2.0, 0.05, 1, "holds"),  # faster than the bound is within it
        (-0.6, 0.055, 1, "holds"),  # one-sided: 1.645 standard errors reach -0.51, 1.96 would reach -0.49
        (-0.5, 0.01, 1, "inconclusive"),
        (-0.45, 0.04, 1, "inconclusive"),
        (-0.3, 0.1, 1, "fails"),  # one-sided: -0.46
        (-0.3, 0.1, 10, "inconclusive"),
        (0.0, 0.05, 10, "fails"),  # mean-field scaling: the kernel changes at every width
        (math.nan, math.nan, 1, "inconclusive"),
    ],
)
def test_bound(exponent, error, n_comparisons, expected):
    assert verdict(fit(exponent, error), BOUND, n_comparisons)[0] == expected


@pytest.mark.parametrize("exponent", [-0.5, -0.2])
def test_a_rejected_law_decides_nothing_by_itself(exponent):
    # A failure needs slopes too, which move away from the band (test_robustness); here there is no curve.
    rejected = replace(fit(exponent, 0.02), lack_of_fit=1e-4)
    decided, reason, *_ = verdict(rejected, BAND)
    assert decided == "inconclusive"
    assert "not a power law" in reason
    accepted, reason, *_ = verdict(replace(rejected, lack_of_fit=0.02), BAND)
    assert accepted == ("holds" if exponent == -0.5 else "fails")
    assert "not a power law" not in reason


def test_reason_of_no_exponent_is_its_method():
    nothing = fit_exponent([64], [[1.0, 2.0]])
    assert verdict(nothing, BAND) == (
        "inconclusive",
        "no exponent: none: needs two widths with two members each",
        "no-estimate",
        None,
    )


def test_a_limit_that_was_extrapolated_by_a_rejected_model_refutes_nothing():
    widths = 64.0 * 2 ** np.arange(5)
    limit = Expectation(claim="C8", metric="m", value=1.0, band_low=0.9, band_high=1.1, noun="limit")
    slow = fit_limit(widths, 1 + 4 * widths**-0.5, 0.002, 200)
    assert slow.rejected
    assert verdict(slow, limit)[::2] == ("inconclusive", "rejected")
    assert verdict(fit_limit(widths, 1.3 + 4 / widths, 0.002, 200), limit)[0] == "fails"


def test_interval_open_on_one_side():
    values = [1.0, 0.2, 0.1, 0.1]  # a bias at the smallest width alone: any steep enough fall fits
    widths = [32, 128, 512, 2048]
    open_below = fit_exponent_of_mean(widths, values, [0.05] * 4, [0.1] * 4, members=8)
    assert open_below.interval(0.95)[0] == -math.inf
    assert verdict(open_below, BOUND)[0] == "holds"
    assert verdict(open_below, BAND)[0] == "fails"
    deep = Expectation(claim="C7", metric="m", value=-1, band_low=-1.1, band_high=-0.9)
    decided, reason, *_ = verdict(open_below, deep)
    assert decided == "inconclusive"
    assert "for no deviation of the exponent would the interval alone exclude the band" in reason


def test_detectable_deviation_is_found_as_often_as_it_says():
    error, m = 0.03, 5
    deviation = minimum_detectable_deviation(fit(-0.5, error), BAND, m)
    assert f"{deviation:.2g} from -0.5" in verdict(fit(-0.5, error), BAND, m)[1]
    for expectation, looks in itertools.product((BAND, BOUND), (1, 4)):
        each = 0.05 / looks
        deviation = minimum_detectable_deviation(fit(expectation.value, error), expectation, m, each)
        at_80_percent = expectation.value + deviation - ndtri(0.8) * error
        assert verdict(fit(at_80_percent + 1e-6, error), expectation, m, each)[0] == "fails"
        assert verdict(fit(at_80_percent - 1e-6, error), expectation, m, each)[0] == "inconclusive"


def test_family_wise_error_of_simulated_boards():
    # Ten true exponents at the very edge of their bands: a board with any failure is rarer than 5 %.
    rng = np.random.default_rng(0)
    edges = BAND.band_high + 0.02 * rng.standard_normal((1000, 10))
    failed = [any(verdict(fit(x, 0.02), BAND, 10)[0] == "fails" for x in board) for board in edges]
    assert np.mean(failed) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(
    ("metric", "activation", "claim", "band"),
    [
        ("ntk_distance_frobenius", "erf", "C2", (-0.55, -0.45)),
        ("ntk_distance_operator", "relu", "C2", (-0.6, -0.4)),
        ("ntk_change_frobenius", "erf", "C4", (-1.1, -0.9)),
        ("ntk_change_frobenius", "relu", "C4", (-math.inf, -0.5)),
        ("ntk_change_frobenius", "leaky_relu(slope=0.1)", "C4", (-math.inf, -0.5)),
        ("ntk_change_frobenius", "mine:unknown", "C4", (-math.inf, -0.5)),
        ("function_distance_max", "relu", "C7", (-0.6, -0.4)),
        ("function_distance_of_mean_over_time", "relu", "C7", (-1.1, -0.9)),
    ],
)
def test_expectations_are_the_theory_pages(metric, activation, claim, band):
    expectation = expected_exponent(metric, activation)
    assert expectation is not None
    assert expectation.judged
    assert (expectation.claim, expectation.band_low, expectation.band_high) == (claim, *band)


def test_one_step_is_reported_and_the_unknown_unexpected():
    expectation = expected_exponent("function_distance", "relu")
    assert verdict(fit(-0.2, 0.01), expectation, 1)[0] == "reported"
    assert expected_exponent("rmse", "relu") is None


NTK = {"kernel": "ntk", "ridge": 0.0, "deviations": ()}


def make_results(exponents, activation="erf", references=("ntk",), kernel=NTK):
    rng = np.random.default_rng(3)
    facts = {"run_id": "r", "study": "s", "task": "t", "label": "network", "role": "subject", "status": "ok"}
    facts |= {"activation": activation, "depth": 2, "weight_std": 1.5, "bias_std": 0.1, "split_index": 0, "members": 40}
    widths = 64 * 2 ** np.arange(7)
    facts |= {"n_train": 8, "learning_rate": 0.5, "training_json": '{"optimizer":"gradient-descent","momentum":0.0}'}
    networks = [facts | {"cell_id": str(n), "width": n} for n in widths]
    kernels = [facts | kernel | {"cell_id": label, "label": label, "role": "reference"} for label in references]
    cells = pd.DataFrame([*networks, *kernels])
    rows = [
        {"metric": metric, "reference": reference, "member": k, "value": n**p * np.sqrt(rng.gamma(5) / 5)}
        | {"run_id": "r", "cell_id": str(n), "split": "train", "split_index": 0, "time": 0.0, "component": None}
        | {"reference_cell_id": reference}
        for metric, p in exponents.items()
        for reference in references
        for n in widths
        for k in range(40)
    ]
    return SimpleNamespace(cells=cells, measurements=pd.DataFrame(rows))


def test_verdict_table():
    table = verdict_table(make_results({"ntk_distance_frobenius": -0.5, "ntk_distance_operator": -0.5}))
    assert list(table.columns) == [column.name for column in SCHEMAS["verdicts"]]
    assert list(table["quantity"]) == ["ntk_distance_frobenius", "ntk_distance_operator"]
    assert set(table["verdict"]) == {"holds"}
    assert set(table["claim"]) == {"C2"}
    assert table["expected"].tolist() == [-0.5, -0.5]


def test_a_wrong_theory_fails():
    # A wrong kernel: the distance levels off instead of falling as n^-1/2.
    table = verdict_table(make_results({"ntk_distance_frobenius": -0.1, "ntk_change_frobenius": 0.0}, "relu"))
    assert table.set_index("quantity")["verdict"].to_dict() == {
        "ntk_distance_frobenius": "fails",
        "ntk_change_frobenius": "fails",
    }
    assert "family-wise over 2" in table["reason"].iloc[0]
    assert table.set_index("quantity")["band_low"].isna().to_dict()["ntk_change_frobenius"]


def test_several_references_are_told_apart():
    results = make_results({"ntk_distance_frobenius": -0.5}, references=("ntk", "other"))
    quantities = verdict_table(results)["quantity"].tolist()
    assert quantities == [f"ntk_distance_frobenius [network against {r}]" for r in ("ntk", "other")]
    assert [finding.rate.key.reference for finding in analyse(results).findings] == ["ntk", "other"]


def test_no_results_give_an_empty_table():
    results = make_results({"ntk_distance_frobenius": -0.5})
    empty = SimpleNamespace(cells=results.cells.iloc[:0], measurements=results.measurements.iloc[:0])
    table = verdict_table(empty)
    assert table.empty
    assert list(table.columns) == [column.name for column in SCHEMAS["verdicts"]]


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ({"kernel": "nngp"}, "kernel is nngp"),
        ({"ridge": 0.1}, "ridge 0.1"),
        ({"deviations": ("the reference follows gradient flow",)}, "gradient flow"),
    ],
)
def test_what_is_not_the_theory_is_reported_and_widens_no_family(kernel, said):
    wrong = {"ntk_distance_frobenius": 0.0}
    assert verdict_table(make_results(wrong))["verdict"].tolist() == ["fails"]
    both = verdict_table(make_results(wrong, kernel=NTK | kernel))
    assert both["verdict"].tolist() == ["reported"]
    assert said in both["reason"].iloc[0]


def test_networks_beyond_the_stable_limit_or_diverged_are_reported():
    changing = {"ntk_change_frobenius": 0.0}
    for metric, value, cell_id, said in (
        ("largest_eigenvalue", 2 * 8 / 0.5, "ntk", "stable limit"),
        ("diverged_step", 20.0, "64", "members that diverged: 1"),
    ):
        results = make_results(changing)
        assert verdict_table(results)["verdict"].tolist() == ["fails"]
        row = {"metric": metric, "value": value, "run_id": "r", "cell_id": cell_id, "member": 0}
        results.measurements = pd.concat([results.measurements, pd.DataFrame([row])], ignore_index=True)
        table = verdict_table(results)
        assert table["verdict"].tolist() == ["reported"]
        assert said in table["reason"].iloc[0]


@pytest.mark.parametrize(
    ("status", "expected"), [("failed", "reported"), ("diverged", "reported"), ("timeout", "holds")]
)
def test_what_is_left_of_cells_that_failed_is_reported_where_no_claim_is_named(status, expected):
    results = make_results({"ntk_distance_frobenius": -0.5})
    lost = results.cells["cell_id"] == "64"
    results.cells.loc[lost, "status"] = status
    results.measurements = results.measurements[results.measurements["cell_id"] != "64"]
    (row,) = verdict_table(results).to_dict("records")
    assert row["verdict"] == expected
    assert "1 of 7 cells" in row["method"]
    assert ("1 of 7 cells" in row["reason"]) == (expected == "reported")


ABOVE_ZERO = Expectation(
    claim="C10", metric="m", value=0.0, band_low=0.0, band_high=math.inf, one_sided=True, noun="log ratio"
)


@pytest.mark.parametrize(
    ("estimate", "error", "n_comparisons", "expected"),
    [
        (0.4, 0.1, 1, "holds"),
        (0.17, 0.1, 1, "holds"),  # one-sided: 1.645 standard errors reach 0.0055, 1.96 would reach -0.026
        (0.1, 0.1, 1, "inconclusive"),
        (-0.1, 0.1, 1, "inconclusive"),
        (-0.2, 0.1, 1, "fails"),
        (-0.2, 0.1, 20, "inconclusive"),
    ],
)
def test_a_bound_from_below(estimate, error, n_comparisons, expected):
    decided, reason, *_ = verdict(fit(estimate, error), ABOVE_ZERO, n_comparisons)
    assert decided == expected
    assert "[0, inf)" in reason
    assert "a log ratio" in reason
    assert "the interval alone would exclude the band for a log ratio" in reason
    assert "below 0, with probability 0.8" in reason


def test_what_is_estimated_has_its_name():
    limit = Expectation(claim="C8", metric="m", value=1.0, band_low=0.9, band_high=1.1, noun="limit")
    _, reason, *_ = verdict(replace(fit(1.0, 0.02), lack_of_fit=1e-4), limit)
    assert "not of the expansion that was fitted" in reason
    assert verdict(fit(math.nan, math.nan), limit)[1].startswith("no limit")
