"""Findings without runs, for tests of what is made of them."""

from __future__ import annotations

from ntkbench.analysis.estimation.mixed import MixedEstimate
from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.verdicts.judge import Finding, as_one_family
from ntkbench.theory.claims import Expectation

BAND = Expectation(claim="C3", metric="output_blocks", value=-0.5, band_low=-0.6, band_high=-0.4)


class Found:
    """An estimate that can state its interval."""

    n_widths, n_members, method, lack_of_fit, rejected = 4, 20, "test", None, False

    def __init__(self, found):
        self.estimate, self.interval = found.estimate, lambda confidence=0.95: found.interval(confidence)


def finding(seed, value=-0.5, error=0.02, *, study="study", fit=None, component=None, censored=None, control=False):
    architecture = ArchitectureKey("erf", 2, 1.5, 0.1)
    key = SeriesKey(f"run-{seed}", study, TaskKey("task"), architecture, ("network",), component=component)
    fit = fit or Found(MixedEstimate(value, error, 0.0, 1e6, None))
    rate = FittedRate(key, "output_blocks", fit, censored=censored)
    found = Finding(rate, BAND, control, "reported", "", "not-judged")
    return as_one_family([found]).findings[0]
