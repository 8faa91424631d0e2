"""What happens around a backend in a worker: data scaled, solutions checked and kept, and turned into tables."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from toy_runs import rows, session, study, subject

from ntkbench.errors import DataError, NtkbenchError, PluginError, StoreError
from ntkbench.execution.check import check_measurements, check_problem, check_solution
from ntkbench.execution.data import scaled
from ntkbench.execution.memory import peak_memory_bytes, reset_peak_memory
from ntkbench.execution.solve_cell import _training
from ntkbench.execution.tables import measurement_columns, prediction_columns, spectrum_columns
from ntkbench.plugin.specs import MethodFacts, MetricSpec, Sizes
from ntkbench.plugin.types import Measurement, Problem, Request, Solution, Training
from ntkbench.store.solution_cache import has_solution, load_solution, save_solution

RNG = np.random.default_rng(0)
N, M, F, O, T, E = 5, 4, 3, 2, 3, 6  # noqa: E741


def problem(**changes):
    fields = {
        "x_train": RNG.normal(3, 2, (N, F)),
        "y_train": RNG.normal(-1, 5, (N, O)),
        "x_test": RNG.normal(3, 2, (M, F)),
        "y_test": RNG.normal(-1, 5, (M, O)),
    }
    return Problem(**fields | changes)


class TestScaling:
    def test_by_statistics_of_the_training_points_alone(self):
        data = problem()
        found = scaled(data, inputs=True, targets=True)
        for name in ("x", "y"):
            train, test = getattr(data, f"{name}_train"), getattr(data, f"{name}_test")
            for column in range(train.shape[1]):
                mean = sum(train[:, column]) / N
                std = (sum((train[:, column] - mean) ** 2) / N) ** 0.5
                for split, values in (("train", train), ("test", test)):
                    expected = (values[:, column] - mean) / std
                    np.testing.assert_allclose(getattr(found, f"{name}_{split}")[:, column], expected, rtol=1e-12)
        np.testing.assert_allclose(found.y_train * found.target_std + found.target_mean, data.y_train, rtol=1e-12)
        np.testing.assert_allclose(found.y_test * found.target_std + found.target_mean, data.y_test, rtol=1e-12)

    def test_test_points_change_nothing(self):
        data = problem()
        other = replace(data, x_test=data.x_test + 100, y_test=data.y_test * 50)
        one, two = (scaled(d, inputs=True, targets=True) for d in (data, other))
        for name in ("x_train", "y_train", "target_mean", "target_std"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))

    @pytest.mark.parametrize("value", [0.0, 0.1, 1e300, 1 / 3])
    def test_a_constant_column_is_centred_and_has_scale_1(self, value):
        x, z = problem().x_train.copy(), problem().x_test.copy()
        x[:, 1] = value
        z[:, 1] = [value, value + 0.5, value, value]
        found = scaled(problem(x_train=x, x_test=z), inputs=True, targets=False)
        assert (found.x_train[:, 1] == 0).all()
        assert found.x_test[:, 1].tolist() == [0, value + 0.5 - value, 0, 0]

    def test_a_constant_target(self):
        found = scaled(problem(y_train=np.full((N, O), 7.1)), inputs=False, targets=True)
        assert (found.y_train == 0).all()
        assert found.target_std.tolist() == [1, 1]
        assert found.target_mean.tolist() == [7.1, 7.1]

    def test_what_is_not_asked_for_stays(self):
        data = problem()
        found = scaled(data, inputs=False, targets=False)
        for name in ("x_train", "y_train", "x_test", "y_test"):
            np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
        assert found.target_std.tolist() == [1, 1]

    @pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e170, 1e300])
    def test_squares_of_any_unit_neither_overflow_nor_vanish(self, unit):
        data = problem()
        changed = {name: getattr(data, name) * unit for name in ("x_train", "x_test", "y_train", "y_test")}
        one, two = (scaled(d, inputs=True, targets=True) for d in (data, replace(data, **changed)))
        for name in changed:
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-12)
        np.testing.assert_allclose(two.target_std, one.target_std * unit, rtol=1e-12)
        np.testing.assert_allclose(two.target_mean, one.target_mean * unit, rtol=1e-12)

    def test_the_largest_numbers_there_are(self):
        largest = np.finfo(float).max
        y = np.array([[largest], [-largest], [largest], [-largest], [0.0]])
        found = scaled(problem(y_train=y, y_test=y[:M]), inputs=False, targets=True)
        np.testing.assert_allclose(found.y_train[:, 0], np.array([1, -1, 1, -1, 0]) * 5**0.5 / 2)
        assert found.target_std[0] == pytest.approx(largest * (2 / 5**0.5))

    def test_powers_of_two_change_no_bit(self):
        """Scaling in units of a power of two gives what plain statistics give."""
        data = problem()
        found = scaled(data, inputs=True, targets=True)
        mean, std = data.x_train.mean(axis=0), data.x_train.std(axis=0)
        assert found.x_test.tobytes() == ((data.x_test - mean) / std).tobytes()
        assert found.target_std.tobytes() == data.y_train.std(axis=0).tobytes()

    @given(arrays(np.float64, (N, F), elements=st.floats(-1e6, 1e6, width=32)))
    def test_scaled_inputs_are_finite_and_of_scale_1_or_0(self, x):
        found = scaled(problem(x_train=x), inputs=True, targets=False).x_train
        assert np.isfinite(found).all()
        spread = found.std(axis=0)
        assert ((np.abs(spread - 1) < 1e-6) | (spread < 1e-6)).all()


class TestProblem:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"x_train": np.zeros(N)}, "x_train has 1 axes, expected 2"),
            ({"y_train": np.zeros((N + 1, O))}, r"y_train has shape \(6, 2\), expected \(5, 2\)"),
            ({"x_test": np.zeros((M, F + 1))}, r"x_test has shape \(4, 4\), expected \(4, 3\)"),
            ({"y_test": np.zeros((M, 1))}, r"y_test has shape \(4, 1\), expected \(4, 2\)"),
            ({"y_test": np.full((M, O), np.inf)}, r"y_test\[0, 0\] is inf; data must be finite"),
            ({"x_train": np.zeros((0, F)), "y_train": np.zeros((0, O))}, "empty"),
            ({"labels_test": np.zeros(N)}, r"labels_test has shape \(5,\), expected \(4,\)"),
            ({"target_std": np.ones(3)}, r"target_std has shape \(3,\), expected \(2,\)"),
        ],
    )
    def test_what_does_not_fit_is_named(self, changes, message):
        with pytest.raises(DataError, match=message):
            problem(**changes)

    def test_arrays_are_read_only_float64_and_contiguous(self):
        data = problem(x_train=np.asfortranarray(RNG.standard_normal((N, F)).astype(np.float32)))
        assert data.x_train.dtype == np.float64
        assert data.x_train.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            data.x_train[0, 0] = 1


def request(role="subject"):
    return Request(
        problem=problem(),
        architecture=None,
        training=Training(learning_rate=0.1, steps=np.arange(T)),
        parameters=None,
        members=E if role == "subject" else 0,
    )


GOOD = {
    "times": np.arange(T) * 0.1,
    "steps": np.arange(T),
    "mean_train": np.zeros((T, N, O)),
    "mean_test": np.zeros((T, M, O)),
    "variance_train": np.zeros((T, N, O)),
    "variance_test": np.zeros((T, M, O)),
    "covariance_test": np.zeros((T, M, M)),
    "kernel_train": np.eye(N),
    "kernel_test": np.zeros((M, N)),
    "eigenvalues": np.ones(N),
    "eigenvectors": np.eye(N),
}
MEMBERS = {
    "members_train": np.zeros((E, T, N, O)),
    "members_test": np.zeros((E, T, M, O)),
    "diverged_at": np.full(E, -1),
}


class TestCheck:
    def test_what_keeps_the_contract_passes(self):
        check_solution('backend "b"', "reference", request("reference"), Solution(**GOOD))
        check_solution(
            'backend "b"', "subject", request(), Solution(times=GOOD["times"], steps=GOOD["steps"], **MEMBERS)
        )

    @pytest.mark.parametrize("name", [name for name in GOOD if name != "times"])
    def test_every_shape_of_a_law(self, name):
        wrong = GOOD | {name: np.concatenate([GOOD[name], GOOD[name][:1]])}
        with pytest.raises(PluginError, match=rf'backend "b": {name} has shape'):
            check_solution('backend "b"', "reference", request("reference"), Solution(**wrong))

    @pytest.mark.parametrize("name", MEMBERS)
    def test_every_shape_of_an_ensemble(self, name):
        wrong = MEMBERS | {name: MEMBERS[name][:-1]}
        with pytest.raises(PluginError, match=rf'backend "b": {name} has shape'):
            check_solution('backend "b"', "subject", request(), Solution(times=GOOD["times"], **wrong))

    @pytest.mark.parametrize("name", ["members_train", "members_test"])
    def test_an_ensemble_has_members(self, name):
        with pytest.raises(PluginError, match=f"{name} is missing"):
            check_solution('backend "b"', "subject", request(), Solution(times=GOOD["times"], **MEMBERS | {name: None}))

    @pytest.mark.parametrize("name", ["mean_train", "mean_test", "kernel_train", "kernel_test"])
    def test_a_law_is_finite(self, name):
        wrong = GOOD | {name: np.full_like(GOOD[name], np.nan)}
        with pytest.raises(PluginError, match=f"{name} holds values that are not finite"):
            check_solution('backend "b"', "reference", request("reference"), Solution(**wrong))

    @pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
    def test_a_time_scale_is_positive(self, factor):
        with pytest.raises(PluginError, match="time_scale is"):
            check_solution('backend "b"', "reference", request("reference"), Solution(**GOOD, time_scale=factor))

    @pytest.mark.parametrize("name", ["variance_test", "covariance_test", "eigenvalues", "eigenvectors"])
    def test_so_are_its_variance_and_its_spectrum(self, name):
        wrong = GOOD | {name: np.full_like(GOOD[name], np.inf)}
        with pytest.raises(PluginError, match=f"{name} holds values that are not finite"):
            check_solution('backend "b"', "reference", request("reference"), Solution(**wrong))

    @pytest.mark.parametrize("end", [-1, None, 2])
    def test_a_member_that_is_not_finite_has_diverged_by_then(self, end):
        lost = MEMBERS["members_test"].copy()
        lost[1, 1:] = np.nan
        ends = {"diverged_at": None if end is None else np.array([-1, end, *[-1] * (E - 2)])}
        good = MEMBERS | {"members_test": lost, "diverged_at": np.array([-1, 1, *[-1] * (E - 2)])}
        check_solution('backend "b"', "subject", request(), Solution(times=GOOD["times"], **good))
        said = "missing" if end is None else end
        message = f"members_test of member 1 is not finite at step 1, but its diverged_at is {said}"
        with pytest.raises(PluginError, match=message):
            check_solution('backend "b"', "subject", request(), Solution(times=GOOD["times"], **good | ends))

    def test_it_diverges_at_a_recorded_step(self):
        wrong = MEMBERS | {"diverged_at": np.full(E, 99)}
        with pytest.raises(PluginError, match=r"diverged_at is .*, expected recorded steps, or -1 for never"):
            check_solution('backend "b"', "subject", request(), Solution(times=GOOD["times"], **wrong))

    @pytest.mark.parametrize(("value", "kind"), [([[0.0]], "a list"), (np.array("a"), "an array of <U1")])
    def test_fields_are_arrays_of_numbers(self, value, kind):
        with pytest.raises(PluginError, match=f"mean_test is {kind}, expected an array of numbers"):
            check_solution('backend "b"', "reference", request("reference"), Solution(**GOOD | {"mean_test": value}))

    @pytest.mark.parametrize("rubbish", [None, {}, "solved"])
    def test_it_is_a_solution(self, rubbish):
        with pytest.raises(PluginError, match="expected a Solution"):
            check_solution('backend "b"', "subject", request(), rubbish)


class TestMeasurementsOfPlugins:
    SPEC: ClassVar = MetricSpec(
        name="mine", version=1, summary="a", unit="1", goal="none", target="a:b", measures=("other",)
    )

    def row(self, metric="mine", value=1.0):
        return Measurement(metric=metric, value=value, unit="1")

    @pytest.mark.parametrize("name", ["mine", "mine_standard_error", "other", "other_floor"])
    def test_declared_names_pass(self, name):
        assert check_measurements("m", [self.row(name)], self.SPEC) == [self.row(name)]

    @pytest.mark.parametrize("name", ["mines", "rmse", "min", "", None])
    def test_others_are_refused(self, name):
        with pytest.raises(PluginError, match=r'm: yielded ".*", which it does not declare; .* \(\'other\',\)'):
            check_measurements("m", [self.row(name)], self.SPEC)

    @pytest.mark.parametrize("value", [np.nan, np.inf, "far", None, 1j])
    def test_a_value_is_a_finite_number(self, value):
        with pytest.raises(PluginError, match=r'm: "mine" is .*, expected a finite number; .* yield no row'):
            check_measurements("m", [self.row(value=value)], self.SPEC)

    @pytest.mark.parametrize("value", [1, np.float32(1), np.int64(1), True])
    def test_numbers_of_all_kinds_pass(self, value):
        assert check_measurements("m", [self.row(value=value)], self.SPEC)

    def test_a_row_is_a_measurement(self):
        with pytest.raises(PluginError, match="m: yielded 3, expected a Measurement"):
            check_measurements("m", [3], self.SPEC)


class TestSizes:
    def test_a_task_delivers_what_it_declares(self):
        check_problem("t", problem(), Sizes(N, M, F, O, 1))
        with pytest.raises(PluginError) as caught:
            check_problem("t", problem(), Sizes(N + 2, M, F, O + 1, 1))
        assert str(caught.value) == (
            f"t: sizes() declares n_train = {N + 2}, n_outputs = {O + 1}, but load() delivered n_train = {N}, "
            f"n_outputs = {O}"
        )
        with pytest.raises(PluginError, match="t returned NoneType, expected a Problem"):
            check_problem("t", None, Sizes(N, M, F, O, 1))


class TestSolutions:
    def test_what_is_kept_comes_back_read_only(self, tmp_path):
        training = Training(learning_rate=0.1, steps=np.arange(T), optimizer="nesterov", momentum=0.9, batch_seed=7)
        law = Solution(**GOOD, training=training, rho=0.25, time_scale=1.5)
        save_solution(tmp_path / "solutions", "abc", law)
        assert has_solution(tmp_path / "solutions", "abc")
        found = load_solution(tmp_path / "solutions", "abc")
        for name, array in GOOD.items():
            np.testing.assert_array_equal(getattr(found, name), array)
        assert (found.learning_rate, found.rho, found.time_scale) == (0.1, 0.25, 1.5)
        assert found.training.as_json() == training.as_json()
        assert isinstance(found.kernel_train, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found.kernel_train[0, 0] = 1
        assert [path.name for path in (tmp_path / "solutions").iterdir()] == ["abc"]

    def test_a_second_save_replaces_the_first(self, tmp_path):
        save_solution(tmp_path, "abc", Solution(**GOOD))
        save_solution(tmp_path, "abc", Solution(times=GOOD["times"]))
        assert load_solution(tmp_path, "abc").kernel_train is None

    def test_a_save_that_fails_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(np, "save", lambda *a: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(StoreError, match="full"):
            save_solution(tmp_path, "abc", Solution(**GOOD))
        assert list(tmp_path.iterdir()) == []
        assert not has_solution(tmp_path, "abc")

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
    def test_a_broken_index_is_no_solution(self, tmp_path, text):
        save_solution(tmp_path, "abc", Solution(**GOOD))
        (tmp_path / "abc" / "solution.json").write_text(text)
        assert not has_solution(tmp_path, "abc")


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
    data = problem()
    kernel = data.x_train @ data.x_train.T + np.eye(N)
    values, vectors = np.linalg.eigh(kernel)
    law = Solution(
        **GOOD
        | {
            "kernel_train": kernel,
            "kernel_test": data.x_test @ data.x_train.T,
            "eigenvalues": values[::-1].copy(),
            "eigenvectors": vectors[:, ::-1].copy(),
            "mean_train": RNG.standard_normal((T, N, O)),
            "mean_test": RNG.standard_normal((T, M, O)),
            "variance_test": RNG.uniform(1, 2, (T, M, O)),
        },
        training=Training(learning_rate=0.1, steps=GOOD["steps"]),
    )
    diverged = np.array([-1, 1, -1, -1, -1, -1])
    train, test = RNG.standard_normal((E, T, N, O)), RNG.standard_normal((E, T, M, O))
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


class TestTraining:
    def test_the_rate_is_a_fraction_of_the_stable_limit(self):
        found = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).resolved(4.0, 10)
        assert found.learning_rate == 0.5 * 2 * 10 / 4.0
        assert found.times.tolist() == [0.0, 2.5, 5.0]
        assert found.resolved(99.0, 1) is found

    def test_as_json_is_the_same_training(self):
        training = Training(learning_rate=0.1, steps=np.array([0, 2]), batch_size=3, batch_seed=5, stop_loss=1e-3)
        again = Training(**json.loads(json.dumps(training.as_json())))
        assert again.as_json() == training.as_json()
        np.testing.assert_array_equal(again.steps, training.steps)

    @pytest.mark.parametrize("eigenvalue", [0.0, -1.0, np.nan, np.inf])
    def test_a_kernel_without_a_limit(self, eigenvalue):
        with pytest.raises(DataError, match="no stable learning rate"):
            Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).resolved(eigenvalue, 10)

    @pytest.mark.parametrize("steps", [[1, 2], [0, 2, 2], [], [[0]], [0, -1]])
    def test_steps_ascend_from_0(self, steps):
        with pytest.raises(DataError, match="steps must ascend strictly from 0"):
            Training(learning_rate=0.1, steps=np.array(steps))

    def test_an_unresolved_rate_has_no_times(self):
        with pytest.raises(ValueError, match=r"call resolved\(\) first"):
            _ = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).times


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run with two outputs and labels."""
    text = study(
        task=[{"name": "toy/line", "outputs": 2, "labels": True, "n_train": 6}],
        subject=[subject(widths=[4], members=2)],
        store={"predictions": "all", "spectra": 3},
    )
    return session(text, tmp_path_factory.mktemp("cells") / "run", executor="inline")


class TestOneLearningRate:
    """The anchor's backend resolves the rate; every other cell takes it from the anchor's solution, to the last bit."""

    def anchored(self, anchor):
        training = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3), momentum=0.0)
        return SimpleNamespace(anchor=anchor, training=training)

    def test_readers_take_the_anchors_rate(self):
        anchor = Solution(**GOOD, training=Training(learning_rate=0.1 + 0.2, steps=np.arange(3)))
        found = _training(self.anchored("ntk"), {"ntk": anchor})
        assert (found.learning_rate, found.fraction_of_max_stable) == (0.1 + 0.2, None)
        assert found.steps.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("anchor", [None, "ntk"])
    def test_the_anchor_itself_and_absolute_rates_stay(self, anchor):
        cell = self.anchored(anchor)
        assert _training(cell, {}) is cell.training

    def test_an_anchor_without_a_rate_is_named(self):
        with pytest.raises(NtkbenchError, match='reference "svm" cannot set the learning rate'):
            _training(self.anchored("svm"), {"svm": Solution(times=np.array([np.inf]))})


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
