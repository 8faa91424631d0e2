"""Predictions, spectra and measurements of one cell as columns of tables."""

from types import SimpleNamespace

import numpy as np
import pytest
from problems import GOOD, E, M, N, O, T, problem

from ntkbench.execution.tables import measurement_columns, prediction_columns, spectrum_columns
from ntkbench.plugin.specs import MethodFacts
from ntkbench.plugin.types import Measurement, Solution, Training


def cell(**changes):
    fields = {
        "split_index": 2,
        "compare_with": ("ntk",),
        "references": {"ntk": "cell-of-ntk"},
        "facts": MethodFacts(kernel="ntk"),
        "store": {"predictions": "last", "spectra": 64},
    }
    return SimpleNamespace(**fields | changes)


@pytest.fixture(scope="module")
def solved():
    """A problem, a kernel's law and an ensemble of which one member diverged."""
    data, rng = problem(), np.random.default_rng(1)
    kernel = data.x_train @ data.x_train.T + np.eye(N)
    values, vectors = np.linalg.eigh(kernel)
    law = Solution(
        **GOOD
        | {
            "kernel_train": kernel,
            "kernel_test": data.x_test @ data.x_train.T,
            "eigenvalues": values[::-1].copy(),
            "eigenvectors": vectors[:, ::-1].copy(),
            "mean_train": rng.standard_normal((T, N, O)),
            "mean_test": rng.standard_normal((T, M, O)),
            "variance_test": rng.uniform(1, 2, (T, M, O)),
        },
        training=Training(learning_rate=0.1, steps=GOOD["steps"]),
    )
    diverged = np.array([-1, 1, -1, -1, -1, -1])
    train, test = rng.standard_normal((E, T, N, O)), rng.standard_normal((E, T, M, O))
    networks = Solution(
        times=GOOD["times"],
        steps=GOOD["steps"],
        training=law.training,
        members_train=train,
        members_test=test,
        diverged_at=diverged,
    )
    return data, law, networks


class TestTables:
    def test_predictions_of_a_law(self, solved):
        data, law, _ = solved
        found = prediction_columns(cell(compare_with=()), data, law, {})
        assert len(found["value"]) == M * O
        np.testing.assert_array_equal(found["value"], law.mean_test[-1].ravel())
        np.testing.assert_array_equal(found["variance"], law.variance_test[-1].ravel())
        np.testing.assert_array_equal(found["target"], data.y_test.ravel())
        assert found["step"].tolist() == [T - 1] * (M * O)
        assert np.ma.getmaskarray(found["member"]).all()
        assert found["point"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        assert found["output"].tolist() == [0, 1] * 4
        assert (found["split"], found["split_index"]) == ("test", 2)

    @pytest.mark.parametrize(("kept", "records"), [("last", 1), ("all", T)])
    def test_predictions_of_members_of_their_mean_and_of_the_kernel(self, solved, kept, records):
        data, law, networks = solved
        found = prediction_columns(cell(store={"predictions": kept}), data, networks, {"ntk": law})
        size = records * M * O
        assert len(found["value"]) == (E + 1 + E) * size
        own = found["value"][: E * size].reshape(E, records, M, O)
        np.testing.assert_array_equal(own, networks.members_test[:, -records:])
        mean = slice(E * size, (E + 1) * size)
        alive = networks.members_test[[0, 2, 3, 4, 5], -records:]
        np.testing.assert_allclose(found["value"][mean], alive.mean(axis=0).ravel(), rtol=1e-13)
        np.testing.assert_allclose(found["variance"][mean].astype(float), alive.var(axis=0, ddof=1).ravel(), rtol=1e-13)
        assert np.ma.getmaskarray(found["member"])[mean].all()
        assert np.ma.getmaskarray(found["variance"])[: E * size].all()
        assert set(found["reference"][: (E + 1) * size]) == {None}
        assert set(found["reference"][(E + 1) * size :]) == {"ntk"}
        members = [member for member in range(E) for _ in range(size)]
        assert found["member"][: E * size].tolist() == members
        assert found["member"][(E + 1) * size :].tolist() == members
        np.testing.assert_allclose(found["time"], 0.1 * found["step"].astype(float))

    def test_no_predictions(self, solved):
        assert prediction_columns(cell(store={"predictions": "none"}), *solved[:2], {}) is None

    def test_spectra_reconstruct_targets_and_residuals(self, solved):
        data, law, _ = solved
        found = spectrum_columns(cell(), data, law)
        vectors = law.eigenvectors[:, found["component"][::O]]
        targets = found["target_projection"].reshape(N, O)
        np.testing.assert_allclose(vectors @ targets, data.y_train, rtol=1e-10)
        residuals = found["residual_projection"].reshape(N, O)
        np.testing.assert_allclose(vectors @ residuals, data.y_train - law.mean_train[-1], rtol=1e-10)
        np.testing.assert_array_equal(found["eigenvalue"][::O], law.eigenvalues)
        assert found["output"].tolist() == [0, 1] * N
        assert (found["kernel"], found["step"], found["time"]) == ("ntk", T - 1, 0.2)

    def test_only_the_leading_components(self, solved):
        found = spectrum_columns(cell(store={"spectra": 2}), *solved[:2])
        assert found["component"].tolist() == [0, 0, 1, 1]
        assert spectrum_columns(cell(store={"spectra": 0}), *solved[:2]) is None
        assert spectrum_columns(cell(), solved[0], solved[2]) is None

    def test_measurements(self):
        measured = [
            Measurement(metric="a", value=1.0, unit="1", reference="ntk", member=3, step=0, time=0.0, split="test"),
            Measurement(metric="b", value=2.0, unit="target", goal="min"),
        ]
        found = measurement_columns(cell(), measured)
        assert found["reference_cell_id"] == ["cell-of-ntk", None]
        assert (found["member"], found["goal"], found["split_index"]) == ([3, None], ["none", "min"], 2)
