"""Tables a person can read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..analysis.report.comparisons import COMPARED, Comparison
from ..analysis.report.conclusion import conclusion
from ..analysis.report.pages import study_pages
from ..analysis.report.words import band, training_words
from ..analysis.series.names import architecture_words, digits_needed, subject_words, task_words
from ..analysis.series.quantities import quantity_name
from ..plugin.terminal import make_console, print_table
from ..store.logs import latest_logs
from .formatting import cell_words

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ..analysis.estimation.rates import FittedRate
    from ..analysis.report.report import Report, RunReport
    from ..analysis.verdicts.judge import Finding
    from ..api.run import Session
    from ..store.read import Results

_LARGEST_WRITTEN_OUT = 1e5
_LONGEST_PAGE = 40  # rows
_NOISE_ERRORS = 2  # standard errors above its sampling floor from which a mean's distance is printed
_QUANTITY_WIDTH = 29  # of the names beside rates, where the terminal is narrow
_LEGEND = (
    "RMSE and distances to the kernel: root-mean-square over test points, in units of the scaled targets, after the "
    "last step. 'by law': the RMSE that the theory expects of one network. 'network to kernel': a network against the "
    "kernel's prediction from the same initial function after the same steps. 'mean to kernel': the same for the mean "
    "of the networks; 'noise': no more than sampling leaves. NTK distances are relative, in Frobenius norm on the "
    "training points: to the limit at initialization, and over training. 0.094(13) is 0.094 with standard error 0.013 "
    "over networks."
)


def show_comparisons(report: Report) -> None:
    """Print one table per task: by width, errors and distances; below it the fitted exponents."""
    console = make_console()
    found = [comparison for comparison in report.comparisons if _says_anything(comparison)]
    digits = digits_needed(comparison.key for comparison in found)
    for comparison in found:
        for line in _heading(comparison, digits):
            console.print(line)
        console.print(_width_table(comparison))
        if comparison.rates:
            console.print(_rate_table(comparison))
        if said := conclusion(comparison):
            console.print(said, style="bold")
    for run in report.runs:
        _say_what_is_left_out(run, console)
    if found:
        console.print(_LEGEND)


def _heading(comparison: Comparison, digits: int) -> tuple[Text, str]:
    """Return what is compared, and how it was trained."""
    key, facts = comparison.key, comparison.facts
    splits = "" if comparison.splits == 1 else f", mean of {comparison.splits} splits"
    sizes = f"{_count(facts['n_features'], 'feature')}, {_count(facts['n_outputs'], 'output')}"
    return (
        Text.assemble(
            "\n", (task_words(key.task), "bold"), f": {subject_words(key)} against {key.reference or 'nothing'}"
        ),
        f"{architecture_words(key.architecture, digits)}; {facts['n_train']} training and {facts['n_test']} test "
        f"points, {sizes}{splits}; {training_words(facts)}, "
        f"{facts['dtype']}, seed {facts['seed']}; {_members(comparison)} per width",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _members(comparison: Comparison) -> str:
    counts = {*comparison.by_width["members"]} or {0}
    least, most = min(counts), max(counts)
    return f"{most} networks" if least == most else f"{least} to {most} networks"


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
            console.print(f'page "{name}" is not made: {page}')
            continue
        if len(page.rows) > _LONGEST_PAGE:
            console.print(f"{page.title}: {len(page.rows)} rows, in figures/{name}.md")
            continue
        print_table(page.title, page.headings, page.rows)
        for note in page.notes:
            console.print(note)


def _say_what_is_left_out(run: RunReport, console: Console) -> None:
    """Name the networks that have no place in a table by width: no hidden layer, or layers of different widths."""
    cells = run.results.cells
    left_out = int(((cells["role"] == "subject") & (cells["status"] == "ok")).sum()) - len(run.fitted.cells().frame)
    if left_out:
        console.print(
            f"{left_out} ensembles without one width (depth 0, unequal layers) are in the stored tables only."
        )


def _width_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for heading in (
        "\n\nwidth",
        "RMSE,\nnet-\nworks",
        "RMSE,\nby\nlaw",
        "RMSE,\ntheir\nmean",
        f"\nRMSE,\n{comparison.key.reference or 'kernel'}",
        "network\nto\nkernel",
        "mean\nto\nkernel",
        "NTK\nto\nlimit",
        "\nNTK\nchange",
    ):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for row in comparison.by_width.to_dict("records"):
        member, _, limit, change = (_measured(row, quantity.metric) for quantity in COMPARED)
        table.add_row(
            str(row["width"]),
            *(_number(row[name], 3) for name in ("rmse_members", "rmse_law", "rmse_mean", "rmse_kernel")),
            *(member, _of_mean(row), limit, change),
        )
    return table


def _number(value: float, digits: int = 4) -> str:
    return "-" if math.isnan(value) else f"{value:#.{digits}g}"


def _of_mean(row: Mapping[Any, Any]) -> str:
    """Return the distance of the networks' mean to the kernel, or ``noise`` where sampling alone may leave as much."""
    name = next(quantity.metric for quantity in COMPARED if quantity.ensemble)
    noise = row[f"{name}_floor"] + _NOISE_ERRORS * row[f"{name}_se"]
    return "noise" if row[name] <= noise else _measured(row, name)


def _measured(row: Mapping[Any, Any], name: str) -> str:
    """Return ``0.094(13)``: a value to two digits of its standard error, and these digits in brackets."""
    value, error = row[name], row[f"{name}_se"]
    if math.isnan(value):
        return "-"
    if not 0 < error < _LARGEST_WRITTEN_OUT or value >= _LARGEST_WRITTEN_OUT:
        return _number(value)
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f}({_last_digits(error, digits)})"


def _last_digits(error: float, digits: int) -> str:
    """Return an error in units of the last printed digit, or with its point where it exceeds 1."""
    return f"{error:.{digits}f}" if error >= 1 else f"{error * 10**digits:.0f}"


def _rate_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("quantity ~ width^p", overflow="fold", min_width=_QUANTITY_WIDTH)
    for heading in ("p", "95 % interval", "band"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    methods = list(dict.fromkeys(_method(rate) for rate, _ in comparison.rates))
    for rate, finding in comparison.rates:
        claim = "" if finding is None else f"{finding.expectation.claim} "
        table.add_row(
            f"{claim}{quantity_name(rate.metric)} ({methods.index(_method(rate)) + 1})",
            "-" if math.isnan(rate.fit.estimate) else f"{rate.fit.estimate:.2f}",
            _interval(*rate.fit.interval()),
            "" if finding is None else band(finding.expectation),
            "" if finding is None else finding.verdict,
        )
    reasons = [finding.reason for _, finding in comparison.rates if finding and finding.kind == "not-judged"]
    reported = dict.fromkeys(f"reported {reason}" for reason in reasons)
    beside = [_beside_the_exponent(rate, finding) for rate, finding in comparison.rates if finding]
    notes = [*reported, *(note for note in beside if note)]
    table.caption = Text("\n".join([*(f"({i}) {method}" for i, method in enumerate(methods, 1)), *notes]))
    table.caption_justify = "left"
    return table


def _beside_the_exponent(rate: FittedRate, finding: Finding) -> str:
    """Return the reason for a verdict that the exponent and its band do not explain."""
    if finding.kind not in ("floor", "floor-possible", "not-asymptotic", "depends"):
        return ""
    return f"{quantity_name(rate.metric)}: {finding.verdict}: {finding.reason}"


def _method(rate: FittedRate) -> str:
    """Say how a rate was fitted, and to how many widths and networks."""
    return f"{rate.fit.words}; {rate.fit.n_widths} widths x {rate.fit.n_members}"


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) or math.isnan(high) else f"[{low:.2f}, {high:.2f}]"


def show_problems(session: Session) -> None:
    """Print what was not as it should be, and where everything lies."""
    console, summary, logs = make_console(), session.summary, latest_logs(session.path)
    for cell, status, reason in summary.problems:
        where = _log_words(logs.get(cell.cell_id))
        console.print(f"{cell_words(cell)}: {status}: {reason}{where}", soft_wrap=True)
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "nothing to do"
    kept = f", {summary.kept} finished before" if summary.kept else ""
    console.print(
        f"\n{len(session.plan.cells)} cells: {counts}{kept}. Tables and figures: {session.path}", soft_wrap=True
    )


def _log_words(log: Path | None) -> str:
    """Return where a cell's traceback and output are; nothing if it left none."""
    return f" (log: {log})" if log else ""


def show_failed_cells(results: Results) -> None:
    """Print the cells of a run that are not ok, with their reasons."""
    console = make_console()
    logs = {cell_id: file for path in reversed(results.paths) for cell_id, file in latest_logs(path).items()}
    failed = results.cells[results.cells["status"] != "ok"]
    for row in failed.to_dict("records"):
        width = "" if row["width"] is None or row["width"] != row["width"] else f" width {row['width']}"
        log = _log_words(logs.get(row["cell_id"]))
        text = f"{row['task']} {row['label']}{width}: {row['status']}: {row['reason'] or ''}{log}"
        console.print(text, soft_wrap=True)
