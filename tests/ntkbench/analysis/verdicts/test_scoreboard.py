"""What is made of findings: a claim's score, its controls, and the family that errors are controlled over."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from ntkbench.analysis.estimation.exponents import ExponentFit
from ntkbench.analysis.estimation.mixed import MixedEstimate
from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.report import Report
from ntkbench.analysis.report.scoreboard_page import scoreboard_page
from ntkbench.analysis.report.summary_page import draw_summary
from ntkbench.analysis.report.words import control_words, not_refuted_words, number, refuted_words
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.verdicts.claim import Grade
from ntkbench.analysis.verdicts.judge import Finding, minimum_detectable_deviation
from ntkbench.analysis.verdicts.replication import replication
from ntkbench.analysis.verdicts.scoreboard import scores
from ntkbench.analysis.verdicts.table import as_table
from ntkbench.api.claims import Board
from ntkbench.cli import scoreboard
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


def graded(percent, verdict, *, must_fail=False):
    of = finding(verdict, negative_control=True)
    key = replace(of.rate.key, reference=f"off-{percent:g}")
    return replace(of, rate=replace(of.rate, key=key), grade=Grade("weight_std", percent), must_fail=must_fail)


@pytest.mark.parametrize(
    ("verdicts", "detected"),
    [
        (["holds", "inconclusive", "fails", "fails"], 1),
        (["holds", "fails", "inconclusive", "fails"], 2),
        (["holds", "holds", "holds", "inconclusive"], math.inf),
        (["fails", "fails", "fails", "fails"], 0.25),
    ],
)
def test_a_power_curve_says_from_where_on_all_is_refuted(verdicts, detected):
    found = [graded(percent, verdict) for percent, verdict in zip((0, 0.25, 1, 2), verdicts, strict=True)]
    (score,) = scores([finding("holds"), *reversed(found)])
    (curve,) = score.power_curves
    assert (score.verdict, curve.detected) == ("holds", detected)
    assert len(curve.shams_refuted) == (verdicts[0] == "fails")
    assert not score.negative_controls
    page = scoreboard_page(Report((), (finding("holds"), *found), 1))
    assert "| quantity | 0 (sham) | 0.25 % | 1 % | 2 % | refuted from |" in page
    assert ("SHAM REFUTED" in page) == (verdicts[0] == "fails")


def test_a_graded_control_that_must_fail_is_a_negative_control_too():
    found = [finding("holds"), graded(0, "holds"), graded(2, "fails", must_fail=True)]
    (score,) = scores(found)
    assert [(control.reference, control.refuted) for control in score.negative_controls] == [("off-2", True)]
    assert [step.grade.percent for step in score.power_curves[0].steps] == [0, 2]
    assert list(as_table(found)["role"]) == ["claim", "graded_control", "negative_control"]


def test_controls_count_for_no_claim_and_need_one_refutation_each():
    found = [
        finding("holds"),
        finding("fails", negative_control=True, label="wrong"),
        finding("inconclusive", negative_control=True, label="wrong"),
        finding("inconclusive", negative_control=True, label="weak"),
    ]
    (score,) = scores(found)
    assert score.verdict == "holds"
    wrong, weak = score.negative_controls
    assert (wrong.refuted, wrong.judged, wrong.not_refuted) == (True, (found[1], found[2]), (found[2],))
    assert (weak.refuted, weak.judged, weak.not_refuted) == (False, (found[3],), (found[3],))
    assert [control_words(control) for control in score.negative_controls] == [
        "study: wrong against ntk",
        "study: weak against ntk",
    ]


def of_a_control(verdict, metric, activation="erf"):
    """Return a finding of the control ``wrong``."""
    made = finding(verdict, negative_control=True, label="wrong", metric=metric)
    key = replace(made.rate.key, architecture=replace(ARCHITECTURE, activation=activation))
    return replace(made, rate=replace(made.rate, key=key))


CONTROL = [
    finding("holds"),
    of_a_control("fails", "ntk_distance_frobenius"),
    of_a_control("fails", "ntk_distance_frobenius", "relu"),
    of_a_control("inconclusive", "ntk_distance_operator"),
    of_a_control("holds", "ntk_distance_operator", "relu"),
    of_a_control("reported", "ntk_variance"),
]


def test_a_control_says_how_many_of_its_quantities_are_refuted_and_names_the_others():
    (score,) = scores(CONTROL)
    (control,) = score.negative_controls
    assert refuted_words(control) == "2 of 4"  # what is only reported does not count
    named = "distance of the empirical NTK to its limit, operator norm (erf: inconclusive, relu: holds)"
    assert not_refuted_words(control) == named
    assert f"| study: wrong against ntk | 2 of 4 | {named} |" in scoreboard_page(Report((), tuple(CONTROL), 1))
    (weak,) = scores([CONTROL[0], CONTROL[3]])[0].negative_controls
    assert refuted_words(weak) == "NONE of 1"


def test_a_terminal_of_80_columns_shows_what_is_not_refuted(monkeypatch, tmp_path):
    screen = io.StringIO()
    monkeypatch.setattr(scoreboard, "make_console", lambda: Console(file=screen, width=80))
    scoreboard.show_board(Board(tmp_path, (), Report((), tuple(CONTROL), 7)))
    text = screen.getvalue()
    lines = text[text.index("negative control") : text.index("holds: the 95 %")].splitlines()
    assert max(map(len, lines)) <= 80
    assert "2 of 4" in lines[2]
    said = " ".join(text.split())
    for word in ("operator", "(erf: inconclusive,", "relu: holds)"):
        assert word in said
    assert said.count("(m = 7)") == 1


def test_a_board_of_several_seeds_says_which(monkeypatch, tmp_path):
    screen = io.StringIO()
    monkeypatch.setattr(scoreboard, "make_console", lambda: Console(file=screen, width=200))
    found = replication({1: [finding("holds")], 7: [finding("holds")]}, 5)
    board = Board(tmp_path, (), Report((), found.findings, 5, found))
    scoreboard.show_board(board)
    assert "Verdicts are on seeds 1, 7 together" in screen.getvalue()
    record = scoreboard.board_record(board)
    assert (record["seeds"], record["error"]) == ([1, 7], pytest.approx(0.05))


def test_what_one_look_detects_is_at_its_own_error(monkeypatch, tmp_path):
    screen = io.StringIO()
    monkeypatch.setattr(scoreboard, "make_console", lambda: Console(file=screen, width=300))
    fit = ExponentFit(
        estimate=-0.5,
        n_widths=4,
        n_members=8,
        method="test",
        by_power=(MixedEstimate(-0.5, 0.02, 0.0, 1e6, None),),
    )
    one = finding("holds")
    one = replace(one, rate=replace(one.rate, fit=fit))
    looked = replication({seed: [finding("holds")] for seed in (1, 7)}, 5, 0.0125)
    scoreboard.show_board(Board(tmp_path, (), Report((), (one,), 5, looked)))
    of_look, of_all = (number(minimum_detectable_deviation(fit, one.expectation, 5, error)) for error in (0.0125, 0.05))
    assert of_look != of_all
    assert of_look in screen.getvalue()
    assert of_all not in screen.getvalue()


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
    report = Report((), tuple(found), 94)
    said = json.loads(json.dumps(board_record(Board(tmp_path, (), report))))
    assert said["claims"][0]["verdict"] == "holds"
    assert said["verdicts"][0]["estimate"] == -0.5
    assert said["comparisons"] == 94
    (control,) = said["claims"][0]["negative_controls"]
    assert (control["refuted"], control["quantities_judged"], control["not_refuted"]) == (True, 1, [])
    for kind in ("png", "svg"):
        draw_summary(report.scores, tmp_path / f"page.{kind}")
        assert (tmp_path / f"page.{kind}").stat().st_size > 1000
