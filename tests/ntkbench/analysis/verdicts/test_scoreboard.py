"""What is made of findings: a claim's score, its controls, and the family that errors are controlled over."""

import json
from dataclasses import replace

import pytest

from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.report import Report
from ntkbench.analysis.report.summary_page import draw_summary
from ntkbench.analysis.report.words import control_words
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.verdicts.judge import Finding, as_table
from ntkbench.analysis.verdicts.scoreboard import NegativeControl, scores
from ntkbench.api.claims import Board
from ntkbench.cli.scoreboard import board_record
from ntkbench.theory.claims import expected_exponent

FIT = Bounded(estimate=-0.5, error=0.01, n_widths=4, n_members=8, method="test")
ARCHITECTURE = ArchitectureKey("erf", 2, 1.5, 0.1)
KEY = SeriesKey("run", "study", TaskKey("task"), ARCHITECTURE, ("network",), "ntk")
RATE = FittedRate(KEY, "ntk_distance_frobenius", FIT)


def finding(verdict, *, negative_control=False, label="network", metric="ntk_distance_frobenius"):
    expected = expected_exponent(metric, "erf")
    rate = replace(RATE, key=replace(KEY, labels=(label,)), metric=metric)
    return Finding(rate, expected, negative_control, verdict, "because", "inside")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "reported"], "holds"),
        (["holds", "inconclusive"], "inconclusive"),
        (["holds", "inconclusive", "fails"], "fails"),
        (["reported"], "reported"),
    ],
)
def test_a_claim_holds_if_all_that_is_judged_does(verdicts, expected):
    (score,) = scores([finding(verdict) for verdict in verdicts])
    assert (score.claim, score.verdict) == ("C2", expected)


def test_controls_count_for_no_claim_and_need_one_refutation_each():
    found = [
        finding("holds"),
        finding("fails", negative_control=True, label="wrong"),
        finding("inconclusive", negative_control=True, label="wrong"),
        finding("inconclusive", negative_control=True, label="weak"),
    ]
    (score,) = scores(found)
    assert score.verdict == "holds"
    assert score.negative_controls == (
        NegativeControl("study", ("wrong",), "ntk", refuted=True),
        NegativeControl("study", ("weak",), "ntk", refuted=False),
    )
    assert [control_words(control) for control in score.negative_controls] == [
        "study: wrong against ntk",
        "study: weak against ntk",
    ]


def test_claims_are_in_order():
    found = [
        finding("holds", metric="function_distance_max"),
        finding("holds"),
        finding("holds", metric="output_blocks"),
    ]
    assert [score.claim for score in scores(found)] == ["C2", "C3", "C7"]


def test_the_table_and_the_report_say_the_same(tmp_path):
    found = [finding("holds"), finding("fails", negative_control=True, label="wrong")]
    table = as_table(found)
    assert table["role"].tolist() == ["claim", "negative_control"]
    assert table["verdict"].tolist() == ["holds", "fails"]
    report = Report((), tuple(found))
    said = json.loads(json.dumps(board_record(Board(tmp_path, (), report))))
    assert said["claims"][0]["verdict"] == "holds"
    assert said["verdicts"][0]["estimate"] == -0.5
    for kind in ("png", "svg"):
        draw_summary(report.scores, tmp_path / f"page.{kind}")
        assert (tmp_path / f"page.{kind}").stat().st_size > 1000
