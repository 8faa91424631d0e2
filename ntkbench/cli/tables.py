"""Tables a person can read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..analysis.estimation.rates import subject_cells
from ..analysis.report.comparisons import COMPARED, Comparison, comparisons
from ..analysis.report.pages import study_pages
from ..plugin.terminal import make_console, print_table
from .formatting import cell_words

if TYPE_CHECKING:
    from rich.console import Console

    from ..api.run import Session
    from ..store.read import Results

_LARGEST_WRITTEN_OUT = 1e5
_LONGEST_PAGE = 40  # rows
_QUANTITY_WORDS = {
    "function_distance": "distance to kernel, members, last step",
    "function_distance_max": "distance to kernel, members, largest over steps",
    "function_distance_of_mean": "distance to kernel, their mean, last step",
    "function_distance_of_mean_over_time": "distance to kernel, their mean, over all steps",
    "ntk_distance_frobenius": "empirical NTK to limit, at start, Frobenius",
    "ntk_distance_operator": "empirical NTK to limit, at start, operator norm",
    "ntk_change_frobenius": "change of NTK in training, Frobenius",
}


def show_comparisons(results: Results) -> None:
    """Print one table per task: by width, errors and distances; below it the fitted exponents."""
    console = make_console()
    found = [comparison for comparison in comparisons(results) if _says_anything(comparison)]
    for comparison in found:
        facts = comparison.facts
        console.print(
            f"\n[bold]{comparison.task}[/bold]: {comparison.label} against {comparison.reference or 'nothing'}"
        )
        splits = "" if facts["splits"] == 1 else f", mean of {facts['splits']} splits"
        console.print(
            f"{comparison.architecture}; {facts['n_train']} training and {facts['n_test']} test points, "
            f"{facts['n_features']} features, {facts['n_outputs']} outputs{splits}; {facts['steps']} steps of "
            f"gradient descent at rate {facts['learning_rate']:.3g}, {facts['dtype']}, seed {facts['seed']}",
            soft_wrap=True,
        )
        console.print(_width_table(comparison))
        console.print(_rate_table(comparison))
    _say_what_is_left_out(results, console)
    if not found:
        return
    console.print(
        "Errors and function distances are root-mean-square over test points, in units of the scaled targets, after\n"
        "the last step. The kernel's prediction for a distance starts from the same f_0 and takes the same steps. NTK\n"
        "distances are relative, in Frobenius norm on the training points. ± is one standard error over members.\n"
        "'chance' is what independent members with no common bias would leave in their mean."
    )


def _says_anything(comparison: Comparison) -> bool:
    """Return whether a comparison has a number to show: of a study of accuracies alone it has none."""
    numbers = comparison.by_width.drop(columns=["width", "members"], errors="ignore")
    return not comparison.rates.empty or bool(numbers.notna().to_numpy().any())


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


def _say_what_is_left_out(results: Results, console: Console) -> None:
    """Name the networks that have no place in a table by width: no hidden layer, or layers of different widths."""
    cells = results.cells[(results.cells["role"] == "subject") & (results.cells["status"] == "ok")]
    left_out = len(cells) - len(subject_cells(results.cells))
    if left_out:
        console.print(
            f"{left_out} ensembles without one width (depth 0, unequal layers) are in the stored tables only."
        )


def _width_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (
        "width",
        "members",
        "test RMSE,\nmembers",
        "test RMSE,\ntheir mean",
        f"test RMSE,\n{comparison.reference or 'kernel'}",
        "distance to kernel,\nmembers",
        "distance to kernel,\ntheir mean (chance)",
        "empirical NTK\nto limit, at start",
        "change of NTK\nin training",
    ):
        table.add_column(heading, justify="right")
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
    """Return ``value ± error`` to two digits of the error, with the chance level in brackets where there is one."""
    value, error, floor = row[name], row[f"{name}_se"], row.get(f"{name}_floor", math.nan)
    if math.isnan(value):
        return "-"
    if not 0 < error < _LARGEST_WRITTEN_OUT or value >= _LARGEST_WRITTEN_OUT:
        return _number(value)
    digits = max(0, 1 - math.floor(math.log10(error)))
    text = f"{value:.{digits}f} ± {error:.{digits}f}"
    return text if math.isnan(floor) else f"{text} ({floor:.{digits}f})"


def _rate_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("quantity ~ width^p", "claim"):
        table.add_column(heading)
    for heading in ("fitted p", "95 % interval", "expected", "widths", "members"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    methods = list(dict.fromkeys(comparison.rates["method"]))
    for row in comparison.rates.to_dict("records"):
        table.add_row(
            _QUANTITY_WORDS.get(row["metric"], row["metric"]),
            _text(row.get("claim")),
            _number(row["exponent"]),
            _interval(row["ci_low"], row["ci_high"]),
            _expected(row),
            str(row["n_widths"]),
            str(row["n_members"]),
            f"{_text(row.get('verdict'))} ({methods.index(row['method']) + 1})",
        )
    reasons = comparison.rates.loc[comparison.rates["verdict"] == "reported", "reason"].dropna()
    reported = dict.fromkeys(f"reported {reason}" for reason in reasons if reason.startswith("without"))
    table.caption = Text("\n".join([*(f"({i}) {method}" for i, method in enumerate(methods, 1)), *reported]))
    table.caption_justify = "left"
    return table


def _interval(low: float, high: float) -> str:
    return "-" if math.isnan(low) or math.isnan(high) else f"[{low:.3f}, {high:.3f}]"


def _expected(row: Mapping[Any, Any]) -> str:
    expected, low, high = row["expected"], row["band_low"], row["band_high"]
    if math.isnan(high):
        return ""
    if math.isnan(low):
        return f"at most {high:g}"
    return f"{expected:g} in [{low:g}, {high:g}]"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


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
