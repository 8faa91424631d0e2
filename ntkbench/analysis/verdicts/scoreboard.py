"""The scoreboard: the verdict on each claim, from everything that its studies judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...theory.claims import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..series.keys import SeriesKey
    from .judge import Finding, Verdict


@dataclass(frozen=True)
class NegativeControl:
    """A control that is wrong on purpose: what is judged of it, of which at least one quantity should fail."""

    study: str
    labels: tuple[str, ...]
    reference: str | None
    judged: tuple[Finding, ...]

    @property
    def refuted(self) -> bool:
        """Whether any of its quantities fails."""
        return len(self.not_refuted) < len(self.judged)

    @property
    def not_refuted(self) -> tuple[Finding, ...]:
        """What is judged of it and does not fail."""
        return tuple(finding for finding in self.judged if finding.verdict != "fails")


@dataclass(frozen=True)
class PowerCurve:
    """Graded controls of one quantity and network: from which deviation on ``what`` is refuted.

    ``steps`` are findings by their grade, ascending; the first may be a sham, of grade 0.
    """

    study: str
    what: str
    steps: tuple[Finding, ...]

    @property
    def shams_refuted(self) -> tuple[Finding, ...]:
        """The findings of a right theory that is refuted: mistakes of the method."""
        return tuple(step for step in self.steps if _percent(step) == 0 and step.verdict == "fails")

    @property
    def detected(self) -> float:
        """The smallest deviation from which on all are refuted, in per cent; inf if the largest is not."""
        found = math.inf
        for step in reversed(self.steps):
            if step.verdict != "fails" or _percent(step) == 0:
                break
            found = _percent(step)
        return found


@dataclass(frozen=True)
class Score:
    """One claim: its findings, its controls, and the power curves of graded ones."""

    claim: str
    findings: tuple[Finding, ...]
    negative_controls: tuple[NegativeControl, ...]
    power_curves: tuple[PowerCurve, ...] = ()

    @property
    def statement(self) -> str:
        """The claim in one line."""
        return STATEMENTS[self.claim]

    @property
    def judged(self) -> tuple[Finding, ...]:
        """The findings that have a verdict."""
        return tuple(finding for finding in self.findings if finding.verdict != "reported")

    @property
    def refuted_controls(self) -> int:
        """How many controls are refuted."""
        return sum(control.refuted for control in self.negative_controls)

    @property
    def verdict(self) -> Verdict:
        """``holds`` if all judged findings hold, ``fails`` if any fails, ``reported`` if none is judged."""
        verdicts = [finding.verdict for finding in self.judged]
        if not verdicts:
            return "reported"
        if "fails" in verdicts:
            return "fails"
        return "holds" if set(verdicts) == {"holds"} else "inconclusive"


def scores(found: Iterable[Finding]) -> list[Score]:
    """Return the scores of all claims with measurements, in order."""
    by_claim: dict[str, list[Finding]] = {}
    for finding in found:
        by_claim.setdefault(finding.expectation.claim, []).append(finding)
    return [
        Score(
            claim,
            tuple(f for f in by_claim[claim] if not f.negative_control),
            _controls(by_claim[claim]),
            _power_curves(by_claim[claim]),
        )
        for claim in STATEMENTS
        if claim in by_claim
    ]


def _controls(found: Sequence[Finding]) -> tuple[NegativeControl, ...]:
    judged: dict[tuple[str, tuple[str, ...], str | None], list[Finding]] = {}
    for finding in found:
        if finding.negative_control and finding.must_fail:
            key = finding.rate.key
            of = judged.setdefault((key.study, key.labels, key.reference), [])
            of += [finding] if finding.verdict != "reported" else []
    return tuple(NegativeControl(*of, tuple(findings)) for of, findings in judged.items())


def _power_curves(found: Sequence[Finding]) -> tuple[PowerCurve, ...]:
    curves: dict[tuple[str, str, SeriesKey, str], list[Finding]] = {}
    for finding in found:
        if finding.grade is not None and finding.verdict != "reported":
            key = finding.rate.key
            place = (key.study, finding.grade.what, replace(key, reference=None), finding.rate.metric)
            curves.setdefault(place, []).append(finding)
    return tuple(
        PowerCurve(study, what, tuple(sorted(steps, key=_percent))) for (study, what, *_), steps in curves.items()
    )


def _percent(finding: Finding) -> float:
    return 0.0 if finding.grade is None else finding.grade.percent
