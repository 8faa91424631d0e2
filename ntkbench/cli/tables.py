"""Tables a person can read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..analysis.report.comparisons import COMPARED, Comparison
from ..analysis.report.pages import study_pages
from ..analysis.report.words import expected, training_words
from ..analysis.series.names import architecture_words, digits_needed, subject_words, task_words
from ..analysis.series.quantities import quantity_name
from ..plugin.terminal import make_console, print_table
from .formatting import cell_words

if TYPE_CHECKING:
    from rich.console import Console

    from ..analysis.report.report import Report, RunReport
    from ..api.run import Session
    from ..store.read import Results

_LARGEST_WRITTEN_OUT = 1e5
_LONGEST_PAGE = 40  # rows
_NARROW = 110  # columns, below which intervals are folded
_LEGEND = (
    "Errors and function distances are root-mean-square over test points, in units of the scaled targets, after the "
    "last step. The kernel's prediction for a distance starts from the same f_0 and takes the same steps. NTK "
    "distances are relative, in Frobenius norm on the training points. ± is one standard error over members. 'chance' "
    "is what independent members with no common bias would leave in their mean."
)


def show_comparisons(report: Report) -> None:
    """Print one table per task: by width, errors and distances; below it the fitted exponents."""
    console = make_console()
    found = [comparison for comparison in report.comparisons if _says_anything(comparison)]
    digits = digits_needed(comparison.key for comparison in found)
    for comparison in found:
        for line in _heading(comparison, digits):
            console.print(line, soft_wrap=True)
        console.print(_width_table(comparison))
        console.print(_rate_table(comparison, console.width))
    for run in report.runs:
        _say_what_is_left_out(run, console)
    if found:
        console.print(_LEGEND)


def _heading(comparison: Comparison, digits: int) -> tuple[str, str]:
    """Return what is compared, and how it was trained."""
    key, facts = comparison.key, comparison.facts
    splits = "" if comparison.splits == 1 else f", mean of {comparison.splits} splits"
    return (
        f"\n[bold]{task_words(key.task)}[/bold]: {subject_words(key)} against {key.reference or 'nothing'}",
        f"{architecture_words(key.architecture, digits)}; {facts['n_train']} training and {facts['n_test']} test "
        f"points, {facts['n_features']} features, {facts['n_outputs']} outputs{splits}; {training_words(facts)}, "
        f"{facts['dtype']}, seed {facts['seed']}",
    )


def _says_anything(comparison: Comparison) -> bool:
    """Return whether a comparison has a number to show: of a study of accuracies alone it has none."""
    numbers = comparison.by_width.drop(columns=["width", "members"], errors="ignore")
    return bool(comparison.rates) or bool(numbers.notna().to_numpy().any())


def show_pages(results: Results, names: Sequence[str]) -> None:
    """Print the pages a study names; of a long one only where it is."""
    console = make_console()
    for name, page in study_pages(results, names):
        console.print()
        if isinstance(page, str):
            console.print(f'page "{name}" is not made: {page}', markup=False)
            continue
        if len(page.rows) > _LONGEST_PAGE:
            console.print(f"{page.title}: {len(page.rows)} rows, in figures/{name}.md", markup=False)
            continue
        print_table(page.title, page.headings, page.rows)
        for note in page.notes:
            console.print(note, markup=False)


def _say_what_is_left_out(run: RunReport, console: Console) -> None:
    """Name the networks that have no place in a table by width: no hidden layer, or layers of different widths."""
    cells = run.results.cells
    left_out = int(((cells["role"] == "subject") & (cells["status"] == "ok")).sum()) - len(run.fitted.cells().frame)
    if left_out:
        console.print(
            f"{left_out} ensembles without one width (depth 0, unequal layers) are in the stored tables only."
        )


def _width_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in (
        "\n\nwidth",
        "\nmem-\nbers",
        "\nRMSE of\nmembers",
        "RMSE of\ntheir\nmean",
        f"\nRMSE of\n{comparison.key.reference or 'kernel'}",
        "\nmembers\nto kernel",
        "mean to\nkernel\n(chance)",
        "NTK\nto limit\nat start",
        "NTK\nchange in\ntraining",
    ):
        table.add_column(Text(heading), justify="right", overflow="fold")
    for row in comparison.by_width.to_dict("records"):
        table.add_row(
            str(row["width"]),
            str(row["members"]),
            *(_number(row[name]) for name in ("rmse_members", "rmse_mean", "rmse_kernel")),
            *(_measured(row, quantity.metric) for quantity in COMPARED),
        )
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _measured(row: Mapping[Any, Any], name: str) -> str:
    """Return ``value ±error`` to two digits of the error, with the chance level in brackets where there is one."""
    value, error, floor = row[name], row[f"{name}_se"], row.get(f"{name}_floor", math.nan)
    if math.isnan(value):
        return "-"
    if not 0 < error < _LARGEST_WRITTEN_OUT or value >= _LARGEST_WRITTEN_OUT:
        return _number(value)
    digits = max(0, 1 - math.floor(math.log10(error)))
    text = f"{value:.{digits}f} ±{error:.{digits}f}"
    return text if math.isnan(floor) else f"{text} ({floor:.{digits}f})"


def _rate_table(comparison: Comparison, columns: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("quantity ~ width^p", overflow="fold")
    table.add_column("claim", no_wrap=True)
    for heading, narrow in (("fitted p", None), ("95 % interval", 9), ("expected", 8), ("widths, members", 8)):
        widest = narrow if columns < _NARROW else None
        table.add_column(heading, justify="right", overflow="fold", max_width=widest)
    table.add_column("verdict", no_wrap=True)
    methods = list(dict.fromkeys(rate.fit.method for rate, _ in comparison.rates))
    for rate, finding in comparison.rates:
        verdict = "" if finding is None else finding.verdict
        table.add_row(
            f"{quantity_name(rate.metric)} ({methods.index(rate.fit.method) + 1})",
            "" if finding is None else finding.expectation.claim,
            _number(rate.fit.estimate),
            _interval(*rate.fit.interval()),
            "" if finding is None else expected(finding),
            f"{rate.fit.n_widths}, {rate.fit.n_members}",
            verdict,
        )
    reasons = [finding.reason for _, finding in comparison.rates if finding and finding.kind == "not-judged"]
    reported = dict.fromkeys(f"reported {reason}" for reason in reasons)
    table.caption = Text("\n".join([*(f"({i}) {method}" for i, method in enumerate(methods, 1)), *reported]))
    table.caption_justify = "left"
    return table


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) or math.isnan(high) else f"[{low:.3f}, {high:.3f}]"


def show_problems(session: Session) -> None:
    """Print what was not as it should be, and where everything lies."""
    console, summary = make_console(), session.summary
    for cell, status, reason in summary.problems:
        console.print(f"{cell_words(cell)}: {status}: {reason}", markup=False, soft_wrap=True)
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "nothing left to do"
    kept = f", {summary.kept} already done" if summary.kept else ""
    console.print(
        f"\n{len(session.plan.cells)} cells: {counts}{kept}. Tables and figures: {session.path}", soft_wrap=True
    )


def show_failed_cells(results: Results) -> None:
    """Print the cells of a run that are not ok, with their reasons."""
    console = make_console()
    failed = results.cells[results.cells["status"] != "ok"]
    for row in failed.to_dict("records"):
        width = "" if row["width"] is None or row["width"] != row["width"] else f" width {row['width']}"
        text = f"{row['task']} {row['label']}{width}: {row['status']}: {row['reason'] or ''}"
        console.print(text, markup=False, soft_wrap=True)
