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
    """A control that is wrong on purpose, and whether any of its measurements fails, as it should."""

    study: str
    labels: tuple[str, ...]
    reference: str | None
    refuted: bool


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
    refuted: dict[tuple[str, tuple[str, ...], str | None], bool] = {}
    for finding in found:
        if finding.negative_control:
            key = finding.rate.key
            of = (key.study, key.labels, key.reference)
            refuted[of] = refuted.get(of, False) or finding.verdict == "fails"
    return tuple(NegativeControl(*of, fails) for of, fails in refuted.items())
