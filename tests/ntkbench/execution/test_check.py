"""What tasks, backends and metrics return is checked, and what does not fit is named."""

from typing import ClassVar

import numpy as np
import pytest
from problems import GOOD, MEMBERS, E, F, M, N, O, problem, request

from ntkbench.errors import DataError, PluginError
from ntkbench.execution.check import check_measurements, check_problem, check_solution
from ntkbench.plugin.specs import MetricSpec, Sizes
from ntkbench.plugin.types import Measurement, Solution


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
        data = problem(x_train=np.asfortranarray(np.arange(N * F, dtype=np.float32).reshape(N, F)))
        assert data.x_train.dtype == np.float64
        assert data.x_train.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            data.x_train[0, 0] = 1


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
