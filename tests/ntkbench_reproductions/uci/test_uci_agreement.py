"""Agreement of networks and kernel, and where the NTK loses: both studies end to end, numbers worked out again."""

from __future__ import annotations

import numpy as np
import pytest

import ntkbench
from ntkbench.execution.data import scaled
from ntkbench_jax import analytic_kernels
from ntkbench_reproductions.uci import agreement, explanations, smoothness
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.loading import load_published, load_random
from ntkbench_uci.parameters import PublishedSplit, RandomSplit

TASKS = ("uci/boston", "uci/yacht", "uci/energy", "uci/haberman-survival", "uci/pima")


@pytest.fixture(scope="module")
def compared(real_files, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTKBENCH_DATA", str(real_files))
        return ntkbench.run(
            "uci-agreement",
            out=tmp_path_factory.mktemp("agreement") / "run",
            tasks=TASKS,
            widths=(16, 32),
            members=3,
            executor="inline",
            set={"task.splits": 1, "task.n_train": 40, "training.steps": 60},
        )


def test_distances_are_those_of_the_predictions(compared):
    table = agreement.agreement_table(compared).set_index(["task", "width"])
    assert len(table) == 2 * len(TASKS)
    predictions = compared.predictions.merge(compared.cells[["cell_id", "task", "width", "label"]], on="cell_id")
    rows = predictions[(predictions["width"] == 32) & (predictions["task"] == "uci/boston")]
    keys = ["member", "point"]
    own = rows[rows["reference"].isna() & rows["member"].notna()].set_index(keys)
    kernel = rows[rows["reference"].notna() & rows["member"].notna()].set_index(keys)["value"]
    gap = (own["value"] - kernel).unstack("member").to_numpy(dtype=float)
    assert gap.shape[1] == 3 and np.isfinite(gap).all()
    scale = own["target"].xs(0, level="member").std(ddof=0)
    found = table.loc[("uci/boston", 32)]
    assert found["distance"] == pytest.approx(np.sqrt(np.mean(gap**2, axis=0)).mean() / scale, rel=1e-5)
    assert found["distance_of_mean"] == pytest.approx(np.sqrt(np.mean(gap.mean(axis=1) ** 2)) / scale, rel=1e-5)
    targets = own["target"].xs(0, level="member")
    mean = own["value"].unstack("member").mean(axis=1)
    assert found["network_error"] == pytest.approx(np.sqrt(np.mean((mean - targets) ** 2)) / scale, rel=1e-5)
    assert table["classes"].groupby("task").any().to_dict() == {
        name: name in {"uci/haberman-survival", "uci/pima"} for name in TASKS
    }


def test_what_spectra_say_is_that_of_the_kernel(compared, data_folder):
    table = agreement.agreement_table(compared).set_index(["task", "width"])
    problem = load_published(COLLECTION["boston"], PublishedSplit(n_train=40), 0, seed=0)
    problem = scaled(problem, inputs=True, targets=True)
    architecture = ntkbench.Architecture(depth=2, weight_std=1.4142135623730951, bias_std=0.5)
    ntk = np.asarray(analytic_kernels(problem.x_train, architecture=architecture).ntk)
    found, y = table.loc[("uci/boston", 16)], problem.y_train
    damped = np.linalg.inv(ntk + len(y) / found["time"] * np.eye(len(y)))
    assert found["effective_dimension"] == pytest.approx(np.trace(ntk @ damped), rel=1e-6)
    assert found["complexity"] == pytest.approx((y.T @ damped @ y).item() / len(y), rel=1e-6)
    assert found["features"] == 13


def test_its_pages_and_figure(compared):
    page = agreement.agreement(compared)
    assert len(page.rows) == len(TASKS) and all(len(row) == len(page.headings) for row in page.rows)
    found = explanations.explanations(compared)
    assert len(found.rows) == len(explanations.OUTCOMES) * len(agreement.EXPLANATIONS)
    assert {row[2] for row in found.rows} == {str(len(TASKS))}
    assert found.notes[0] == "No explanation is established."  # of five sets no p survives so many tests
    figure = explanations.agreement_and_explanations(compared)
    assert len(figure.axes) == 2


def test_smoothness_end_to_end(data_folder, tmp_path):
    results = ntkbench.run(
        "uci-smoothness",
        out=tmp_path / "run",
        tasks=("uci/yacht",),
        executor="inline",
        set={"task.splits": 1, "task.n_train": 40, "reference.depth": [1], "reference.bias_std": [0.1]},
    )
    assert set(results.cells["status"]) == {"ok"}
    table = smoothness.log_ratios(results)
    assert len(table) == 4 * 3  # noises, activations
    assert sorted(table["noise"].unique()) == [0.0, 0.1, 0.3, 1.0]
    assert [row[0] for row in smoothness.smooth_kernels(results).rows] == ["yacht"]
    assert len(smoothness.added_noise(results).rows) == 4


@pytest.mark.parametrize(
    ("load", "name", "parameters"),
    [
        (load_published, "yacht", PublishedSplit()),
        (load_random, "servo", RandomSplit(n_train=100, n_test=60, validation=0.2)),
    ],
)
def test_noise_is_on_all_targets_but_those_of_the_test(load, name, parameters, data_folder):
    dataset = COLLECTION[name]
    clean, noisy = (load(dataset, parameters.model_copy(update={"noise": noise}), 0, 5) for noise in (0.0, 0.5))
    np.testing.assert_array_equal(noisy.y_test, clean.y_test)
    np.testing.assert_array_equal(noisy.x_train, clean.x_train)
    ((tuning, without),) = [(a, b) for a, b in zip(noisy.tuning, clean.tuning, strict=True)]
    assert len(without.x_test) == round(0.2 * len(clean.x_train))
    for a, b in ((noisy.y_train, clean.y_train), (tuning.y_train, without.y_train), (tuning.y_test, without.y_test)):
        assert (a != b).all()
    np.testing.assert_array_equal(np.concatenate([tuning.y_train, tuning.y_test]), noisy.y_train)
    spread = (noisy.y_train - clean.y_train).std() / clean.y_train.std()
    assert spread == pytest.approx(0.5, rel=0.25)
    other = load(dataset, parameters.model_copy(update={"noise": 0.5}), 0, 6)
    assert (other.y_train - noisy.y_train).any()
