"""What is made of findings: a claim's score, its controls, and the family that errors are controlled over."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.summary_page import draw_summary
from ntkbench.analysis.verdicts.judge import Finding, as_table
from ntkbench.analysis.verdicts.scoreboard import scores
from ntkbench.cli.scoreboard import report
from ntkbench.theory.claims import expected_exponent

FIT = Bounded(estimate=-0.5, error=0.01, n_widths=4, n_members=8, method="test")
RATE = FittedRate("run", "study", "task", "erf, depth 2", "erf", "network", "ntk", "ntk_distance_frobenius", FIT)


def finding(verdict, *, negative_control=False, label="network", metric="ntk_distance_frobenius"):
    expected = expected_exponent(metric, "erf")
    return Finding(replace(RATE, label=label, metric=metric), expected, negative_control, verdict, "because")


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
    assert score.negative_controls == {"study: wrong against ntk": True, "study: weak against ntk": False}


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
    board = SimpleNamespace(path=tmp_path, scores=scores(found), findings=found, sessions=())
    said = json.loads(json.dumps(report(board)))
    assert said["claims"][0]["verdict"] == "holds"
    assert said["verdicts"][0]["estimate"] == -0.5
    for kind in ("png", "svg"):
        draw_summary(board.scores, tmp_path / f"page.{kind}")
        assert (tmp_path / f"page.{kind}").stat().st_size > 1000
