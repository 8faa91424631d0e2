"""What a reader reads: quantities with names, rows that can be told apart, and the training that took place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.report import Report
from ntkbench.analysis.report.scoreboard_page import scoreboard_page
from ntkbench.analysis.report.words import distinct_subjects, training_words
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.series.names import compared_words, task_words
from ntkbench.analysis.series.quantities import ALL, QUANTITY_NAMES, quantity_name
from ntkbench.analysis.verdicts.findings import KNOWN
from ntkbench.analysis.verdicts.judge import Finding
from ntkbench.theory.claims import JUDGED, expected_exponent

ARCHITECTURE = ArchitectureKey("erf", 2, 1.5, 0.1)
KEY = SeriesKey("run", "study", TaskKey("task", (("n_train", 16),)), ARCHITECTURE, ("network",), "ntk")
FIT = Bounded(estimate=-0.5, error=0.01, n_widths=4, n_members=8, method="test")


def finding(key=KEY, **facts):
    expected = expected_exponent("ntk_distance_operator", "erf")
    rate = FittedRate(key, "ntk_distance_operator", FIT, facts=facts)
    return Finding(rate, expected, False, "holds", "because", "inside")


def test_every_quantity_has_a_name():
    assert set(ALL) | set(KNOWN) | set(JUDGED) | {"ntk_smallest_eigenvalue"} == set(QUANTITY_NAMES)
    assert len(set(QUANTITY_NAMES.values())) == len(QUANTITY_NAMES)
    assert quantity_name("ntk_change_frobenius") == "change of the NTK during training, Frobenius norm"
    for identifier, name in QUANTITY_NAMES.items():
        assert identifier not in name


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"weight_std": 2.0}, ["weight_std 1.5", "weight_std 2"]),
        ({"weight_std": 1.50001}, ["weight_std 1.5", "weight_std 1.50001"]),
        ({"bias_std": 0.0}, ["bias_std 0.1", "bias_std 0"]),
        ({"depth": 3}, ["depth 2", "depth 3"]),
        ({"parameterization": "standard"}, ["parameterization ntk", "parameterization standard"]),
        ({"output_scale": 2.0}, ["output_scale 1", "output_scale 2"]),
        ({"trained_layers": "last"}, ["trained layers all", "trained layers last"]),
        ({"proportions": (1.0, 2.0)}, ["widths equal", "widths 1:2"]),
        ({"weight_std": 2.0, "depth": 3}, ["depth 2, weight_std 1.5", "depth 3, weight_std 2"]),
    ],
)
def test_rows_differ_by_what_their_architectures_differ_in(facts, said):
    found = [finding(), finding(replace(KEY, architecture=replace(ARCHITECTURE, **facts)))]
    rows = [f"erf, network against ntk, {words} (task n_train=16, study)" for words in said]
    assert distinct_subjects(found) == rows
    page = scoreboard_page(Report((), tuple(found), 94))
    assert all(f"| {row} |" in page for row in rows)
    assert page.count("m = 94 comparisons") == 1


def test_rows_differ_by_what_their_backends_differ_in():
    found = [finding(backend_params_json=json.dumps({"rank": rank, "method": "a"})) for rank in (4, 8)]
    assert distinct_subjects(found, lambda _: "") == [f"erf, network against ntk, rank {rank}" for rank in (4, 8)]


def test_rows_that_differ_in_words_need_no_more():
    found = [finding(), finding(replace(KEY, labels=("other",))), finding(replace(KEY, reference=None))]
    assert distinct_subjects(found, lambda _: "") == [
        "erf, network against ntk",
        "erf, other against ntk",
        "erf, network",
    ]


def test_a_task_and_a_series_in_words():
    assert task_words(TaskKey("t", (("hidden", (1, (2, 3))), ("loss", None)))) == "t hidden=[1, [2, 3]] loss=None"
    assert compared_words(replace(KEY, component=3)) == "network, component 3 against ntk"
    assert compared_words(replace(KEY, width=64.0)) == "network, width 64 against ntk"


@pytest.mark.parametrize(
    ("training", "loss", "said"),
    [
        ({"optimizer": "gradient-descent"}, "squared-error", "60 steps of gradient descent at learning rate 0.5"),
        ({"optimizer": "adam"}, None, "60 steps of Adam at learning rate 0.5"),
        ({"optimizer": "nesterov", "momentum": 0.9}, None, "60 steps of Nesterov momentum 0.9 at learning rate 0.5"),
        (
            {"optimizer": "heavy-ball", "momentum": 0.5, "batch_size": 8},
            "cross-entropy",
            "60 steps of heavy-ball momentum 0.5 on batches of 8 at learning rate 0.5, cross-entropy loss",
        ),
        (
            {"optimizer": "gradient-descent", "non_gradient": 2.0},
            "squared-error",
            "60 steps of gradient descent along no gradient (non_gradient 2) at learning rate 0.5",
        ),
    ],
)
def test_the_training_that_took_place(training, loss, said):
    facts = {"steps": 60, "learning_rate": 0.5, "optimizer": training["optimizer"], "loss": loss}
    assert training_words(facts | {"training_json": json.dumps(training)}) == said
    assert training_words(facts | {"steps": 0, "training_json": json.dumps(training)}) == "at initialization"
