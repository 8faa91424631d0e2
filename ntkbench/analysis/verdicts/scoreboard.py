"""The scoreboard: what came of each claim, from everything that its studies judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...theory.claims import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .judge import Finding, Verdict


@dataclass(frozen=True)
class Score:
    """One claim: its findings, and its controls by study and label."""

    claim: str
    findings: tuple[Finding, ...]
    negative_controls: dict[str, bool]

    @property
    def statement(self) -> str:
        """The claim in a line."""
        return STATEMENTS[self.claim]

    @property
    def verdict(self) -> Verdict:
        """``holds`` if all that is judged holds, ``fails`` if any of it fails, ``reported`` where nothing is judged."""
        verdicts = [finding.verdict for finding in self.findings if finding.verdict != "reported"]
        if not verdicts:
            return "reported"
        if "fails" in verdicts:
            return "fails"
        return "holds" if set(verdicts) == {"holds"} else "inconclusive"


def scores(found: Iterable[Finding]) -> list[Score]:
    """Return the scores of all claims that anything was measured of, in their order."""
    by_claim: dict[str, list[Finding]] = {}
    for finding in found:
        by_claim.setdefault(finding.expectation.claim, []).append(finding)
    return [
        Score(claim, tuple(f for f in by_claim[claim] if not f.negative_control), _controls(by_claim[claim]))
        for claim in STATEMENTS
        if claim in by_claim
    ]


def _controls(found: Sequence[Finding]) -> dict[str, bool]:
    """Return of each control whether anything that is measured of it fails."""
    refuted: dict[str, bool] = {}
    for finding in found:
        if finding.negative_control:
            rate = finding.rate
            against = f" against {rate.reference}" if rate.reference else ""
            name = f"{rate.study}: {rate.label.partition(',')[0]}{against}"
            refuted[name] = refuted.get(name, False) or finding.verdict == "fails"
    return refuted
