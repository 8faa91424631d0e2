"""Inputs and targets are scaled by statistics of the training points alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from problems import F, M, N, O, problem

from ntkbench.execution.data import scaled


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
