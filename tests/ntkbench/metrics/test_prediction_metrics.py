"""Networks against predictions from their own f_0: a clock that is off by a known factor, and numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest
from test_metrics import STEPS, TRAINING, ensemble, followed, law, problem

from ntkbench.metrics.errors import predictions_from
from ntkbench.metrics.predictions import function_distance_relative, learning_speed_ratio, prediction_rmse
from ntkbench.plugin.types import Solution


def at_rate(data, reference, networks, factor):
    """Return networks that follow the kernel at the study's rate times a factor, from the f_0 of ``networks``."""
    train, test = predictions_from(replace(reference, time_scale=factor), data, networks)
    return replace(networks, members_train=train, members_test=test)


def values(rows):
    return {row.metric: row.value for row in rows}


class TestClock:
    @pytest.mark.parametrize("flow", [False, True])
    @pytest.mark.parametrize("factor", [0.95, 0.99, 1.0, 1.01, 1.05])
    def test_recovers_a_known_factor(self, factor, flow):
        """To second order: the step is one."""
        data, networks = problem(), ensemble(members=8)
        reference = law(data, flow=flow)
        found = values(learning_speed_ratio(data, at_rate(data, reference, networks, factor), reference))
        assert found["learning_speed_ratio"] == pytest.approx(factor, abs=2 * (factor - 1) ** 2 + 1e-12)
        assert (found["learning_speed_ratio"] == pytest.approx(1, abs=1e-3)) == (factor == 1.0)

    def test_a_theory_whose_rate_is_too_high_makes_the_networks_late(self):
        data, networks = problem(), ensemble(members=8)
        reference = law(data)
        right = at_rate(data, reference, networks, 1.0)
        found = values(learning_speed_ratio(data, right, replace(reference, time_scale=1.05)))
        assert found["learning_speed_ratio"] == pytest.approx(1 / 1.05, abs=0.01)

    def test_is_a_projection_on_the_derivative(self):
        """The derivative from steps taken one by one, at rates 1e-4 apart."""
        data, networks = problem(), ensemble(members=3)
        reference = law(data)
        difference, slope = [], []
        for member in range(3):
            f0 = networks.members_train[member, 0], networks.members_test[member, 0]
            for record, steps in enumerate(STEPS):
                ends = [
                    followed(
                        data,
                        replace(
                            reference, kernel_train=k * reference.kernel_train, kernel_test=k * reference.kernel_test
                        ),
                        *f0,
                        steps,
                    )[1]
                    for k in (1.0, 1 + 1e-4, 1 - 1e-4)
                ]
                difference.append(networks.members_test[member, record] - ends[0])
                slope.append((ends[1] - ends[2]) / 2e-4)
        d, g = (np.reshape(part, (3, len(STEPS), -1)).mean(axis=0) for part in (difference, slope))
        found = values(learning_speed_ratio(data, networks, reference))
        assert found["learning_speed_ratio"] == pytest.approx(1 + np.sum(d * g) / np.sum(g * g), rel=2e-3)

    def test_standard_error_is_what_leaving_each_member_out_gives(self):
        data, networks = problem(), ensemble(members=6)
        reference = law(data)
        left_out = []
        for member in range(6):
            others = {
                name: np.delete(getattr(networks, name), member, axis=0)
                for name in ("members_train", "members_test", "diverged_at")
            }
            left_out.append(
                values(learning_speed_ratio(data, replace(networks, **others), reference))["learning_speed_ratio"]
            )
        found = values(learning_speed_ratio(data, networks, reference))
        expected = np.sqrt(5) * np.std(left_out)
        assert found["learning_speed_ratio_standard_error"] == pytest.approx(expected, rel=1e-10)

    def test_standard_error_is_that_of_repeated_studies(self):
        data = problem()
        reference = law(data)
        rng = np.random.default_rng(3)
        ratios, errors = [], []
        for seed in range(150):
            exact = at_rate(data, reference, ensemble(members=300, seed=seed), 1.02)
            noise = 0.1 * rng.standard_normal(exact.members_test.shape)
            found = values(
                learning_speed_ratio(data, replace(exact, members_test=exact.members_test + noise), reference)
            )
            ratios.append(found["learning_speed_ratio"])
            errors.append(found["learning_speed_ratio_standard_error"])
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(ratios), rel=0.2)
        assert abs(np.mean(ratios) - 1.02) < 3.5 * np.std(ratios) / np.sqrt(150) + 1e-3

    def test_diverged_and_stopped_members(self):
        data = problem()
        reference = law(data)
        networks = ensemble(members=6)
        broken = ensemble(members=6, diverged=(2,))
        others = {
            name: np.delete(getattr(networks, name), 2, axis=0)
            for name in ("members_train", "members_test", "diverged_at")
        }
        expected = values(learning_speed_ratio(data, replace(networks, **others), reference))
        assert values(learning_speed_ratio(data, broken, reference)) == pytest.approx(expected)
        early = {name: getattr(networks, name)[:, :2] for name in ("members_train", "members_test")}
        first = replace(networks, times=networks.times[:2], steps=STEPS[:2], **early)
        stopped = replace(networks, stopped_at=np.array([-1, 5, -1, -1, -1, -1]))
        expected = values(learning_speed_ratio(data, first, reference))
        assert values(learning_speed_ratio(data, stopped, reference)) == pytest.approx(expected)

    def test_nothing_to_compare(self):
        data = problem()
        assert list(learning_speed_ratio(data, ensemble(), None)) == []
        assert list(learning_speed_ratio(data, law(data), law(data))) == []
        assert list(learning_speed_ratio(data, ensemble(diverged=range(5)), law(data))) == []
        assert set(values(learning_speed_ratio(data, ensemble(members=1), law(data)))) == {"learning_speed_ratio"}


class TestPredictionRmse:
    @pytest.mark.parametrize("factor", [1.0, 1.3])
    def test_is_that_of_steps_taken_one_by_one(self, factor):
        data, networks = problem(), ensemble()
        reference = law(data)
        rows = list(prediction_rmse(data, networks, replace(reference, time_scale=factor)))
        found = {(row.member, row.step): row.value for row in rows}
        assert {(row.split, row.unit, row.goal) for row in rows} == {("test", "target", "min")}
        assert set(found) == {(member, step) for member in range(5) for step in STEPS}
        scaled = replace(
            reference, kernel_train=factor * reference.kernel_train, kernel_test=factor * reference.kernel_test
        )
        for member in range(5):
            f0 = networks.members_train[member, 0], networks.members_test[member, 0]
            for step in STEPS:
                predicted = followed(data, scaled, *f0, step)[1]
                expected = np.sqrt(np.mean((predicted - data.y_test) ** 2))
                assert found[member, step] == pytest.approx(expected, rel=1e-10)

    def test_of_what_is_no_ensemble(self):
        data = problem()
        assert list(prediction_rmse(data, ensemble(), None)) == []
        assert list(prediction_rmse(data, law(data), law(data))) == []


class TestRelativeDistance:
    def test_is_the_largest_over_how_far_the_prediction_moves(self):
        data, networks = problem(), ensemble()
        reference = law(data)
        rows = list(function_distance_relative(data, networks, reference))
        assert [row.member for row in rows] == list(range(5))
        assert {(row.step, row.split, row.unit) for row in rows} == {(STEPS[-1], "test", "1")}
        for row in rows:
            f, f0 = networks.members_test[row.member], networks.members_train[row.member, 0]
            predicted = [followed(data, reference, f0, f[0], step)[1] for step in STEPS]
            distances = [np.sqrt(np.mean((f[t] - predicted[t]) ** 2)) for t in range(3)]
            moved = np.sqrt(np.mean((predicted[-1] - f[0]) ** 2))
            assert row.value == pytest.approx(max(distances) / moved, rel=1e-10)

    def test_diverged_members_have_none_and_stopped_ones_until_they_stop(self):
        data, networks = problem(), ensemble()
        reference = law(data)
        rows = list(function_distance_relative(data, ensemble(diverged=(1, 3)), reference))
        assert [row.member for row in rows] == [0, 2, 4]
        stopped = replace(networks, stopped_at=np.array([0, 5, -1, -1, -1]))
        before = {row.member: row.value for row in function_distance_relative(data, networks, reference)}
        after = {row.member: row.value for row in function_distance_relative(data, stopped, reference)}
        assert after[0] == 0  # left as it was drawn
        assert [after[member] for member in (2, 3, 4)] == [before[member] for member in (2, 3, 4)]
        _, predicted = predictions_from(reference, data, networks)
        expected = np.sqrt(np.mean((networks.members_test - predicted)[1, 1] ** 2))
        assert after[1] == pytest.approx(expected / np.sqrt(np.mean((predicted[1, -1] - predicted[1, 0]) ** 2)))

    def test_a_prediction_that_does_not_move(self):
        data, networks = problem(), ensemble()
        start = {"members_train": networks.members_train[:, :1], "members_test": networks.members_test[:, :1]}
        still = Solution(times=np.zeros(1), steps=np.zeros(1, int), training=TRAINING, **start)
        assert list(function_distance_relative(data, still, law(data))) == []
        assert list(function_distance_relative(data, networks, None)) == []
