"""Findings without runs, for tests of what is made of them."""

from __future__ import annotations

from ntkbench.analysis.estimation.mixed import MixedEstimate, MixedFit
from ntkbench.analysis.estimation.rates import FittedRate
from ntkbench.analysis.series.keys import ArchitectureKey, SeriesKey, TaskKey
from ntkbench.analysis.verdicts.judge import Finding, as_one_family
from ntkbench.theory.claims import Expectation

BAND = Expectation(claim="C3", metric="output_blocks", value=-0.5, band_low=-0.6, band_high=-0.4)


def finding(seed, value=-0.5, error=0.02, *, study="study", fit=None, component=None, censored=None, control=False):
    architecture = ArchitectureKey("erf", 2, 1.5, 0.1)
    key = SeriesKey(f"run-{seed}", study, TaskKey("task"), architecture, ("network",), component=component)
    found = MixedEstimate(value, error, 0.0, 1e6, None)
    fit = fit or MixedFit(estimate=value, n_widths=4, n_members=20, method="test", by_power=(found,))
    rate = FittedRate(key, "output_blocks", fit, censored=censored)
    found = Finding(rate, BAND, control, "reported", "", "not-judged")
    return as_one_family([found]).findings[0]
