"""The scoreboard: the verdict on each claim, from everything that its studies judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...theory.claims import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
class Score:
    """One claim: its findings, and its controls."""

    claim: str
    findings: tuple[Finding, ...]
    negative_controls: tuple[NegativeControl, ...]

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
        Score(claim, tuple(f for f in by_claim[claim] if not f.negative_control), _controls(by_claim[claim]))
        for claim in STATEMENTS
        if claim in by_claim
    ]


def _controls(found: Sequence[Finding]) -> tuple[NegativeControl, ...]:
    judged: dict[tuple[str, tuple[str, ...], str | None], list[Finding]] = {}
    for finding in found:
        if finding.negative_control:
            key = finding.rate.key
            of = judged.setdefault((key.study, key.labels, key.reference), [])
            of += [finding] if finding.verdict != "reported" else []
    return tuple(NegativeControl(*of, tuple(findings)) for of, findings in judged.items())
