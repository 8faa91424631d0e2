"""Figures of a run: distances against width beside the theory's slope, and fits of one-dimensional tasks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import NtkbenchError
from ...plugin.figure_style import BAND_COLOUR, COLOURS, MARKERS, THEORY_COLOUR
from ..series.names import architecture_words, digits_needed, task_words
from ..series.quantities import quantity_name
from .comparisons import COMPARED, Comparison
from .curves import draw_curves
from .words import training_words

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...plugin.cell import Cell
    from ...plugin.registry import Registry
    from ...plugin.types import Float, Problem
    from ...store.read import Results
    from ...study.model import Study
    from ...study.plan import Plan
    from ..verdicts.judge import Finding
    from .comparisons import JudgedRate
    from .report import RunReport

_COLOURS = (*COLOURS[:3], THEORY_COLOUR)
_MARKERS = MARKERS[:4]
_FORMATS = ("png", "svg")
_CHARACTERS = 62  # of a title over one panel
_LINE = 44  # of a legend


def draw_figures(report: RunReport, plan: Plan, registry: Registry, folder: Path) -> list[Path]:
    """Draw one figure per comparison that has something to show into ``folder``, as PNG and SVG; return the files."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    digits = digits_needed(comparison.key for comparison in report.comparisons)
    for index, comparison in enumerate(report.comparisons):
        fits = _fits(report.results, comparison, plan, registry)
        if not fits and not _has_distances(comparison):
            continue
        figure = Figure(figsize=(14.0 if fits else 7.0, 7.0), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(max(len(fits), 1), 2 if fits else 1)
        _draw_rates(figure.add_subplot(grid[:, 0]), comparison)
        _draw_fits([figure.add_subplot(grid[i, 1]) for i in range(len(fits))], fits)
        figure.suptitle(_title(comparison, digits, _CHARACTERS * (2 if fits else 1)))
        name = "-".join([f"{index:02d}", comparison.key.task.name.replace("/", "-"), *comparison.key.labels])
        written += [_save(figure, folder / f"{name}.{kind}") for kind in _FORMATS]
    return written


def _title(comparison: Comparison, digits: int, characters: int) -> str:
    key = comparison.key
    architecture = architecture_words(key.architecture, digits)
    return fill(f"{task_words(key.task)}: {architecture}, {training_words(comparison.facts)}", characters)


def draw_claim(found: Sequence[Finding], study: Study, folder: Path) -> list[Path]:
    """Draw the figure of a claim's study into ``folder``, as PNG and SVG, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw_curves(found, study.title)
    return [_save(figure, folder / f"{study.name}.{kind}") for kind in _FORMATS]


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def _draw_rates(axes: Axes, comparison: Comparison) -> None:
    """Draw each distance with one standard error, and the theory's slope through its largest width."""
    table = comparison.by_width
    widths = table["width"].to_numpy(dtype=float)
    for quantity, colour, marker in zip(COMPARED, _COLOURS, _MARKERS, strict=True):
        values = table[quantity.metric].to_numpy(dtype=float)
        known = np.isfinite(values) & (values > 0)
        if not known.any():
            continue
        errors = np.nan_to_num(table[f"{quantity.metric}_se"].to_numpy(dtype=float))
        judged = comparison.rate(quantity.metric)
        exponent = _exponent(judged)
        label = fill(quantity_name(quantity.metric), _LINE) + exponent
        lower = np.minimum(errors, 0.99 * values)  # a bar to zero has no place on a logarithmic axis
        bars = np.stack([lower, errors])[:, known]
        axes.errorbar(widths[known], values[known], bars, fmt=marker, color=colour, capsize=3, label=label)
        if exponent and judged is not None and judged.finding is not None:
            _draw_slope(axes, widths[known], values[known], judged.finding.expectation.value, colour)
        if quantity.ensemble:
            floor = table[f"{quantity.metric}_floor"].to_numpy(dtype=float)
            axes.plot(widths, floor, color=colour, linestyle=":", label="sampling noise of the ensemble mean")
    axes.set(xscale="log", yscale="log", xlabel="hidden width n")
    axes.set_ylabel("distance (functions: RMS on test points, target units;\nkernels: relative, Frobenius)")
    axes.set_xticks(widths, [f"{width:g}" for width in widths])
    axes.minorticks_off()
    axes.set_title("Distance against width, ± 1 standard error; dashed: the theory's slope")
    axes.grid(visible=True, which="major", alpha=0.3)
    if _has_distances(comparison):
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def _has_distances(comparison: Comparison) -> bool:
    values = comparison.by_width[[quantity.metric for quantity in COMPARED]].to_numpy(dtype=float)
    return bool((np.isfinite(values) & (values > 0)).any())


def _draw_slope(axes: Axes, widths: Float, values: Float, slope: float, colour: str) -> None:
    axes.plot(widths, values[-1] * (widths / widths[-1]) ** slope, color=colour, linestyle="--", linewidth=1, alpha=0.7)


def _exponent(judged: JudgedRate | None) -> str:
    if judged is None or not np.isfinite(judged.rate.fit.estimate):
        return ""
    low, high = judged.rate.fit.interval()
    return f": {judged.rate.fit.estimate:.2f} [{low:.2f}, {high:.2f}]"


def _fits(results: Results, comparison: Comparison, plan: Plan, registry: Registry) -> list[dict[str, Any]]:
    """Return what to draw of a task on a line or circle: at the smallest and largest width, networks and kernel."""
    cells = plan.by_id()
    first = cells.get(comparison.cell_ids[0])
    if first is None or first.sizes.n_features > 2 or first.sizes.n_outputs != 1 or comparison.key.reference is None:
        return []
    problem = _problem(first, registry)
    positions = None if problem is None else _positions(problem)
    law = _last(results, first.references[comparison.key.reference])
    if problem is None or positions is None or law.empty or law["variance"].isna().any():
        return []
    shown = [cells[key] for key in comparison.cell_ids if cells[key].split_index == first.split_index]
    return [
        {"cell": cell, "problem": problem, "positions": positions, "law": law, "networks": _last(results, cell.cell_id)}
        for cell in dict.fromkeys([shown[0], shown[-1]])
    ]


def _problem(cell: Cell, registry: Registry) -> Problem | None:
    from ...execution.data import load_problem

    try:
        return load_problem(cell, registry)
    except NtkbenchError as error:
        warnings.warn(f"no fit is drawn for {cell.task}: {error}", stacklevel=2)
        return None


def _positions(problem: Problem) -> tuple[Float, Float, str] | None:
    """Return training and test positions on one axis with its label: the input itself, or the angle on a circle."""
    if problem.x_train.shape[1] == 1:
        return problem.x_train[:, 0], problem.x_test[:, 0], "input x"
    radii = np.linalg.norm(np.concatenate([problem.x_train, problem.x_test]), axis=1)
    if problem.x_train.shape[1] == 2 and np.allclose(radii, radii[0], rtol=1e-9):
        train, test = (np.arctan2(x[:, 1], x[:, 0]) for x in (problem.x_train, problem.x_test))
        return train, test, "angle γ of x = (cos γ, sin γ), rad"
    return None


def _last(results: Results, cell_id: str) -> pd.DataFrame:
    """Return a cell's own predictions at its last recorded time."""
    rows = results.predictions
    own = rows.loc[(rows["cell_id"] == cell_id) & rows["reference"].isna()]
    last: pd.DataFrame = own.loc[own["time"] == own["time"].max()]
    return last


def _draw_fits(panels: Sequence[Axes], fits: Sequence[dict[str, Any]]) -> None:
    for axes, fit in zip(panels, fits, strict=True):
        _draw_fit(axes, fit)
    if fits:
        panels[-1].set_xlabel(fits[-1]["positions"][2])
        panels[-1].legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)


def _draw_fit(axes: Axes, fit: dict[str, Any]) -> None:
    train, test, _ = fit["positions"]
    order = np.argsort(test)
    law = fit["law"].sort_values("point")
    mean, spread = law["value"].to_numpy(), 1.96 * np.sqrt(law["variance"].to_numpy(dtype=float))
    axes.fill_between(
        test[order], (mean - spread)[order], (mean + spread)[order], color=BAND_COLOUR, label="kernel: 95 % of networks"
    )
    networks = fit["networks"][fit["networks"]["member"].notna()]
    for count, (_, rows) in enumerate(networks.groupby("member")):
        values = rows.sort_values("point")["value"].to_numpy()
        label = "networks" if count == 0 else None
        axes.plot(test[order], values[order], color=_COLOURS[1], linewidth=0.8, alpha=0.8, label=label)
    axes.plot(test[order], mean[order], color=THEORY_COLOUR, linestyle="--", label="kernel: mean")
    axes.plot(train, fit["problem"].y_train[:, 0], ".", color=_COLOURS[0], label="training points")
    axes.set_ylabel("f(x), target units")
    axes.set_title(f"width {fit['cell'].width}: networks after training, and the law of the limit", fontsize="medium")
