"""The regression sets of Hernandez-Lobato and Adams 2015: errors and likelihoods beside the published ones.

Published numbers are those of Lakshminarayanan et al. 2017 (arXiv:1612.01474), Table 1: probabilistic backpropagation
(PBP), Monte Carlo dropout and deep ensembles on the same splits, with +- as printed there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import Page, StoreError

from ..statistics.paired import holm, p_text, paired_test

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ntkbench.plugin import ResultTables

PUBLISHED = ("PBP", "MC dropout", "deep ensembles")
_RMSE = {
    "boston": ("3.01 +- 0.18", "2.97 +- 0.85", "3.28 +- 1.00"),
    "concrete": ("5.67 +- 0.09", "5.23 +- 0.53", "6.03 +- 0.58"),
    "energy": ("1.80 +- 0.05", "1.66 +- 0.19", "2.09 +- 0.29"),
    "kin8nm": ("0.10 +- 0.00", "0.10 +- 0.00", "0.09 +- 0.00"),
    "naval": ("0.01 +- 0.00", "0.01 +- 0.00", "0.00 +- 0.00"),
    "power": ("4.12 +- 0.03", "4.02 +- 0.18", "4.11 +- 0.17"),
    "protein": ("4.73 +- 0.01", "4.36 +- 0.04", "4.71 +- 0.06"),
    "wine-red": ("0.64 +- 0.01", "0.62 +- 0.04", "0.64 +- 0.04"),
    "yacht": ("1.02 +- 0.05", "1.11 +- 0.38", "1.58 +- 0.48"),
}
_NLL = {
    "boston": ("2.57", "2.46", "2.41"),
    "concrete": ("3.16", "3.04", "3.06"),
    "energy": ("2.04", "1.99", "1.38"),
    "kin8nm": ("-0.90", "-0.95", "-1.20"),
    "naval": ("-3.73", "-3.80", "-5.63"),
    "power": ("2.84", "2.80", "2.79"),
    "protein": ("2.97", "2.89", "2.83"),
    "wine-red": ("0.97", "0.93", "0.94"),
    "yacht": ("1.63", "1.55", "1.18"),
}


def errors(results: ResultTables) -> Page:
    """Return test errors in the data's own units, a row per data set and a column per method."""
    return _page(results, "rmse_unscaled", "Test error (RMSE) in the data's own units", _RMSE)


def likelihoods(results: ResultTables) -> Page:
    """Return negative log-likelihoods of test targets, in nats per point, in the data's own units."""
    return _page(results, "negative_log_likelihood", "Negative log-likelihood of test targets, nats per point", _NLL)


def by_split(results: ResultTables, metric: str) -> pd.DataFrame:
    """Return ``metric`` on the test rows of the sets: columns task, method, split_index, n_train, test_share, value.

    For networks it is the ensemble mean's after the last step, and the method's name includes the width.

    :raises StoreError: if there are none.
    """
    rows = results.measurements
    rows = rows[(rows["metric"] == metric) & (rows["split"] == "test") & rows["member"].isna()]
    rows = rows.sort_values("step").groupby("cell_id", sort=False).tail(1)
    cells = results.cells[results.cells["task"].str.removeprefix("uci/").isin(_RMSE)].copy()
    widths = [f", n = {width}" for width in cells["width"]]
    cells["method"] = cells["label"].where(cells["width"].isna(), cells["label"] + widths)
    cells["test_share"] = cells["n_test"] / cells["n_train"]
    cells["order"] = cells["label"].map(results.labels.index)
    cells = cells.sort_values(["order", "width", "split_index"], kind="stable")
    columns = ["cell_id", "task", "method", "split_index", "n_train", "test_share"]
    found = cells[columns].merge(rows[["cell_id", "value"]], on="cell_id")
    if found.empty:
        raise StoreError(f"no {metric} on the data sets of Hernandez-Lobato and Adams")
    return found


def differences(results: ResultTables) -> Page:
    """Return the difference of each method's test error from that of the study's first method, split by split."""
    found = by_split(results, "rmse_unscaled")
    first, *others = dict.fromkeys(found["method"])
    tests = []
    for task in sorted(found["task"].unique()):
        rows = found[found["task"] == task]
        table, share = rows.pivot(index="split_index", columns="method", values="value"), rows["test_share"].max()
        for other in (name for name in others if name in table and first in table):
            tests.append((task, other, table, paired_test((table[other] - table[first]).dropna(), float(share))))
    corrected = holm([test.p for *_, test in tests])
    lines = []
    for (task, other, table, test), p in zip(tests, corrected, strict=True):
        mean = f"{test.mean:+.{_digits(test.mean)}f}"
        if test.splits > 1:
            mean += f" +- {test.error:.{_digits(test.mean)}f}"
        relative = f"{100 * test.mean / table[first].mean():+.1f} %"
        lines.append((task.removeprefix("uci/"), other, str(test.splits), mean, relative, p_text(p)))
    return Page(
        f"Test error (RMSE in the data's own units) minus that of {first}, split by split",
        ("data set", "method", "splits", "difference", "relative", "corrected p"),
        tuple(lines),
        (
            "+- is the standard error of Nadeau and Bengio's corrected resampled t-test; p is two-sided and Holm-"
            "corrected over all rows; - with fewer than three splits.",
        ),
    )


def _digits(value: float) -> int:
    return 2 if abs(value) >= 0.2 else 4


def _page(results: ResultTables, metric: str, title: str, published: Mapping[str, tuple[str, ...]]) -> Page:
    found = by_split(results, metric)
    labels = list(dict.fromkeys(found["method"]))
    lines = []
    for task in sorted(found["task"].unique()):
        rows = found[found["task"] == task]
        name = task.removeprefix("uci/")
        cells = [_mean(rows[rows["method"] == label]["value"]) for label in labels]
        lines.append((name, str(rows["split_index"].nunique()), f"{rows['n_train'].max()}", *cells, *published[name]))
    return Page(
        title,
        ("data set", "splits", "training rows", *labels, *(f"{name} (published)" for name in PUBLISHED)),
        tuple(lines),
        (
            "Mean over splits +- its standard error; published: Lakshminarayanan et al. 2017, Table 1, all 20 splits "
            "(protein 5) with all training rows, +- as printed there.",
        ),
    )


def _mean(values: pd.Series[float]) -> str:
    if values.empty:
        return "-"
    mean = values.mean()
    digits = _digits(mean)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} +- {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"
