"""One page for the scoreboard: every judged quantity of every claim, on the scale of its own band."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..verdicts.judge import Finding
    from ..verdicts.scoreboard import Score

_STYLES = {"holds": ("#009E73", "o"), "fails": ("#D55E00", "X"), "inconclusive": ("#E69F00", "s")}
_REACH = 4.0
_LINE_INCHES = 0.2


def draw_summary(scores: Sequence[Score], path: Path) -> None:
    """Write the page: a line per judged quantity, 0 what is expected, -1 and 1 the ends of its band."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [(score, finding) for score in scores for finding in score.findings if finding.verdict != "reported"]
    figure = Figure(figsize=(13, 2.2 + _LINE_INCHES * (len(lines) + 2 * len(scores))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvspan(-1, 1, color="#DDDDDD", zorder=0)
    axes.axvline(0, color="#000000", linestyle="--", linewidth=1)
    ticks: list[tuple[float, str]] = []
    place = 0.0
    for score in scores:
        place += 1.2
        axes.text(-_REACH, place, _heading(score), va="center", fontsize="small", weight="bold")
        for finding in (f for f in score.findings if f.verdict != "reported"):
            place += 1
            _draw(axes, place, finding)
            ticks.append((place, _label(finding)))
    axes.set_yticks([y for y, _ in ticks], [text for _, text in ticks], fontsize="x-small")
    axes.set(xlim=(-_REACH, _REACH), ylim=(place + 1, 0))
    axes.set_xlabel("deviation from what is expected, in half-widths of its band; 95 % intervals (arrows: beyond)")
    axes.set_title("The claims of the theory: measured against expected. Grey: the band in which a claim holds")
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _heading(score: Score) -> str:
    controls = (
        f"; controls refuted: {sum(score.negative_controls.values())} of {len(score.negative_controls)}"
        if score.negative_controls
        else ""
    )
    return f"{score.claim} {score.verdict}: {score.statement}{controls}"


def _label(finding: Finding) -> str:
    rate = finding.rate
    return f"{rate.metric}, {rate.activation}, {rate.label}"


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
