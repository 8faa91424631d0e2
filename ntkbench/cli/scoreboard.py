"""The scoreboard on a terminal, and as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..analysis.report.words import (
    band,
    control_words,
    curve_words,
    detected_words,
    distinct_subjects,
    expected,
    interval,
    not_refuted_words,
    number,
    refuted_words,
    seeds_words,
)
from ..analysis.series.quantities import quantity_name
from ..analysis.verdicts.judge import minimum_detectable_deviation
from ..analysis.verdicts.table import as_table
from ..plugin.terminal import make_console
from .tables import show_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..analysis.verdicts.judge import Finding
    from ..analysis.verdicts.scoreboard import NegativeControl, PowerCurve, Score
    from ..api.claims import Board
    from ..api.run import Session

_WIDE = 140
_STYLES = {"holds": "green", "fails": "bold red", "inconclusive": "yellow", "reported": "dim"}


def show_board(board: Board) -> None:
    """Print the measurements of each claim, then the claims with their verdicts."""
    console = make_console()
    family = board.report.compared
    _show_scores(console, board.report.scores, family, board.report.error)
    for session in board.sessions:
        if session.summary.failures or session.summary.problems:
            show_problems(session)
    console.print(_summary(board))
    if board.report.replication:
        seeds = seeds_words(board.report.replication.seeds)
        console.print(
            f"Verdicts are on {seeds} together; each by itself: {board.path / 'replication.md'}", soft_wrap=True
        )
    console.print(_legend(family, board.report.error))
    console.print(f"Tables, figures: {board.path}", soft_wrap=True)


def show_run(session: Session) -> None:
    """Print one study's measurements of its claim."""
    console = make_console()
    family = session.report.compared
    _show_scores(console, session.report.scores, family, session.report.error)
    console.print(_legend(family, session.report.error))


def _show_scores(console: Console, found: Sequence[Score], family: int, error: float) -> None:
    """Print the measurements of each claim and what came of its negative controls."""
    for score in found:
        console.print(Text.assemble("\n", (score.claim, "bold"), f" {score.statement}"), soft_wrap=True)
        console.print((_findings if console.width >= _WIDE else _narrow_findings)(score, family, error))
        if score.negative_controls:
            console.print(_controls(score))
        if score.power_curves:
            console.print(_power(score))


def _controls(score: Score) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("negative control", overflow="fold")
    table.add_column("refuted", justify="right", no_wrap=True)
    table.add_column("not refuted by", overflow="fold")
    for control in score.negative_controls:
        style = "" if control.refuted else "bold red"
        left = Text(not_refuted_words(control))
        table.add_row(Text(control_words(control)), Text(refuted_words(control), style=style), left)
    return table


def _power(score: Score) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("graded controls", overflow="fold")
    table.add_column("off", overflow="fold")
    table.add_column("refuted from", justify="right")
    for curve in score.power_curves:
        style = "bold red" if curve.shams_refuted else ""
        table.add_row(Text(curve_words(curve)), curve.what, Text(detected_words(curve), style=style))
    return table


def _legend(family: int, error: float) -> str:
    return (
        f"holds: the {100 * (1 - error):.3g} % interval lies in the band. fails: an interval at 1 - {error:.2g} / m, "
        f"for all m comparisons judged together (m = {family}), is disjoint from it. A claim holds if all that is "
        "judged of it holds. 'detects': the deviation for which the interval alone would exclude the band with "
        "probability 0.8; 'points': the widths, or other places on the axis, behind a number; 'members': the fewest "
        "networks at any.\n"
        "`ntkbench show STUDY` says what is measured and why."
    )


def _findings(score: Score, family: int, error: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("quantity", "of"):
        table.add_column(heading, overflow="fold")
    for heading in ("measured", "95 % interval", "expected", "detects", "points", "members"):
        table.add_column(heading, justify="right", overflow="fold")  # cut off, a number would be another one
    table.add_column("verdict", overflow="fold")
    for finding, subject in zip(score.findings, distinct_subjects(score.findings), strict=True):
        fit = finding.rate.fit
        table.add_row(
            quantity_name(finding.rate.metric),
            subject,
            number(fit.estimate),
            interval(*fit.interval()),
            expected(finding),
            _detects(finding, family, error),
            str(fit.n_widths),
            str(fit.n_members),
            Text(finding.verdict, style=_STYLES[finding.verdict]),
        )
    return table


def _narrow_findings(score: Score, family: int, error: float) -> Table:
    """Return the table for a terminal of 80 columns: names above their points and members, values above intervals."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("quantity, of\npoints x members", overflow="fold")
    for heading in ("measured,\n95 % interval", "expected,\nband", "detects"):
        table.add_column(heading, justify="right", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for finding, subject in zip(score.findings, distinct_subjects(score.findings), strict=True):
        fit, found = finding.rate.fit, finding.expectation
        table.add_row(
            f"{quantity_name(finding.rate.metric)}; {subject}\n{fit.n_widths} x {fit.n_members}",
            f"{number(fit.estimate)}\n{interval(*fit.interval())}",
            band(found) if found.one_sided else f"{found.value:g}\n{band(found)}",
            _detects(finding, family, error),
            Text(finding.verdict, style=_STYLES[finding.verdict]),
        )
    return table


def _detects(finding: Finding, family: int, error: float) -> str:
    if not finding.expectation.judged or math.isnan(finding.rate.fit.estimate):
        return "-"
    return number(minimum_detectable_deviation(finding.rate.fit, finding.expectation, family, error))


def _summary(board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="The claims")
    for heading in ("claim", "statement"):
        table.add_column(heading)
    for heading in ("judged", "hold", "fail", "controls refuted"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for score in board.report.scores:
        verdicts = [finding.verdict for finding in score.findings]
        table.add_row(
            score.claim,
            score.statement,
            str(len(score.judged)),
            str(verdicts.count("holds")),
            str(verdicts.count("fails")),
            f"{score.refuted_controls} of {len(score.negative_controls)}" if score.negative_controls else "-",
            Text(score.verdict, style=_STYLES[score.verdict]),
        )
    return table


def board_record(board: Board) -> dict[str, Any]:
    """Return the scoreboard as JSON."""
    return {
        "path": str(board.path),
        "comparisons": board.report.compared,
        "error": board.report.error,
        "seeds": list(board.report.replication.seeds) if board.report.replication else [],
        "claims": [
            {
                "claim": score.claim,
                "statement": score.statement,
                "verdict": score.verdict,
                "negative_controls": [_control_record(control) for control in score.negative_controls],
                "power_curves": [_curve_record(curve) for curve in score.power_curves],
            }
            for score in board.report.scores
        ],
        "failures": sum(session.summary.failures for session in board.sessions),
        "interrupted": board.interrupted,
        "verdicts": json.loads(as_table(board.report.findings).to_json(orient="records")),
    }


def _control_record(control: NegativeControl) -> dict[str, Any]:
    return {
        "study": control.study,
        "labels": list(control.labels),
        "reference": control.reference,
        "refuted": control.refuted,
        "quantities_judged": len(control.judged),
        "quantities_refuted": len(control.judged) - len(control.not_refuted),
        "not_refuted": [
            {"quantity": f.rate.metric, "activation": f.rate.key.activation, "verdict": f.verdict}
            for f in control.not_refuted
        ],
    }


def _curve_record(curve: PowerCurve) -> dict[str, Any]:
    key, metric = curve.steps[0].rate.key, curve.steps[0].rate.metric
    return {
        "study": curve.study,
        "off": curve.what,
        "quantity": metric,
        "activation": key.activation,
        "component": key.component,
        "steps": [{"percent": f.grade.percent, "verdict": f.verdict} for f in curve.steps if f.grade is not None],
        "refuted_from_percent": None if math.isinf(curve.detected) else curve.detected,
        "shams_refuted": len(curve.shams_refuted),
    }
