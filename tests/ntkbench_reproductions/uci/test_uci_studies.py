"""The studies on UCI data: valid at both sizes, and run end to end on a few small sets."""

from __future__ import annotations

import numpy as np
import pytest

import ntkbench
from ntkbench.api.run import Options, plan_study
from ntkbench.plugin.specs import import_target
from ntkbench.study.load import Overrides
from ntkbench_reproductions.papers import hla
from ntkbench_reproductions.papers.a19 import networks, tables
from ntkbench_reproductions.papers.a19.accuracies import accuracies_by_set

CELLS = {
    ("uci-classification-a19", "small"): 31 * 4,
    ("uci-classification-a19", "full"): 90 * 4,
    ("uci-classification-a19-networks", "small"): 14 * 4 * 3,
    ("uci-classification-a19-networks", "full"): 90 * 4 * 3,
    ("uci-classification-nested", "small"): 31 * 4 * 2,
    ("uci-classification-nested", "full"): 90 * 4 * 2,
    ("uci-regression", "small"): 5 * 5 * 7,
    ("uci-regression", "full"): (5 * 20 + 3 * 2) * 7,
    ("uci-regression-protein", "small"): 3,
    ("uci-regression-protein", "full"): 5 * 3,
    ("uci-kernels-against-networks", "small"): 5 * 3 * (6 + 2 + 2),
    ("uci-kernels-against-networks", "full"): 5 * 10 * (6 + 6 + 6),
    ("uci-agreement", "small"): 35 * 2 * (1 + 2),
    ("uci-agreement", "full"): 35 * 5 * (1 + 7),
    ("uci-smoothness", "small"): 22 * 5 * 3 * 2,
    ("uci-smoothness", "full"): 22 * 10 * 3 * 2,
}


@pytest.mark.parametrize(("name", "size"), CELLS)
def test_a_study_is_valid_and_names_its_pages(name, size, data_folder):
    plan, _ = plan_study(name, Overrides(size=size), Options())
    assert len(plan.cells) == CELLS[name, size]
    assert {cell.skip for cell in plan.cells} == {None}
    study = plan.study.study
    assert study.title and study.description and study.pages
    assert all(callable(import_target(target)) for target in (*study.pages, *study.figures))


def test_without_the_folder_every_cell_says_what_to_give(monkeypatch):
    """No cell is planned as if it could run, whatever packages of files are installed beside the program."""
    monkeypatch.delenv("NTKBENCH_DATA", raising=False)
    monkeypatch.setattr("ntkbench_uci.locations._package", lambda: None)
    plan, _ = plan_study("uci-regression", Overrides(), Options())
    for cell in plan.cells:
        assert "give its folder of data files as --data-dir, or set NTKBENCH_DATA" in cell.skip
        assert f"or download it: ntkbench data fetch {cell.task.removeprefix('uci/')}" in cell.skip


def test_the_classifier_end_to_end(data_folder, tmp_path):
    results = ntkbench.run(
        "uci-classification-a19",
        out=tmp_path / "run",
        tasks=("uci/a19/zoo",),
        executor="inline",
        set={"task.splits": 2},
    )
    assert results.cells["status"].tolist() == ["ok"] * 2
    accuracy = accuracies_by_set(results, "ntk")
    rows = results.measurements.query("metric == 'accuracy' and split == 'test'")
    assert accuracy.to_dict() == {"zoo": pytest.approx(100 * rows["value"].mean(), rel=1e-14)}
    assert (rows["value"] * 25 % 1).round(9).isin([0, 1]).all()  # 25 test rows
    assert tables.by_data_set(results).rows[0][0] == "zoo"


def test_networks_end_to_end(data_folder, tmp_path):
    """Of the two halves of balloons every resample makes the same choice; the NTK beside is that of its own study."""
    results = ntkbench.run(
        "uci-classification-a19-networks",
        out=tmp_path / "run",
        tasks=("uci/a19/balloons", "uci/a19/lenses"),
        executor="inline",
        set={"task.loss": "cross-entropy", "task.splits": 2, "training.steps": 30, "subject.widths": [16]},
    )
    assert results.cells["status"].tolist() == ["ok"] * 12
    chosen = results.measurements[results.measurements["metric"].str.startswith("chosen_")]
    chosen = chosen.merge(results.cells[["cell_id", "task", "label"]], on="cell_id")
    assert (chosen.groupby(["task", "label", "metric"])["value"].nunique() == 1).all()
    page = networks.networks(results)
    assert [line[0] for line in page.rows] == ["ntk, here", "network-he, here", "network-ntk, here"]
    assert [line[0] for line in networks.networks_by_data_set(results).rows] == ["balloons", "lenses"]
    alone = ntkbench.run(
        "uci-classification-a19",
        out=tmp_path / "alone",
        tasks=("uci/a19/balloons", "uci/a19/lenses"),
        executor="inline",
        set={"task.splits": 2},
    )
    kernels = [accuracies_by_set(found, "ntk").to_dict() for found in (results, alone)]
    assert kernels[0] == kernels[1]


def test_networks_stopped_early_end_to_end(data_folder, tmp_path):
    """They end at a recorded step, and their error on the page is that of the very step."""
    results = ntkbench.run(
        "uci-kernels-against-networks",
        out=tmp_path / "run",
        tasks=("uci/yacht",),
        executor="inline",
        set={"task.splits": 1, "task.n_train": 60, "training.steps": 40, "subject.widths": [16], "subject.members": 2},
    )
    assert (results.cells["status"] == "ok").all()
    cell = results.cells.query("label == 'network-early'")["cell_id"].item()
    rows = results.measurements[results.measurements["cell_id"] == cell]
    step = rows.query("metric == 'chosen_step'")["value"].item()
    assert step in range(0, 41, 4)
    errors = rows.query("metric == 'rmse_unscaled' and split == 'test'")
    errors = errors[errors["member"].isna()].set_index("step")["value"]
    assert len(errors) == 11 and (errors.loc[step:] == errors.loc[step]).all()
    (line,) = hla.errors(results).rows
    assert line[hla.errors(results).headings.index("network-early, n = 16")] == f"{errors.loc[40]:.2f}"


def test_regression_end_to_end(data_folder, tmp_path):
    """On yacht, whose first published split has 31 test rows; units are the data's."""
    results = ntkbench.run(
        "uci-regression", out=tmp_path / "run", tasks=("uci/yacht",), executor="inline", set={"task.splits": 2}
    )
    assert results.cells["status"].tolist() == ["ok"] * 14
    errors = hla.by_split(results, "rmse_unscaled").query("method == 'nngp' and split_index == 0")["value"].item()
    cell = results.cells.query("label == 'nngp' and split_index == 0")
    points = results.predictions[results.predictions["cell_id"] == cell["cell_id"].item()]
    assert len(points) == 31
    scale = np.asarray(cell["target_scale"].item(), dtype=float).item()
    by_hand = scale * np.sqrt(np.mean((points["value"] - points["target"]) ** 2))
    assert errors == pytest.approx(by_hand, rel=1e-12)
    assert [line[0] for line in hla.errors(results).rows] == ["yacht"]
    assert len(hla.differences(results).rows) == 6
