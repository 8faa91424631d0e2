"""Cells in the run's own process: their metrics, facts, times and memory."""

import json

import numpy as np
import pytest
from toy_runs import rows, session, study, subject

from ntkbench.execution.memory import peak_memory_bytes, reset_peak_memory


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run with two outputs and labels."""
    text = study(
        task=[{"name": "toy/line", "outputs": 2, "labels": True, "n_train": 6}],
        subject=[subject(widths=[4], members=2)],
        store={"predictions": "all", "spectra": 3},
    )
    return session(text, tmp_path_factory.mktemp("cells") / "run", executor="inline")


class TestWholeCells:
    def test_metrics_of_the_study(self, run):
        measured = rows(run, "measurements")
        assert {"rmse", "accuracy", "toy_offset", "ntk_distance_frobenius", "function_distance"} <= set(
            measured["metric"]
        )
        compared = measured[measured["metric"].str.startswith("function_distance")]
        assert set(compared["reference"]) == {"ntk"}
        (kernel,) = run.results.cells.query("role == 'reference'")["cell_id"]
        assert set(compared["reference_cell_id"]) == {kernel}
        assert measured[measured["metric"] == "rmse"]["reference"].isna().all()

    def test_the_rate_that_was_used_is_in_every_row(self, run):
        cells = run.results.cells
        (rate,) = set(cells["learning_rate"])
        eigenvalues = rows(run, "spectra")["eigenvalue"]
        assert rate == pytest.approx(0.5 * 2 * 6 / eigenvalues.max(), rel=1e-12)

    def test_rows_hold_declared_facts_and_expanded_widths(self, run):
        cells = run.results.cells.set_index("role")
        assert cells["kernel"].fillna("").to_dict() == {"reference": "ntk", "subject": ""}
        assert (cells["learning_rate_multiplier"] == 1).all()
        assert [len(found) for found in cells["deviations"]] == [0, 0]
        assert (cells.loc["subject", "width"], cells.loc["subject", "widths"].tolist()) == (4, [4])
        training = json.loads(cells.loc["subject", "training_json"])
        assert (training["fraction_of_max_stable"], training["batch_seed"]) == (0.5, 0)
        assert training["steps"][0] == 0

    def test_memory_and_time_are_known(self, run):
        cells = run.results.cells
        assert (cells["wall_seconds"] > 0).all()
        assert (cells["peak_memory_bytes"] > 1e6).all()


def test_peak_memory_is_seen_and_forgotten():
    reset_peak_memory()
    before = peak_memory_bytes()
    block = np.ones(20_000_000)
    grown = peak_memory_bytes()
    assert grown > before + 0.9 * block.nbytes
    del block
    reset_peak_memory()
    assert peak_memory_bytes() <= grown
