"""The sentence below a comparison says what its verdicts say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.comparisons import Comparison, JudgedRate
from ntkbench.analysis.report.conclusion import conclusion
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.verdicts.judge import Finding
from ntkbench.theory.claims import expected_exponent

KEY = SeriesKey("run", "study", TaskKey("task"), ArchitectureKey("erf", 2, 1.5, 0.1), ("network",), "ntk")
FIT = Bounded(estimate=-0.5, error=0.01, n_widths=4, n_members=8, method="test")
NAMES = ("ntk_distance_operator", "function_distance_max", "ntk_change_frobenius")


def comparison(*verdicts, distance=0.04893, **facts):
    rates = [FittedRate(KEY, name, FIT) for name in NAMES[: len(verdicts)]]
    found = [
        Finding(rate, expected_exponent(rate.metric, "erf"), False, verdict, "because", "inside")
        for rate, verdict in zip(rates, verdicts, strict=True)
    ]
    by_width = pd.DataFrame({"width": [64, 2048], "function_distance": [0.3, distance]})
    judged = tuple(JudgedRate(*pair) for pair in zip(rates, found, strict=True))
    return Comparison(KEY, facts, 1, ("a", "b"), by_width, judged)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (
            ["holds"] * 3,
            "predicts these networks: all 3 quantities hold; at width 2048 a network is 0.049 (RMS over test",
        ),
        (["holds", "reported"], "predicts these networks: the quantity that was judged holds; at width 2048"),
        (
            ["holds", "inconclusive", "holds"],
            "Not decided whether the NTK predicts these networks: 2 of 3 quantities hold, none fails.",
        ),
        (
            ["inconclusive"] * 2,
            "Not decided whether the NTK predicts these networks: none of 2 quantities hold, none fails. More",
        ),
        (["holds", "fails"], "does not predict these networks: it fails in the distance of networks to the kernel's"),
    ],
)
def test_it_says_what_the_verdicts_say(verdicts, said):
    assert said in conclusion(comparison(*verdicts))


def test_without_a_verdict_there_is_no_sentence():
    assert conclusion(comparison("reported")) is None
    assert conclusion(comparison()) is None


def test_without_a_distance_none_is_named():
    assert conclusion(comparison("holds", distance=np.nan)).endswith("the quantity that was judged holds.")


def test_networks_whose_last_layer_is_trained_are_the_nngps():
    assert conclusion(comparison("holds", trained_layers="last")).startswith("The NNGP predicts")
