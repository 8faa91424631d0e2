"""One page for the scoreboard: every judged quantity of every claim, on the scale of its own band."""

from __future__ import annotations

import math
from textwrap import fill
from typing import TYPE_CHECKING

from ..series.names import task_words
from ..series.quantities import quantity_name
from .words import distinct_subjects, task_and_study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..series.keys import SeriesKey
    from ..verdicts.judge import Finding
    from ..verdicts.scoreboard import Score

_STYLES = {"holds": ("#009E73", "o"), "fails": ("#D55E00", "X"), "inconclusive": ("#E69F00", "s")}
_REACH = 4.0
_INCHES = 11
_LINE_INCHES = 0.25
_LETTERS = 74


def draw_summary(scores: Sequence[Score], path: Path) -> None:
    """Write the page: a line per judged quantity, 0 what is expected, -1 and 1 the ends of its band."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import blended_transform_factory

    lines = sum(len(score.judged) for score in scores)
    figure = Figure(figsize=(_INCHES, 2.2 + _LINE_INCHES * (lines + 2 * len(scores))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvspan(-1, 1, color="#DDDDDD", zorder=0)
    axes.axvline(0, color="#000000", linestyle="--", linewidth=1)
    beside = blended_transform_factory(figure.transFigure, axes.transData)
    ticks: list[tuple[float, str]] = []
    place = 0.0
    for score in scores:
        place += 1.2
        heading = _heading(score)
        axes.text(0.01, place, heading, va="center", fontsize="small", weight="bold", transform=beside, in_layout=False)
        for finding, words in zip(score.judged, _subjects(score.judged), strict=True):
            place += 1
            _draw(axes, place, finding)
            ticks.append((place, fill(f"{quantity_name(finding.rate.metric)}: {words}", _LETTERS)))
    axes.set_yticks([y for y, _ in ticks], [text for _, text in ticks], fontsize="x-small")
    axes.set(xlim=(-_REACH, _REACH), ylim=(place + 1, 0))
    axes.set_xlabel("deviation from what is expected, in half-widths\nof its band; 95 % intervals (arrows: beyond)")
    figure.suptitle("The claims of the theory: measured against expected.\nGrey: the band in which a claim holds")
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _heading(score: Score) -> str:
    known = len(score.negative_controls)
    controls = f"; controls refuted: {score.refuted_controls} of {known}" if known else ""
    return f"{score.claim} {score.verdict}: {score.statement}{controls}"


def _subjects(found: Sequence[Finding]) -> list[str]:
    """Return what each finding is of, with its study where a claim has several."""
    several = len({finding.rate.key.study for finding in found}) > 1
    return distinct_subjects(found, task_and_study if several else _task)


def _task(key: SeriesKey) -> str:
    return task_words(key.task)


def _draw(axes: Axes, place: float, finding: Finding) -> None:
    estimate, *ends = (_scaled(v, finding) for v in (finding.rate.fit.estimate, *finding.rate.fit.interval()))
    colour, marker = _STYLES[finding.verdict]
    if math.isnan(ends[0]):
        axes.text(0, place, "no estimate", va="center", ha="center", fontsize="x-small", color=colour)
        return
    low, high = (min(max(end, -_REACH), _REACH) for end in ends)
    axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
    for end, edge, sign in ((ends[0], low, "<"), (ends[1], high, ">")):
        if abs(end) > _REACH:
            axes.plot([edge], [place], sign, color=colour, markersize=5)
    if abs(estimate) <= _REACH:
        axes.plot([estimate], [place], marker, color=colour, markersize=5)


def _scaled(value: float, finding: Finding) -> float:
    """Return a value on the scale on which the band is -1 to 1; a bound is at 1, or -1."""
    found = finding.expectation
    if math.isinf(found.band_low):
        return 1 + (value - found.band_high) / max(abs(found.band_high), 0.1)
    if math.isinf(found.band_high):
        return -1 + (value - found.band_low) / max(abs(finding.rate.fit.estimate), 1e-12)
    return (value - found.value) / ((found.band_high - found.band_low) / 2)
