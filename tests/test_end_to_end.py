"""The main job with the real backends: from a study through worker processes to tables, rates and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import ntkbench
from ntkbench.api.run import Options, plan_study
from ntkbench.study.load import Overrides

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ["cell_id", "metric", "reference", "split", "split_index", "member", "step", "time", "component"]
SMALL = {
    "tasks": ("synthetic/circle", "uci/wine"),
    "widths": (16, 32, 64),
    "members": 5,
    "set": {"training.steps": 8, "training.records": 4, "task.n_train": 12},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("run") / "processes"


@pytest.fixture(scope="module")
def results(folder) -> ntkbench.Results:
    return ntkbench.run("quickstart", out=folder, jobs=2, **SMALL)


def test_every_cell_is_ok_and_nothing_is_printed(results, folder):
    assert results.cells["status"].tolist() == ["ok"] * 11
    assert list((folder / "logs").iterdir()) == []


def test_a_kernel_is_solved_once_per_problem(results):
    roles = results.cells.groupby(["task", "role"]).size()
    counts = {"reference": (1, 1), "subject": (3, 6)}  # the circle is learnt by one subject, a new task by both
    expected = {(task, role): n[i] for i, task in enumerate(SMALL["tasks"]) for role, n in counts.items()}
    assert roles.to_dict() == expected


def test_the_key_of_a_measurement_is_a_key(results):
    assert not results.measurements.duplicated(KEYS).any()
    assert np.isfinite(results.measurements["value"]).all()


def test_networks_and_kernel_start_from_the_same_function(results):
    start = results.measurements.query("metric == 'function_distance' and step == 0")
    assert len(start) == 3 * 3 * 5
    assert (start["value"] == 0).all()


def test_half_the_stable_rate_is_half_the_stable_rate(results):
    cells = results.cells[results.cells["role"] == "reference"].set_index("cell_id")
    largest = results.measurements.query("metric == 'largest_eigenvalue'").set_index("cell_id")["value"]
    expected = 0.5 * 2 * cells["n_train"] / largest
    np.testing.assert_allclose(cells["learning_rate"], expected[cells.index], rtol=1e-14)


def test_errors_are_those_of_the_stored_predictions(results):
    """The last test RMSE of each member, from the table of predictions alone."""
    rows = results.predictions
    own = rows[rows["reference"].isna() & rows["member"].notna()]
    squares = (own["value"] - own["target"]).pow(2).groupby([own["cell_id"], own["member"]]).mean()
    errors = results.measurements.query("metric == 'rmse' and split == 'test' and step == 8").dropna(subset="member")
    stored = errors.set_index(["cell_id", "member"])["value"].sort_index()
    np.testing.assert_allclose(stored, np.sqrt(squares.sort_index()), rtol=1e-12)


def test_targets_are_rebuilt_by_the_spectrum(results):
    """All eigenvectors are kept here: their projections have the length of the targets (12 points of the circle)."""
    spectra = results.spectra.merge(results.cells[["cell_id", "task"]], on="cell_id")
    circle = spectra[spectra["task"] == "synthetic/circle"]
    plan, registry = plan_study("quickstart", Overrides(**SMALL), Options())
    from ntkbench.execution.data import load_problem

    problem = load_problem(plan.cells[0], registry)
    assert circle["target_projection"].pow(2).sum() == pytest.approx(np.square(problem.y_train).sum(), rel=1e-12)


@pytest.mark.parametrize(
    "options", [{"executor": "inline"}, pytest.param({"jobs": 1}, marks=pytest.mark.exhaustive)], ids=str
)
def test_the_same_numbers_with_one_job_and_in_this_process(options, results, tmp_path):
    again = ntkbench.run("quickstart", out=tmp_path / "run", **SMALL, **options)
    one, two = (r.measurements[[*KEYS, "value"]].sort_values(KEYS, ignore_index=True) for r in (results, again))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_rates_figures_and_verdicts_are_there(results, folder):
    rates = ntkbench.convergence_rates(results, metric="ntk_distance_frobenius")
    assert rates["n_widths"].tolist() == [3, 3, 3]
    assert (rates["ci_low"] < rates["exponent"]).all() and (rates["exponent"] < rates["ci_high"]).all()
    assert set(results.verdicts["verdict"]) <= {"holds", "inconclusive", "reported", "fails"}
    for kind in ("png", "svg"):
        figures = sorted((folder / "figures").glob(f"*.{kind}"))
        assert [path.stem for path in figures] == [
            "00-synthetic-circle-pair",
            "01-uci-wine-networks",
            "02-uci-wine-pair",
        ]
        assert all(path.stat().st_size > 10_000 for path in figures)


def test_the_quickstart_keeps_to_its_budget():
    plan, _ = plan_study("quickstart", Overrides(), Options())
    subjects = [cell for cell in plan.cells if cell.role == "subject"]
    assert max(cell.width for cell in subjects) == 2048
    tasks = {"synthetic/teacher", "synthetic/circle", "uci/breast-cancer-wisc-diag"}
    assert {cell.task for cell in subjects} == tasks
    assert sum(cell.estimate.flops for cell in plan.cells) < 3e12  # under a minute on two cores
    for cell in subjects:
        assert cell.skip is None
        assert cell.members >= 8
        assert cell.training.steps[-1] <= 200
        assert cell.sizes.n_train <= (100 if cell.task.startswith("uci/") else 64)


def test_networks_without_a_width_are_named(tmp_path, capsys):
    from ntkbench.analysis.report.report import analyse
    from ntkbench.cli.tables import show_comparisons

    linear = {"architecture.depth": 0, "training.steps": 2}
    results = ntkbench.run(
        "quickstart", out=tmp_path / "run", tasks=["synthetic/circle"], members=2, set=linear, executor="inline"
    )
    assert results.cells["status"].tolist() == ["ok", "ok"]
    show_comparisons(analyse(results))
    assert "1 ensembles without one width" in capsys.readouterr().out
