"""The scoreboard as Markdown: what a reader of published results sees first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..verdicts.judge import Finding
    from ..verdicts.scoreboard import Score


def scoreboard_page(scores: Sequence[Score]) -> str:
    """Return the claims with their verdicts, and under each what was measured and which controls were refuted."""
    lines = ["# The claims, measured", "", "| claim | statement | verdict | controls refuted |", "|---|---|---|---|"]
    lines += [
        f"| {score.claim} | {score.statement} | **{score.verdict}** | {_refuted(score)} |".replace("|d|", "\\|d\\|")
        for score in scores
    ]
    for score in scores:
        lines += ["", f"## {score.claim}: {score.statement}", "", *_of(score)]
    return "\n".join(lines) + "\n"


def _refuted(score: Score) -> str:
    return (
        f"{sum(score.negative_controls.values())} of {len(score.negative_controls)}" if score.negative_controls else ""
    )


def _of(score: Score) -> Iterator[str]:
    yield "| quantity | of | measured | 95 % interval | expected | because | points | members | verdict |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for finding in score.findings:
        fit = finding.rate.fit
        cells = (finding.rate.metric, subject(finding), number(fit.estimate), interval(*fit.interval()))
        because = finding.expectation.note.replace("|", "\\|")
        counted = (expected(finding), because, str(fit.n_widths), str(fit.n_members), finding.verdict)
        yield "| " + " | ".join((*cells, *counted)) + " |"
    if score.negative_controls:
        yield ""
    for name, refuted in score.negative_controls.items():
        yield f"* control `{name}`: {'refuted' if refuted else 'NOT refuted'}"


def subject(finding: Finding) -> str:
    """Return what a finding is of: activation, label, reference, task and study."""
    rate = finding.rate
    against = f" against {rate.reference}" if rate.reference else ""
    return f"{rate.activation}, {rate.label}{against} ({rate.task}, {rate.study})"


def expected(finding: Finding) -> str:
    """Return the band of a finding in words."""
    found = finding.expectation
    if math.isinf(found.band_low):
        return f"at most {found.band_high:g}"
    if math.isinf(found.band_high):
        return f"above {found.band_low:g}"
    return f"{found.value:g} in [{found.band_low:g}, {found.band_high:g}]"


def number(value: float) -> str:
    """Return a number to four digits, or a dash."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def interval(low: float, high: float) -> str:
    """Return an interval to four digits, or a dash."""
    return "-" if math.isnan(low) or math.isnan(high) else f"[{low:.4g}, {high:.4g}]"
