"""The scoreboard as Markdown: what a reader of published results sees first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..series.quantities import quantity_name
from ..verdicts.judge import ERROR, floor_text
from .words import (
    control_words,
    curve_words,
    detected_words,
    distinct_subjects,
    expected,
    grade_words,
    interval,
    not_refuted_words,
    number,
    refuted_words,
    seeds_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..verdicts.scoreboard import Score
    from .report import Report


def scoreboard_page(report: Report) -> str:
    """Return the claims with their verdicts, and under each what was measured and which controls were refuted.

    :param report: its verdicts are those of one family of comparisons, perhaps of several seeds together.
    """
    scores, seeds = report.scores, report.replication
    pooled = []
    if seeds:
        pooled = [f"Pooled over {seeds_words(seeds.seeds)}; each by itself: [replication.md](replication.md).", ""]
    if report.error < ERROR:
        pooled += [f"This is one look of several: verdicts use intervals of {100 * (1 - report.error):.3g} %.", ""]
    lines = [
        "# The claims, measured",
        "",
        f"All verdicts are those of one family of m = {report.compared} comparisons.",
        "",
        *pooled,
    ]
    lines += ["| claim | statement | verdict | controls refuted |", "|---|---|---|---|"]
    lines += [
        f"| {score.claim} | {score.statement} | **{score.verdict}** | {_refuted(score)} |".replace("|d|", "\\|d\\|")
        for score in scores
    ]
    for score in scores:
        lines += ["", f"## {score.claim}: {score.statement}", "", *_of(score)]
    return "\n".join(lines) + "\n"


def _refuted(score: Score) -> str:
    return f"{score.refuted_controls} of {len(score.negative_controls)}" if score.negative_controls else ""


def _of(score: Score) -> Iterator[str]:
    yield "| quantity | of | measured | 95 % interval | floor | expected | because | points | members | verdict |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for finding, subject in zip(score.findings, distinct_subjects(score.findings), strict=True):
        fit = finding.rate.fit
        cells = (
            quantity_name(finding.rate.metric).replace("|", "\\|"),
            subject,
            number(fit.estimate),
            interval(*fit.interval()),
            "" if finding.floor is None else floor_text(finding.floor),
        )
        because = finding.expectation.note.replace("|", "\\|")
        counted = (expected(finding), because, str(fit.n_widths), str(fit.n_members), finding.verdict)
        yield "| " + " | ".join((*cells, *counted)) + " |"
    if score.negative_controls:
        yield from ("", "| negative control | quantities refuted | not refuted |", "|---|---|---|")
    for control in score.negative_controls:
        left = not_refuted_words(control).replace("|", "\\|")
        yield f"| {control_words(control)} | {refuted_words(control)} | {left} |"
    yield from _power(score)


def _power(score: Score) -> Iterator[str]:
    """Yield one table per thing that is off: a row per quantity, a column per deviation."""
    for what in dict.fromkeys(curve.what for curve in score.power_curves):
        curves = [curve for curve in score.power_curves if curve.what == what]
        percents = sorted({step.grade.percent for curve in curves for step in curve.steps if step.grade is not None})
        heads = [f"{percent:g} %" if percent else "0 (sham)" for percent in percents]
        yield from ("", f"Power: {what} off by", "")
        yield "| quantity | " + " | ".join(heads) + " | refuted from |"
        yield "|" + "---|" * (len(heads) + 2)
        for curve in curves:
            found = {step.grade.percent: grade_words(step) for step in curve.steps if step.grade is not None}
            cells = (curve_words(curve), *(found.get(percent, "") for percent in percents), detected_words(curve))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
