"""Verdicts: a claim holds, fails, or the data do not tell.

A claim HOLDS when the 95 % interval lies inside the equivalence band; it FAILS when a family-wise interval (Bonferroni:
1 - 0.05 / m for m verdicts of a run) is disjoint from the band; it is INCONCLUSIVE otherwise. Bounds are judged by
one-sided limits at the same levels. Never "contains the expected value": with more data that fails a true claim.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from scipy.special import ndtri

from ...store.read import load
from ...store.schemas import SCHEMA_VERSION
from ...theory.claims import Expectation, expectation
from ..estimation.exponents import CONFIDENCE
from ..estimation.limits import nothing
from ..estimation.rates import FittedRate, fitted_rates
from ..series.cells import architecture_name
from .findings import findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...store.read import Results
    from ..estimation.rates import Fit

Verdict = Literal["holds", "fails", "inconclusive", "reported"]

POWER = 0.8
_LAW = {"exponent": "a power law", "limit": "of the expansion that was fitted"}
_NAMES = ["schema_version", "run_id", "study", "claim", "task", "architecture", "quantity"]
_NUMBERS = ["expected", "band_low", "band_high", "estimate", "ci_low", "ci_high", "n_widths", "n_members"]
_VERDICT_COLUMNS = [*_NAMES, "role", *_NUMBERS, "method", "verdict", "reason"]
_JUDGED_COLUMNS = [*_VERDICT_COLUMNS[:7], "label", "reference", *_VERDICT_COLUMNS[7:]]


def verdict(fit: Fit, expectation: Expectation, n_comparisons: int = 1) -> tuple[Verdict, str]:
    """Judge an estimate against what is expected, as one of ``n_comparisons`` verdicts.

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
        return ("inconclusive" if expectation.judged else "reported"), f"no {expectation.noun}: {fit.method}"
    if not expectation.judged:
        return "reported", f"without verdict: {expectation.note}"
    kind = "one-sided limits" if expectation.one_sided else "interval"
    law = _LAW.get(expectation.noun, "what was presumed")
    band, power = _text(expectation.band_low, expectation.band_high), _power_text(fit, outer, expectation)
    if expectation.band_low <= inner[0] and inner[1] <= expectation.band_high:
        within = f"95 % {kind} {_text(*inner)} inside {band}"
        if fit.rejected:
            return "inconclusive", f"{within}, but the data are not {law} (p = {fit.lack_of_fit:.1g})"
        return "holds", f"{within}; {power}"
    if outer[0] > expectation.band_high or outer[1] < expectation.band_low:
        doubt = f"; the data are not {law} at all" if fit.rejected else ""
        return (
            "fails",
            f"{kind} {_text(*outer)}, family-wise over {n_comparisons}, disjoint from {band}; {power}{doubt}",
        )
    return "inconclusive", f"95 % {kind} {_text(*inner)} and {band}: neither inside nor, family-wise, disjoint; {power}"


def minimum_detectable_deviation(fit: Fit, expectation: Expectation, n_comparisons: int = 1) -> float:
    """Return the deviation of the true exponent from the expected value that fails with probability 0.8.

    Half the band, half the family-wise interval, and z_0.8 standard errors; infinite where the interval is unbounded.
    """
    return _detectable(fit, _limits(fit, (1 - CONFIDENCE) / max(n_comparisons, 1), expectation), expectation)


def _detectable(fit: Fit, outer: tuple[float, float], expectation: Expectation) -> float:
    low, high = fit.interval()
    error = (high - low) / (2 * float(ndtri(0.5 + CONFIDENCE / 2)))
    margin = expectation.band_high if math.isfinite(expectation.band_high) else expectation.band_low
    reach = fit.estimate - outer[0] if expectation.one_sided else (outer[1] - outer[0]) / 2
    return abs(margin - expectation.value) + reach + float(ndtri(POWER)) * error


def _limits(fit: Fit, alpha: float, expectation: Expectation) -> tuple[float, float]:
    """Return limits that err with probability alpha: together, or each for a bound, whose tests use one at a time."""
    return fit.interval(1 - 2 * alpha if expectation.one_sided else 1 - alpha)


def _power_text(fit: Fit, outer: tuple[float, float], expectation: Expectation) -> str:
    deviation = _detectable(fit, outer, expectation)
    if not math.isfinite(deviation):
        return f"no deviation of the {expectation.noun} would be detected surely"
    side = "from" if not expectation.one_sided else "above" if math.isinf(expectation.band_low) else "below"
    article = "an" if expectation.noun[0] in "aeiou" else "a"
    return (
        f"{article} {expectation.noun} {deviation:.2g} {side} {expectation.value:g} would be refuted with probability "
        f"{POWER:g}"
    )


def _text(low: float, high: float) -> str:
    if math.isinf(high):
        return f"[{low:.3g}, inf)"
    return f"(-inf, {high:.3g}]" if math.isinf(low) else f"[{low:.3g}, {high:.3g}]"


def verdict_table(results: Results) -> pd.DataFrame:
    """Return the table ``verdicts`` of the contract: one row per claim and quantity measured.

    ``quantity`` is the metric; where a task and architecture have several subjects or references, their labels follow
    it in brackets. A bound's open end is null. Comparisons are counted per run.
    """
    return as_table(judged_findings(results))


def as_table(found: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as rows of the table ``verdicts``."""
    table = pd.DataFrame([_row(finding) for finding in found], columns=_JUDGED_COLUMNS)
    keys = ["run_id", "study", "task", "architecture", "quantity"]
    several = table.groupby(keys)["quantity"].transform("size") > 1
    against = table["reference"].map(lambda label: f" against {label}" if isinstance(label, str) else "")
    named = table["quantity"] + " [" + table["label"] + against + "]"
    return table.assign(quantity=table["quantity"].where(~several, named))[_VERDICT_COLUMNS]


def judged_rates(results: Results) -> pd.DataFrame:
    """Return the verdicts with the columns ``label`` and ``reference`` of the subject and reference compared."""
    rows = [_row(finding) for finding in judged_findings(results)]
    return pd.DataFrame(rows, columns=_JUDGED_COLUMNS)


@dataclass(frozen=True)
class Finding:
    """An estimate with what is expected of it, and what came of the comparison.

    ``negative_control``: the theory, or the network, is wrong on purpose: it should fail.
    """

    rate: FittedRate
    expectation: Expectation
    negative_control: bool
    verdict: Verdict
    reason: str


def judged_findings(results: Results, family: Literal["run", "all"] = "run") -> list[Finding]:
    """Return all that is measured of the claims, judged as one of all the comparisons of its run, or of all runs.

    A study of a claim says which quantities it judges, and which of its labels are controls. In other studies the rates
    by width are judged; a comparison with a reference that is not the theory (another kernel, a ridge, gradient flow),
    or of networks that diverged or were trained beyond the stable limit, is reported without verdict. What is reported,
    and controls, count in no family.
    """
    expected = [entry for run in _runs(results) for entry in _expected(run)]
    counted = Counter(rate.run_id for rate, found, control in expected if found.judged and not control)
    of_all = counted.total()
    return [
        Finding(rate, found, control, *verdict(rate.fit, found, of_all if family == "all" else counted[rate.run_id]))
        for rate, found, control in expected
    ]


def _runs(results: Results) -> Iterator[Results]:
    """Yield the results of each run by itself, for each has its own claim."""
    paths = getattr(results, "paths", ())
    if len(paths) < 2:
        yield results
    for path in paths if len(paths) > 1 else ():
        yield load(path)


def _expected(results: Results) -> Iterator[tuple[FittedRate, Expectation, bool]]:
    claim = _claim(results)
    if claim is None:
        for rate in fitted_rates(results):
            if (found := expectation(rate.metric, rate.facts)) is not None:
                yield rate, _unless(rate.caveat, found), False
        return
    measured = set()
    for rate in findings(results, claim["judge"]):
        found = expectation(rate.metric, rate.facts, claim["id"])
        if found is None or _no_curve(rate):
            continue
        control = _is_control(rate, claim["negative_controls"])
        if not control:
            measured.add(rate.metric)
        yield rate, found if control else _unless(rate.caveat, found), control
    for name in claim["judge"]:
        if name not in measured:
            yield from _unmeasured(results, name, claim["id"])


def _unmeasured(results: Results, name: str, claim: str) -> Iterator[tuple[FittedRate, Expectation, bool]]:
    """Yield a row for a quantity that a study judges and nothing was measured of: cells failed, or were skipped."""
    for facts in results.cells.to_dict("records")[:1]:
        row = {str(key): value for key, value in facts.items()}
        if (found := expectation(name, row, claim)) is not None:
            names = (str(row["run_id"]), str(row["study"]), str(row["task"]), architecture_name(row))
            yield (
                FittedRate(*names, str(row["activation"]), "-", None, name, nothing("nothing was measured")),
                found,
                False,
            )


def _no_curve(rate: FittedRate) -> bool:
    """Return whether there is a single width where a rate needs several: the label serves another quantity."""
    return math.isnan(rate.fit.estimate) and rate.points is not None and len(rate.points) < 2


def _claim(results: Results) -> dict[str, Any] | None:
    """Return what the study says of its claim, None where it is no study of one."""
    for run in getattr(results, "runs", ()):
        claim: dict[str, Any] | None = run["resolved"].get("claim")
        return claim
    return None


def _is_control(rate: FittedRate, controls: Sequence[str]) -> bool:
    label = rate.label.partition(",")[0]
    return bool({label, rate.reference, f"{label} against {rate.reference}"} & {*controls})


def _unless(caveat: str | None, found: Expectation) -> Expectation:
    """Return what is expected, not to be judged where there is a caveat."""
    return found if caveat is None else replace(found, judged=False, note=caveat)


def _row(finding: Finding) -> dict[str, Any]:
    rate, found = finding.rate, finding.expectation
    low, high = rate.fit.interval()
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": rate.run_id,
        "study": rate.study,
        "claim": found.claim,
        "task": rate.task,
        "architecture": rate.architecture,
        "quantity": rate.metric,
        "label": rate.label,
        "reference": rate.reference,
        "role": "negative_control" if finding.negative_control else "claim",
        "expected": found.value,
        "band_low": found.band_low if math.isfinite(found.band_low) else math.nan,
        "band_high": found.band_high if math.isfinite(found.band_high) else math.nan,
        "estimate": rate.fit.estimate,
        "ci_low": low,
        "ci_high": high,
        "n_widths": rate.fit.n_widths,
        "n_members": rate.fit.n_members,
        "method": rate.fit.method,
        "verdict": finding.verdict,
        "reason": finding.reason,
    }
