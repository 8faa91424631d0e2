"""Verdicts: a claim holds, fails, or the data do not tell.

A claim HOLDS when the 95 % interval lies inside the equivalence band; it FAILS when a family-wise interval (Bonferroni:
1 - 0.05 / m for m verdicts of a run) is disjoint from the band; it is INCONCLUSIVE otherwise. Bounds are judged by
one-sided limits at the same levels. Never "contains the expected value": with more data that fails a true claim.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from scipy.special import ndtri

from ..claims import Expectation, expected_exponent
from ..store.schemas import SCHEMA_VERSION
from .exponents import CONFIDENCE, ExponentFit
from .rates import FittedRate, fitted_rates

if TYPE_CHECKING:
    from ..store.read import Results

Verdict = Literal["holds", "fails", "inconclusive", "reported"]

POWER = 0.8
_NAMES = ["schema_version", "run_id", "study", "claim", "task", "architecture", "quantity"]
_NUMBERS = ["expected", "band_low", "band_high", "estimate", "ci_low", "ci_high", "n_widths", "n_members"]
_VERDICT_COLUMNS = [*_NAMES, *_NUMBERS, "method", "verdict", "reason"]
_JUDGED_COLUMNS = [*_VERDICT_COLUMNS[:7], "label", "reference", *_VERDICT_COLUMNS[7:]]


def verdict(fit: ExponentFit, expectation: Expectation, n_comparisons: int = 1) -> tuple[Verdict, str]:
    """Judge a fitted exponent against what is expected, as one of ``n_comparisons`` verdicts.

    Where the data reject the power law itself (p < 0.01 for its lack of fit), no claim holds: the interval presumes
    what they contradict, so "inside the band" is inconclusive. "Disjoint from it" still fails. What is claimed is a
    power law with an exponent in the band and a correction b / n of the size allowed; a distance that levels off, say,
    is that claim refuted, and is rejected as a power law the surer the more data there are. A true claim's power law
    is rejected in 0.5 to 2 % of simulated studies, which costs a hold and never makes a fail.

    :returns: the verdict and its reason, which states the intervals used and the smallest deviation from the expected
        value that this measurement refutes with probability 0.8.
    """
    inner = _limits(fit, 1 - CONFIDENCE, expectation)
    outer = _limits(fit, (1 - CONFIDENCE) / max(n_comparisons, 1), expectation)
    if math.isnan(inner[0]):
        return ("inconclusive" if expectation.judged else "reported"), f"no exponent: {fit.method}"
    if not expectation.judged:
        return "reported", f"without verdict: {expectation.note}"
    kind = "one-sided limits" if expectation.one_sided else "interval"
    band, power = _text(expectation.band_low, expectation.band_high), _power_text(fit, outer, expectation)
    if expectation.band_low <= inner[0] and inner[1] <= expectation.band_high:
        within = f"95 % {kind} {_text(*inner)} inside {band}"
        if fit.rejected:
            return "inconclusive", f"{within}, but the data are not a power law (p = {fit.lack_of_fit:.1g})"
        return "holds", f"{within}; {power}"
    if outer[0] > expectation.band_high or outer[1] < expectation.band_low:
        doubt = "; the data are not a power law at all" if fit.rejected else ""
        return (
            "fails",
            f"{kind} {_text(*outer)}, family-wise over {n_comparisons}, disjoint from {band}; {power}{doubt}",
        )
    return "inconclusive", f"95 % {kind} {_text(*inner)} and {band}: neither inside nor, family-wise, disjoint; {power}"


def minimum_detectable_deviation(fit: ExponentFit, expectation: Expectation, n_comparisons: int = 1) -> float:
    """Return the deviation of the true exponent from the expected value that fails with probability 0.8.

    Half the band, half the family-wise interval, and z_0.8 standard errors; infinite where the interval is unbounded.
    """
    return _detectable(fit, _limits(fit, (1 - CONFIDENCE) / max(n_comparisons, 1), expectation), expectation)


def _detectable(fit: ExponentFit, outer: tuple[float, float], expectation: Expectation) -> float:
    low, high = fit.interval()
    error = (high - low) / (2 * float(ndtri(0.5 + CONFIDENCE / 2)))
    reach = fit.exponent - outer[0] if expectation.one_sided else (outer[1] - outer[0]) / 2
    return expectation.band_high - expectation.value + reach + float(ndtri(POWER)) * error


def _limits(fit: ExponentFit, alpha: float, expectation: Expectation) -> tuple[float, float]:
    """Return limits that err with probability alpha: together, or each for a bound, whose tests use one at a time."""
    return fit.interval(1 - 2 * alpha if expectation.one_sided else 1 - alpha)


def _power_text(fit: ExponentFit, outer: tuple[float, float], expectation: Expectation) -> str:
    deviation = _detectable(fit, outer, expectation)
    if not math.isfinite(deviation):
        return "no deviation of the exponent would be detected surely"
    side = "above" if expectation.one_sided else "from"
    return f"an exponent {deviation:.2g} {side} {expectation.value:g} would be refuted with probability {POWER:g}"


def _text(low: float, high: float) -> str:
    return f"(-inf, {high:.3g}]" if math.isinf(low) else f"[{low:.3g}, {high:.3g}]"


def verdict_table(results: Results) -> pd.DataFrame:
    """Return the table ``verdicts`` of the contract: one row per claim and quantity measured.

    ``quantity`` is the metric; where a task and architecture have several subjects or references, their labels follow
    it in brackets. A bound's ``band_low`` is null. Comparisons are counted per run.
    """
    table = judged_rates(results)
    keys = ["run_id", "study", "task", "architecture", "quantity"]
    several = table.groupby(keys)["quantity"].transform("size") > 1
    against = table["reference"].map(lambda label: f" against {label}" if isinstance(label, str) else "")
    named = table["quantity"] + " [" + table["label"] + against + "]"
    return table.assign(quantity=table["quantity"].where(~several, named))[_VERDICT_COLUMNS]


def judged_rates(results: Results) -> pd.DataFrame:
    """Return the verdicts with the columns ``label`` and ``reference`` of the subject and reference compared.

    A comparison with a reference that is not the theory (another kernel, a ridge, gradient flow), or of networks that
    diverged or were trained beyond the stable limit, is reported without verdict and counts in no family.
    """
    expected = [(rate, _expectation(rate)) for rate in fitted_rates(results)]
    pairs = [(rate, expectation) for rate, expectation in expected if expectation is not None]
    family = Counter(rate.run_id for rate, expectation in pairs if expectation.judged)
    rows = [_row(rate, expectation, family[rate.run_id]) for rate, expectation in pairs]
    return pd.DataFrame(rows, columns=_JUDGED_COLUMNS)


def _expectation(rate: FittedRate) -> Expectation | None:
    """Return what is expected of a rate, not to be judged where there is a caveat."""
    expectation = expected_exponent(rate.metric, rate.activation)
    if expectation is None or rate.caveat is None:
        return expectation
    return replace(expectation, judged=False, note=rate.caveat)


def _row(rate: FittedRate, expectation: Expectation, n_comparisons: int) -> dict[str, Any]:
    decided, reason = verdict(rate.fit, expectation, n_comparisons)
    low, high = rate.fit.interval()
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": rate.run_id,
        "study": rate.study,
        "claim": expectation.claim,
        "task": rate.task,
        "architecture": rate.architecture,
        "quantity": rate.metric,
        "label": rate.label,
        "reference": rate.reference,
        "expected": expectation.value,
        "band_low": expectation.band_low if math.isfinite(expectation.band_low) else math.nan,
        "band_high": expectation.band_high,
        "estimate": rate.fit.exponent,
        "ci_low": low,
        "ci_high": high,
        "n_widths": rate.fit.n_widths,
        "n_members": rate.fit.n_members,
        "method": rate.fit.method,
        "verdict": decided,
        "reason": reason,
    }
