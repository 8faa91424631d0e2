"""Where the NTK loses to the NNGP, and whether smoothness and noise explain it: two interventions, one correlation."""

from __future__ import annotations

import json
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Page, StoreError

from ..statistics.paired import PairedTest, holm, p_text, paired_test
from ..statistics.rank_correlation import correlation_text, rank_correlation

if TYPE_CHECKING:
    import pandas as pd

    from ntkbench.plugin import ResultTables

ROUGH = "relu"
KERNELS = ("ntk", "nngp")
CANDIDATES = {
    "noise": "noise: mean log error of both (Oldham)",
    "noise_std": "noise level of the NNGP (maximum likelihood on its validation rows)",
    "chosen_ridge": "ridge chosen for the NNGP",
    "features": "number of inputs d",
}


def log_ratios(results: ResultTables) -> pd.DataFrame:
    """Return a row per data set, added noise, activation and split: test errors ``ntk``, ``nngp``, log of their ratio.

    Further columns: ``test_share``, test rows over training rows; ``features``; the NNGP's ``noise_std`` and
    ``chosen_ridge``.

    :raises StoreError: if no split of a data set has both kernels.
    """
    cells = results.cells[results.cells["label"].isin(KERNELS)].copy()
    cells["noise"] = [json.loads(text).get("noise", 0.0) for text in cells["task_params_json"]]
    rows = results.measurements
    wanted = {"rmse": "test", "noise_std": None, "chosen_ridge": None}
    for metric, split in wanted.items():
        found = rows[(rows["metric"] == metric) & (rows["split"].isna() if split is None else rows["split"] == split)]
        cells[metric] = cells["cell_id"].map(found.groupby("cell_id")["value"].last())
    keys = ["task", "noise", "activation", "split_index"]
    both = cells[cells["label"] == "ntk"].merge(cells[cells["label"] == "nngp"], on=keys, suffixes=("_ntk", ""))
    if both.empty:
        raise StoreError("no split of a set has test errors of both ntk and nngp")
    table = both[[*keys, "noise_std", "chosen_ridge"]].copy()
    table["ntk"], table["nngp"] = both["rmse_ntk"], both["rmse"]
    table["log_ratio"] = np.log(table["ntk"] / table["nngp"])
    table["test_share"] = both["n_test"] / both["n_train"]
    table["features"] = both["n_features"].astype(float)
    return table


def smooth_kernels(results: ResultTables) -> Page:
    """Return the ratio of the NTK's error to the NNGP's by data set and activation, with its tests."""
    table = log_ratios(results)
    table = table[table["noise"] == 0]
    smooth = activations(table)[1:]
    tasks = table.groupby("task")["log_ratio"].first().index.tolist()
    own = [_test(table, task, ROUGH) for task in tasks]
    against = {name: [_test(table, task, ROUGH, name) for task in tasks] for name in smooth}
    corrected = iter(holm([test.p for tests in (own, *against.values()) for test in tests]))
    p = {name: [next(corrected) for _ in tasks] for name in (ROUGH, *smooth)}
    rows = []
    for index in np.argsort([-test.mean for test in own], kind="stable"):
        name = tasks[index]
        part = table[(table["task"] == name) & (table["activation"] == ROUGH)]
        line = [name.removeprefix("uci/"), str(own[index].splits)]
        line += [f"{part['ntk'].mean():.3f}", f"{part['nngp'].mean():.3f}", f"{part['noise_std'].mean():.3f}"]
        line += [_ratio(own[index].mean), p_text(p[ROUGH][index])]
        for activation in smooth:
            line += [_ratio(_test(table, name, activation).mean), p_text(p[activation][index])]
        rows.append(tuple(line))
    headings = ["data set", "splits", f"NTK, {ROUGH}", f"NNGP, {ROUGH}", "noise", f"NTK / NNGP, {ROUGH}", "p"]
    for activation in smooth:
        headings += [f"NTK / NNGP, {activation}", f"p, against {ROUGH}"]
    return Page(
        "Does the NTK still lose to the NNGP where both kernels are smooth?",
        tuple(headings),
        tuple(rows),
        (
            "Test RMSE in standard deviations of the training targets, mean over splits; NTK / NNGP: geometric mean of "
            "the ratio; noise: standard deviation, by maximum likelihood on the NNGP's validation rows.",
            f"p tests whether the ratio is 1 for {ROUGH}, and whether others have the ratio of {ROUGH}: corrected "
            f"resampled t-test of the log ratio, Holm-corrected over all {len(tasks) * (1 + len(smooth))} tests.",
        ),
    )


def added_noise(results: ResultTables) -> Page:
    """Return the ratio of the NTK's error to the NNGP's with noise added to the training targets, against none."""
    table = log_ratios(results)
    noisy = table[table["noise"] > 0]
    keys = sorted(set(zip(noisy["task"].astype(str), noisy["noise"].astype(float), strict=True)))
    names = activations(table)
    if not keys:
        raise StoreError("no noise was added to the targets of any set")
    tests = {(key, name): _added(table, key, name) for key in keys for name in names}
    corrected = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    rows = []
    for task in dict.fromkeys(task for task, _ in keys):
        levels = [0.0, *(noise for other, noise in keys if other == task)]
        for noise in levels:
            line = [task.removeprefix("uci/"), f"{noise:g}"]
            for name in names:
                part = table[(table["task"] == task) & (table["noise"] == noise) & (table["activation"] == name)]
                known = ((task, noise), name)
                line += [_ratio(float(part["log_ratio"].mean())), p_text(corrected[known]) if noise else ""]
            rows.append(tuple(line))
    columns = [heading for name in names for heading in (f"NTK / NNGP, {name}", "p, against none")]
    return Page(
        "Does noise remove the smooth kernel's advantage?",
        ("data set", "noise added", *columns),
        tuple(rows),
        (
            "Geometric mean over splits of the ratio of test errors (RMSE against targets without added noise). Noise: "
            "in standard deviations of the targets, on training and validation rows. p tests whether noise changes "
            "the ratio: corrected resampled t-test of log ratios, paired by split, Holm-corrected over all "
            f"{len(tests)} tests.",
        ),
    )


def advantage_explained(results: ResultTables) -> Page:
    """Return Spearman's correlation of the NTK's disadvantage with each candidate, over data sets."""
    means = candidates(results)
    found = [(text, rank_correlation(means[name], means["log_ratio"])) for name, text in CANDIDATES.items()]
    corrected = holm([one.p for _, one in found])
    rows = tuple(
        (text, str(one.units), correlation_text(one), p_text(p))
        for (text, one), p in zip(found, corrected, strict=True)
    )
    return Page(
        f"What correlates with the NTK's disadvantage, log(RMSE NTK / RMSE NNGP) of {ROUGH}",
        ("candidate", "data sets", "Spearman's rho [95 %]", "corrected p"),
        rows,
        (
            "p: permutation test, Holm-corrected; intervals are for single rows (Bonett and Wright 2000).",
            "The NNGP's error is part of both the disadvantage and its noise level, so some correlation is arithmetic; "
            "the mean of both logarithms avoids this where both errors vary alike (Oldham 1962).",
        ),
    )


def candidates(results: ResultTables) -> pd.DataFrame:
    """Return the mean over splits of ``log_ratio`` and all candidates, a row per data set; rough kernel, no noise."""
    table = log_ratios(results)
    table = table[(table["noise"] == 0) & (table["activation"] == ROUGH)].copy()
    table["noise"] = (np.log(table["ntk"]) + np.log(table["nngp"])) / 2
    means: pd.DataFrame = table.groupby("task")[["log_ratio", *CANDIDATES]].mean()
    return means


def activations(table: pd.DataFrame) -> list[str]:
    """Return the activations of ``log_ratios``: the rough one, then the others by name."""
    return [ROUGH, *sorted(set(table["activation"]) - {ROUGH})]


def _added(table: pd.DataFrame, key: tuple[str, float], activation: str) -> PairedTest:
    task, noise = key
    rows = table[(table["task"] == task) & (table["activation"] == activation)]
    wide = rows.pivot(index="split_index", columns="noise", values="log_ratio")
    if 0.0 not in wide:
        return PairedTest(np.nan, np.nan, np.nan, 0)
    return paired_test((wide[noise] - wide[0.0]).dropna(), float(rows["test_share"].max()))


def _test(table: pd.DataFrame, task: str, *names: str) -> PairedTest:
    """Return the test that one activation's log ratio is 0, or equals that of another."""
    rows = table[table["task"] == task]
    wide = rows.pivot(index="split_index", columns="activation", values="log_ratio")
    if not set(names) <= set(wide):
        return PairedTest(np.nan, np.nan, np.nan, 0)
    values: pd.Series[float] = wide[names[0]]
    for other in names[1:]:
        values = values - wide[other]
    return paired_test(values.dropna(), float(rows["test_share"].max()))


def _ratio(mean: float) -> str:
    return "-" if isnan(mean) else f"{np.exp(mean):.2f}"
