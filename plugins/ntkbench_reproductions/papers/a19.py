"""A19 Table 1 (Arora et al. 2019, arXiv:1910.01663): classifiers over the ninety small UCI data sets.

The other classifiers are the 179 of Fernandez-Delgado et al. 2014, whose published table of accuracies is looked for
beside the data: ``fd_results.txt``, in the data folder or in a folder ``reference`` next to it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Page, StoreError

from .layout import COLOURS, MARKERS, THEORY, panels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from ntkbench.plugin import Float, ResultTables

_PREFIX = "uci/a19/"
_FILE = "fd_results.txt"
_SUMMARY_COLUMNS = ("min", "max", "mean", "std")
_MISSING = "--"
PUBLISHED_ROW = {"rank": 28.34, "average": 81.95, "sd": 14.10, "p90": 88.89, "p95": 72.22, "pma": 95.72, "pma_sd": 5.17}
ALL_SETS = 90
_NAMED = 10  # data sets


@dataclass(frozen=True)
class Row:
    """A classifier's row of the table, in per cent but for ``rank``; nan where the published accuracies are not here.

    ``average`` accuracy over ``sets`` data sets with their standard deviation ``sd`` (ddof 1); ``p90`` and ``p95``:
    sets on which it reaches 90 and 95 % of the best accuracy of the published classifiers; ``pma``: its accuracy over
    that best one, mean and standard deviation; ``rank``: the mean (Friedman) rank among the published classifiers.
    """

    sets: int
    average: float
    sd: float
    rank: float = np.nan
    p90: float = np.nan
    p95: float = np.nan
    pma: float = np.nan
    pma_sd: float = np.nan


def accuracies_by_set(results: ResultTables, label: str, protocol: str = "a19") -> pd.Series[float]:
    """Return the mean accuracy over the splits of each set under a protocol, in per cent, by the set's name.

    Of networks it is that after the last step; a network that has diverged by then has none, and is left out.

    :raises StoreError: if there are none.
    """
    means: pd.Series[float] = 100 * _accuracy_rows(results, label, protocol).groupby("set")["value"].mean()
    return means


def _accuracy_rows(results: ResultTables, label: str, protocol: str) -> pd.DataFrame:
    """Return a row per set and split: ``set``, ``split_index`` and ``value``, the accuracy as a share of test rows.

    :raises StoreError: if there are none.
    """
    cells = results.cells[(results.cells["label"] == label) & results.cells["task"].str.startswith(_PREFIX)]
    cells = cells[[json.loads(text).get("protocol") == protocol for text in cells["task_params_json"]]]
    rows = results.measurements
    rows = rows[(rows["metric"] == "accuracy") & (rows["split"] == "test") & rows["member"].isna()]
    found: pd.DataFrame = rows.merge(cells[["cell_id", "task"]], on="cell_id")
    found = found[found["step"].isna() | (found["step"] == found["step"].max())].copy()
    if found.empty:
        raise StoreError(f"no test accuracies of {label} on the data sets of A19 under the protocol {protocol}")
    found["set"] = found["task"].str.removeprefix(_PREFIX)
    return found[["set", "split_index", "value"]]


def published_accuracies() -> pd.DataFrame | None:
    """Return the published accuracies, in per cent, sets by classifiers, nan where one failed; None if not here.

    :raises StoreError: if the file is not a table of them.
    """
    import pandas as pd

    folder = os.environ.get("NTKBENCH_DATA")
    if not folder:
        return None
    places = (Path(folder) / _FILE, Path(folder) / "reference" / _FILE, Path(folder).parent / "reference" / _FILE)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    head, *lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    classifiers = [name for name in head[1:] if name not in _SUMMARY_COLUMNS]
    table = {}
    for name, *cells in lines:
        if len(cells) < len(classifiers):
            continue  # rules between rows, and the means below them
        table[name.lower()] = [np.nan if cell == _MISSING else float(cell) for cell in cells[: len(classifiers)]]
    if not table:
        raise StoreError(f"{path}: no rows of {len(classifiers)} accuracies")
    return pd.DataFrame(table, index=pd.Index(classifiers)).T


def row(accuracy: pd.Series[float], published: pd.DataFrame | None) -> Row:
    """Return the row of a classifier of these accuracies, in per cent, by set.

    :raises StoreError: if the published table lacks one of the sets.
    """
    average, sd = float(accuracy.mean()), float(accuracy.std(ddof=1))
    if published is None:
        return Row(len(accuracy), average, sd)
    if unknown := sorted(set(accuracy.index) - set(published.index)):
        raise StoreError(f"the published accuracies have no set {unknown[0]}")
    others = published.loc[accuracy.index]
    share = accuracy / others.max(axis=1)
    ranks = others.assign(**{"": accuracy}).rank(axis=1, ascending=False)[""]
    return Row(
        sets=len(accuracy),
        average=average,
        sd=sd,
        rank=float(ranks.mean()),
        p90=100 * float((share >= 0.9).mean()),
        p95=100 * float((share >= 0.95).mean()),
        pma=100 * float(share.mean()),
        pma_sd=100 * float(share.std(ddof=1)),
    )


def table_1(results: ResultTables) -> Page:
    """Return the NTK row of A19 Table 1, beside the published one and the difference where all sets were run."""
    accuracy = accuracies_by_set(results, "ntk")
    published = published_accuracies()
    found = row(accuracy, published)
    ours = {name: getattr(found, name) for name in PUBLISHED_ROW}
    lines = [("ntk, here", *row_cells(ours))]
    if found.sets == ALL_SETS:
        lines.append(("NTK, A19 Table 1", *row_cells(PUBLISHED_ROW)))
        difference = {name: ours[name] - PUBLISHED_ROW[name] for name in PUBLISHED_ROW}
        lines.append(("difference", *(f"{difference[name]:+.2f}" for name in ("rank", "average", "p90", "p95", "pma"))))
    splits = _splits(results, "a19", accuracy.index)
    notes = [
        f"{found.sets} of {ALL_SETS} data sets; accuracy on test rows in %, mean of {splits} resamples, +- "
        "the standard deviation over sets. P90, P95: % of sets with at least 90, 95 % of the best published "
        "classifier's accuracy; PMA: accuracy over that best one, in %.",
        "What is chosen (depth, fixed layers, C) is chosen on halves of each set that hold the test rows too (A19).",
        _cut_short(results),
    ]
    if published is None:
        notes.append(f"Rank, P90, P95 and PMA need the published accuracies, {_FILE}, in the data folder.")
    if found.sets < ALL_SETS:
        notes.append("The published row is of all sets: --size full.")
    headings = ("classifier", "Friedman rank", "average accuracy", "P90", "P95", "PMA")
    return Page("A19 Table 1: the NTK classifier on small UCI data sets", headings, tuple(lines), tuple(notes))


def by_data_set(results: ResultTables) -> Page:
    """Return the accuracy on each set and what was chosen there, beside the best published classifier."""
    accuracy, published = accuracies_by_set(results, "ntk"), published_accuracies()
    chosen = results.measurements[results.measurements["metric"].str.startswith("chosen_")]
    chosen = chosen.merge(results.cells[["cell_id", "task"]], on="cell_id")
    table = chosen[chosen["split_index"] == 0].pivot_table(index="task", columns="metric", values="value")
    lines = []
    for name, value in accuracy.items():
        settings = table.loc[[f"{_PREFIX}{name}"]]
        depth, fixed, c = (float(settings[f"chosen_{key}"].iloc[0]) for key in ("depth", "fixed_layers", "c"))
        best = ("-", "-") if published is None else _best(published.T[str(name)])
        lines.append((str(name), f"{value:.2f}", *best, f"{depth:g}", f"{fixed:g}", f"{c:g}"))
    headings = ("data set", "accuracy", "best published", "by", "depth p", "fixed layers q", "C")
    notes = (
        "Accuracy on test rows in %, mean of the resamples; the best of the 179 published classifiers on that set.",
    )
    return Page("The NTK classifier on each data set, and what it chose", headings, tuple(lines), notes)


def _best(accuracies: pd.Series[float]) -> tuple[str, str]:
    return f"{accuracies.max():.1f}", str(accuracies.idxmax())


def leak(results: ResultTables) -> Page:
    """Return the average accuracy under both protocols, and their difference paired by data set."""
    protocols = {name: accuracies_by_set(results, "ntk", name) for name in ("a19", "nested")}
    both = sorted(set(protocols["a19"].index) & set(protocols["nested"].index))
    difference = (protocols["a19"] - protocols["nested"]).loc[both]
    low, high = mean_interval(np.asarray(difference, dtype=np.float64))
    lines = [
        (name, str(len(both)), _splits(results, name, both), f"{found.loc[both].mean():.2f}", "")
        for name, found in protocols.items()
    ]
    lines.append(("a19 less nested", str(len(both)), "", f"{difference.mean():+.2f}", f"[{low:+.2f}, {high:+.2f}]"))
    return Page(
        "What choosing on the test rows is worth: the NTK classifier under two protocols",
        ("protocol", "data sets", "splits", "average accuracy", "95 % interval"),
        tuple(lines),
        (
            "Accuracy on test rows in %, mean over a set's splits, averaged over data sets. The interval is Student's "
            "t over the sets' differences, which include the noise of different test rows.",
            _cut_short(results),
        ),
    )


def mean_interval(values: Float) -> tuple[float, float]:
    """Return Student's 95 % interval for the mean of independent values (n,); nan for fewer than two."""
    from scipy.stats import t

    if len(values) < 2:
        return np.nan, np.nan
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def row_cells(values: Mapping[str, float]) -> tuple[str, ...]:
    """Return the cells of a row of the table: rank, average accuracy, P90, P95 and PMA; - for what is nan."""

    def text(value: float, spread: float | None = None) -> str:
        if np.isnan(value):
            return "-"
        return f"{value:.2f}" if spread is None else f"{value:.2f} +- {text(spread)}"

    return (
        text(values["rank"]),
        text(values["average"], values["sd"]),
        text(values["p90"]),
        text(values["p95"]),
        text(values["pma"], values["pma_sd"]),
    )


def _splits(results: ResultTables, protocol: str, sets: Iterable[str]) -> str:
    """Return how many splits of these sets have an accuracy of the NTK: "4", or "2 to 4" where sets differ."""
    counts = _accuracy_rows(results, "ntk", protocol).groupby("set")["split_index"].nunique().loc[list(sets)]
    shown = sorted(set(counts))
    return " to ".join(str(count) for count in shown[:1] + shown[1:][-1:])


def _cut_short(results: ResultTables) -> str:
    rows = results.measurements[results.measurements["metric"] == "fits_cut_short"]
    rows = rows.merge(results.cells[["cell_id", "task"]], on="cell_id")
    cut = rows[rows["value"] > 0]
    names = sorted(cut["task"].str.removeprefix(_PREFIX).unique())
    if not names:
        return "libsvm came to an end in every fit."
    where = ", ".join(names) if len(names) <= _NAMED else "metric fits_cut_short, by cell"
    return f"libsvm was cut short, at max_iter, in some fits on {len(names)} sets ({where})."


def accuracies(results: ResultTables) -> Figure:
    """Return the accuracy on each set against the best and the median of the published classifiers there.

    :raises StoreError: without accuracies, or without the published ones.
    """
    published = published_accuracies()
    if published is None:
        raise StoreError(f"the published accuracies, {_FILE}, are not in the data folder")
    accuracy = accuracies_by_set(results, "ntk")
    others = published.loc[accuracy.index]
    figure, (axes,) = panels(1, width=7.0)
    low = float(min(accuracy.min(), others.median(axis=1).min())) - 3
    for values, name, colour, marker in (
        (others.max(axis=1), "the best of 179 published classifiers", COLOURS[0], MARKERS[0]),
        (others.median(axis=1), "their median", COLOURS[1], MARKERS[1]),
    ):
        axes.plot(values, accuracy, marker, color=colour, markersize=4, linestyle="none", label=f"against {name}")
    axes.plot([low, 101], [low, 101], "--", color=THEORY, linewidth=1, label="equal")
    axes.plot([low, 101], [0.9 * low, 0.9 * 101], ":", color=THEORY, linewidth=1, label="90 % of it (P90)")
    axes.set(xlim=(low, 101), ylim=(low, 101))
    axes.set_xlabel("published accuracy on a set, %")
    axes.set_ylabel("accuracy of the NTK classifier, %")
    splits = _splits(results, "a19", accuracy.index)
    axes.set_title(f"{len(accuracy)} small UCI data sets: mean test accuracy over {splits} resamples")
    axes.legend(fontsize="small", loc="lower right")
    return figure
