"""Verdicts: a claim holds, fails, or the data are inconclusive.

A claim HOLDS when the 95 % interval lies inside the equivalence band; it FAILS when a family-wise interval (Bonferroni:
1 - 0.05 / m for m comparisons) is disjoint from the band; it is INCONCLUSIVE otherwise. Bounds are judged by
one-sided limits at the same levels. Of several seeds, "holds" speaks of every data set, so that how far data sets
differ is in the interval; "fails" needs only those at hand. Never "contains the expected value": with more data that
fails a true claim.

All that a claim's study planned has a row. What was not measured is inconclusive, and so is what remains of networks
that diverged or cells that failed (:mod:`..estimation.missing`).

Exponents are judged with what stands beside them (:mod:`.robustness`): a floor below a distance to a limit refutes
even where the exponent is inside the band; a slope that may still reach the band refutes nothing; and a verdict that
depends on the assumed finite-width correction is inconclusive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from scipy.special import ndtri

from ...store.read import load
from ...theory.claims import Expectation, expectation
from ..estimation.fit import CONFIDENCE
from ..estimation.limits import nothing
from ..estimation.rates import FittedRate, Rates
from ..estimation.smallest_eigenvalues import WITHOUT_SAMPLING
from .expected_rows import PlannedStudy, comparisons_planned
from .findings import estimates
from .robustness import curve_of, failure_depends, floor_of, hold_depends, steepens, unsettled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ...store.read import Results
    from ..estimation.fit import Fit
    from ..estimation.floor import Floor
    from ..estimation.local_slopes import LocalSlopes
    from ..series.keys import SeriesKey
    from .claim import Grade, StudiedClaim
    from .robustness import Sensitivity

Verdict = Literal["holds", "fails", "inconclusive", "reported"]
ReasonKind = Literal[
    "no-estimate",
    "not-judged",
    "censored",
    "inside",
    "one-seed-fails",
    "rejected",
    "disjoint",
    "neither",
    "floor",
    "floor-possible",
    "not-asymptotic",
    "depends",
]
"""The kinds of reasons for a verdict: nothing was estimated, or it is not judged, or what was measured may be a
selection; the interval is inside the band, or inside but one seed by itself fails, or the data reject what the interval
presumes, or disjoint from the band, or neither inside nor disjoint. Of exponents: a floor refutes the limit, or may be
there; the slope may still reach the band; the verdict depends on the assumed correction."""

POWER = 0.8
ERROR = 1 - CONFIDENCE
_LAW = {"exponent": "a power law", "limit": "of the expansion that was fitted"}


class Judgement(NamedTuple):
    """A verdict, its reason in words, and which kind of reason it is."""

    verdict: Verdict
    reason: str
    kind: ReasonKind
    sensitivity: Sensitivity | None = None


def verdict(fit: Fit, expectation: Expectation, n_comparisons: int = 1, error: float = ERROR) -> Judgement:
    """Judge an estimate against its expectation, as one of ``n_comparisons`` verdicts.

    :param error: how often an interval may miss the truth; less than 0.05 where this is one look of several.

    If the data reject the power law itself (p < 0.01 for its lack of fit), the claim cannot hold: the interval assumes
    a model that they contradict. A true claim's power law is rejected in 0.5 to 2 % of simulated studies. Disjoint from
    the band it fails if the slope is settled (:func:`.robustness.unsettled`), as it does by a floor.

    :returns: the verdict and its reason, which states the intervals used and the smallest deviation from the expected
        value whose interval excludes the band with probability 0.8.
    """
    inner = _limits(fit, error, expectation)
    if math.isnan(inner[0]):
        found: Verdict = "inconclusive" if expectation.judged else "reported"
        return Judgement(found, f"no {expectation.noun}: {fit.words}", "no-estimate")
    if not expectation.judged:
        return Judgement("reported", f"without verdict: {expectation.note}", "not-judged")
    return _compared(fit, expectation, n_comparisons, error)


def _compared(fit: Fit, expectation: Expectation, n_comparisons: int, error: float) -> Judgement:
    """Compare an estimate's interval with the band."""
    inner, outer = _limits(fit, error, expectation), _limits(fit.at_hand, error / max(n_comparisons, 1), expectation)
    kind = "one-sided limits" if expectation.one_sided else "interval"
    law = _LAW.get(expectation.noun, "what was presumed")
    band, power = _text(expectation.band_low, expectation.band_high), _power_text(fit, outer, expectation)
    if (found := _of_floor(fit, expectation, n_comparisons, error)) is not None:
        return found
    if expectation.band_low <= inner[0] and inner[1] <= expectation.band_high:
        within = f"{_percent(error)} {kind} {_text(*inner)} inside {band}"
        return _inside(fit, expectation, within, power)
    if outer[0] > expectation.band_high or outer[1] < expectation.band_low:
        doubt = f"; the data are not {law} at all" if fit.rejected else ""
        text = f"{kind} {_text(*outer)}, family-wise over {n_comparisons}, disjoint from {band}"
        return _disjoint(fit, expectation, text, f"; {power}{doubt}")
    text = f"{_percent(error)} {kind} {_text(*inner)} and {band}: neither inside nor, family-wise, disjoint; {power}"
    return Judgement("inconclusive", text, "neither")


def _percent(error: float) -> str:
    return f"{100 * (1 - error):.3g} %"


def _of_floor(fit: Fit, expectation: Expectation, n_comparisons: int, error: float) -> Judgement | None:
    """Return the failure of a distance that levels off above zero, unless its slopes still steepen."""
    floor = floor_of(fit, expectation)
    confidence = 1 - error / max(n_comparisons, 1)
    if floor is None or not floor.is_above_zero(confidence) or steepens(fit):
        return None
    text = (
        f"the distance levels off: a floor of {floor_text(floor)} of the distance at the largest width; above 0 too "
        f"family-wise over {n_comparisons}"
    )
    return Judgement("fails", text, "floor")


def _inside(fit: Fit, expectation: Expectation, within: str, power: str) -> Judgement:
    """Judge an estimate whose interval is inside the band."""
    if fit.rejected:
        law = _LAW.get(expectation.noun, "what was presumed")
        return Judgement(
            "inconclusive", f"{within}, but the data are not {law} (p = {fit.lack_of_fit:.1g})", "rejected"
        )
    floor = floor_of(fit, expectation)
    if floor is not None and floor.is_above_zero(CONFIDENCE):
        text = f"{within}, but there may be a floor of {floor_text(floor)} of the distance at the largest width"
        return Judgement("inconclusive", text, "floor-possible")
    found = "" if floor is None else f"; floor {floor_text(floor)} of the distance at the largest width"
    if hold_depends(fit, expectation):
        text = f"{within}, but it depends on the assumed correction: under another the estimate is outside"
        return Judgement("inconclusive", text, "depends", "depends")
    return Judgement("holds", f"{within}{found}; {power}", "inside", _robust(fit))


def _disjoint(fit: Fit, expectation: Expectation, text: str, power: str) -> Judgement:
    """Judge an estimate whose family-wise interval is disjoint from the band.

    An extrapolation by a model that the data reject refutes nothing.
    """
    if fit.rejected and curve_of(fit) is None and expectation.noun in _LAW:
        said = f"{text}, but the data are not {_LAW[expectation.noun]} (p = {fit.lack_of_fit:.1g})"
        return Judgement("inconclusive", said, "rejected")
    if (slopes := unsettled(fit, expectation)) is not None:
        return Judgement(
            "inconclusive", f"not yet asymptotic: {_slopes_text(slopes, expectation)}; {text}", "not-asymptotic"
        )
    if failure_depends(fit, expectation):
        said = f"{text}, but it depends on the assumed correction: under another the 95 % interval reaches the band"
        return Judgement("inconclusive", said, "depends", "depends")
    return Judgement("fails", text + power, "disjoint", _robust(fit))


def _robust(fit: Fit) -> Sensitivity | None:
    return None if curve_of(fit) is None else "robust"


def floor_text(floor: Floor) -> str:
    """Return a floor in words, such as ``31 % [22 %, 38 %]``."""
    low, high = (f"{100 * end:.0f} %" for end in floor.interval())
    return f"{100 * floor.share:.0f} % [{low}, {high}]"


def _slopes_text(slopes: LocalSlopes, expectation: Expectation) -> str:
    """Return how the local slope changes, and the width from which it may be inside the band."""
    changes = (
        f"the local slope goes from {slopes.first:.2g} at width {slopes.smallest_width:g} to {slopes.last:.2g} "
        f"[{slopes.at_largest[0]:.2g}, {slopes.at_largest[1]:.2g}] at {slopes.largest_width:g}"
    )
    width = slopes.width_at(expectation.band_low, expectation.band_high)
    return changes if width is None else f"{changes}; it may reach the band from width {width:.1g}"


def minimum_detectable_deviation(
    fit: Fit, expectation: Expectation, n_comparisons: int = 1, error: float = ERROR
) -> float:
    """Return the deviation of the truth from the expected value whose interval excludes the band with probability 0.8.

    Half the band, half the family-wise interval, and z_0.8 standard errors; infinite where the interval is unbounded.
    A failure takes more: a settled slope, and the same outcome under other corrections (:mod:`.simulated`).

    :param error: how often an interval may miss the truth, as for :func:`verdict`.
    """
    return _detectable(fit, _limits(fit.at_hand, error / max(n_comparisons, 1), expectation), expectation)


def _detectable(fit: Fit, outer: tuple[float, float], expectation: Expectation) -> float:
    low, high = fit.interval()
    error = (high - low) / (2 * float(ndtri(0.5 + CONFIDENCE / 2)))
    margin = expectation.band_high if math.isfinite(expectation.band_high) else expectation.band_low
    reach = fit.estimate - outer[0] if expectation.one_sided else (outer[1] - outer[0]) / 2
    return abs(margin - expectation.value) + reach + float(ndtri(POWER)) * error


def _limits(fit: Fit, alpha: float, expectation: Expectation) -> tuple[float, float]:
    """Return limits that err with probability alpha: both together, or, for a bound, whose test uses only one, each."""
    return fit.limits(alpha) if expectation.one_sided else fit.interval(1 - alpha)


def _power_text(fit: Fit, outer: tuple[float, float], expectation: Expectation) -> str:
    deviation = _detectable(fit, outer, expectation)
    if not math.isfinite(deviation):
        return f"for no deviation of the {expectation.noun} would the interval alone exclude the band"
    side = "from" if not expectation.one_sided else "above" if math.isinf(expectation.band_low) else "below"
    article = "an" if expectation.noun[0] in "aeiou" else "a"
    return (
        f"the interval alone would exclude the band for {article} {expectation.noun} {deviation:.2g} {side} "
        f"{expectation.value:g}, with probability {POWER:g}"
    )


def _text(low: float, high: float) -> str:
    if math.isinf(high):
        return f"[{low:.3g}, inf)"
    return f"(-inf, {high:.3g}]" if math.isinf(low) else f"[{low:.3g}, {high:.3g}]"


@dataclass(frozen=True)
class Finding:
    """An estimate, its expectation, and the result of comparing them.

    ``negative_control``: the theory or the network is wrong on purpose, and supports no claim. ``kind`` is the kind of
    the reason. ``sensitivity``: of a verdict on an exponent, whether it depends on the assumed correction. ``grade``:
    how wrong it is, of a graded control; ``must_fail``: whether the study asks for a refutation.
    """

    rate: FittedRate
    expectation: Expectation
    negative_control: bool
    verdict: Verdict
    reason: str
    kind: ReasonKind
    sensitivity: Sensitivity | None = None
    grade: Grade | None = None
    must_fail: bool = True

    @cached_property
    def floor(self) -> Floor | None:
        """The floor below a distance to a limit; None of other quantities."""
        return floor_of(self.rate.fit, self.expectation)

    @property
    def judged(self) -> bool:
        """Whether it counts in a family of comparisons.

        Reported quantities, controls and numbers without sampling error do not.
        """
        return _counts(self.rate, self.expectation, self.negative_control)


@dataclass(frozen=True)
class JudgedRun:
    """The findings of one run on the claims, and m, the number of comparisons that they were judged among."""

    findings: tuple[Finding, ...]
    comparisons: int


def judged_run(rates: Rates, claim: StudiedClaim | None) -> JudgedRun:
    """Return all findings of one run on the claims, judged as one family.

    A study of a claim lists the quantities that it judges, and the labels that are controls. Its family is what it
    planned to judge, whatever came of it. In other studies the rates by width are judged; a comparison with a reference
    that is not the theory (another kernel, a ridge, gradient flow), or of networks of which some diverged, failed or
    were trained beyond the stable limit, is reported without verdict. Reported quantities, controls and numbers without
    sampling error do not count in the family.
    """
    plan = None if claim is None else _plan(rates, claim)
    expected = list(_of_widths(rates) if plan is None else _of_claim(rates, plan))
    counted = sum(_counts(*row) for row in expected)
    family = counted if plan is None else max(comparisons_planned(plan), counted)
    return JudgedRun(tuple(_graded(_finding(*row, family), claim) for row in expected), family)


def never_measured(plan: PlannedStudy) -> tuple[Finding, ...]:
    """Return the findings of a study of which no cell has run: nothing, of all that it planned."""
    return tuple(_graded(_finding(*row, 0), plan.claim) for row in _unmeasured(plan, ()))


def as_one_family(found: Sequence[Finding], comparisons: int = 0, error: float = ERROR) -> JudgedRun:
    """Return findings of several runs, judged as one family of ``comparisons``, or of as many as they are if fewer.

    :param error: how often an interval may miss the truth (:func:`verdict`).
    """
    family = max(comparisons, sum(finding.judged for finding in found))
    judged = [_judged(finding.rate, finding.expectation, family, error) for finding in found]
    return JudgedRun(
        tuple(
            replace(finding, verdict=said.verdict, reason=said.reason, kind=said.kind, sensitivity=said.sensitivity)
            for finding, said in zip(found, judged, strict=True)
        ),
        family,
    )


def _finding(rate: FittedRate, found: Expectation, control: bool, family: int) -> Finding:
    said = _judged(rate, found, family)
    return Finding(rate, found, control, said.verdict, said.reason, said.kind, said.sensitivity)


def _graded(finding: Finding, claim: StudiedClaim | None) -> Finding:
    """Return a finding with its grade, if it is of a graded control."""
    key = finding.rate.key
    grade = None if claim is None else claim.grades.get(key.reference or "")
    return finding if claim is None or grade is None else replace(finding, grade=grade, must_fail=claim.must_fail(key))


def _judged(rate: FittedRate, found: Expectation, family: int, error: float = ERROR) -> Judgement:
    """Return the verdict on an estimate; one that may be the result of a selection neither holds nor fails."""
    said = verdict(rate.fit, found, max(family, 1), error)
    if rate.censored is None or said.kind in ("no-estimate", "not-judged"):
        return said
    return Judgement("inconclusive", f"{rate.censored}; of the rest: {said.reason}", "censored")


def _counts(rate: FittedRate, found: Expectation, control: bool) -> bool:
    return found.judged and not control and rate.metric not in WITHOUT_SAMPLING


def each_run(results: Results) -> Iterator[Results]:
    """Yield the results of each run separately, since each has its own claim."""
    paths = getattr(results, "paths", ())
    if len(paths) < 2:
        yield results
    for path in paths if len(paths) > 1 else ():
        yield load(path)


_Expected = tuple[FittedRate, Expectation, bool]


def _of_widths(rates: Rates) -> Iterator[_Expected]:
    for rate in estimates(rates, rates.quantities):
        if not rates.is_a_curve(rate.key):
            continue
        if (found := expectation(rate.metric, rate.facts)) is not None:
            yield rate, _unless(rate.caveat or rate.censored, found), False


def _plan(rates: Rates, claim: StudiedClaim) -> PlannedStudy:
    (run,) = rates.runs
    return PlannedStudy(claim, run["resolved"], rates.planned, rates.cells)


def _of_claim(rates: Rates, plan: PlannedStudy) -> Iterator[_Expected]:
    """Yield what was measured of the quantities that a study judges, then what it planned and did not measure."""
    claim, measured = plan.claim, set()
    for rate in estimates(rates, claim.judge):
        found = expectation(rate.metric, rate.facts, claim.id)
        if found is None or _no_curve(rate):
            continue
        control = claim.is_control(rate.key)
        measured.add((replace(rate.key, component=None), rate.metric))
        yield rate, found if control else _unless(rate.caveat, found), control
    yield from _unmeasured(plan, measured)


def _unmeasured(plan: PlannedStudy, measured: Collection[tuple[SeriesKey, str]]) -> Iterator[_Expected]:
    for row in plan.expected:
        found = expectation(row.metric, row.facts, plan.claim.id)
        if found is not None and (row.key, row.metric) not in measured:
            rate = FittedRate(row.key, row.metric, nothing(row.lacking or "nothing was measured"), facts=row.facts)
            yield rate, found, plan.claim.is_control(row.key)


def _no_curve(rate: FittedRate) -> bool:
    """Return whether a rate has a single width, where it needs several: planned so, or because others failed."""
    return math.isnan(rate.fit.estimate) and rate.points is not None and len(rate.points) < 2


def _unless(caveat: str | None, found: Expectation) -> Expectation:
    """Return the expectation, marked as not judged if there is a caveat."""
    return found if caveat is None else replace(found, judged=False, note=caveat)
