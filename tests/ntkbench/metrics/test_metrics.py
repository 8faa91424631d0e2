"""The metrics against numbers worked out by hand or by brute force."""

from dataclasses import replace

import numpy as np
import pytest

from ntkbench.dynamics import decompose, kernel_dynamics
from ntkbench.metrics.errors import accuracy, function_distance, predictions_from, rmse, rmse_of_network, rmse_unscaled
from ntkbench.plugin.types import Problem, Solution, Training

STEPS = np.array([0, 3, 10])
RATE = 0.1
TRAINING = Training(learning_rate=RATE, steps=STEPS)


def problem(outputs=2, labels=None, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    y, y_test = rng.standard_normal((5, outputs)), rng.standard_normal((4, outputs))
    return Problem(
        x_train=x,
        y_train=y,
        x_test=z,
        y_test=y_test,
        labels_train=None if labels is None else labels[0],
        labels_test=None if labels is None else labels[1],
    )


def law(problem, *, rho=0.0, flow=False):
    kernel = problem.x_train @ problem.x_train.T + np.eye(5)
    kernel_test = problem.x_test @ problem.x_train.T
    spectrum = decompose(kernel)
    schedule = {"times": RATE * STEPS} if flow else {"learning_rate": RATE, "steps": STEPS}
    found = kernel_dynamics(kernel, kernel_test, problem.y_train, rho=rho, spectrum=spectrum, **schedule)
    return Solution(
        times=RATE * STEPS,
        steps=None if flow else STEPS,
        training=TRAINING,
        mean_train=found.train,
        mean_test=found.test,
        kernel_train=kernel,
        kernel_test=kernel_test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        rho=rho,
    )


def ensemble(outputs=2, members=5, diverged=(), seed=1):
    rng = np.random.default_rng(seed)
    train = rng.standard_normal((members, 3, 5, outputs))
    test = rng.standard_normal((members, 3, 4, outputs))
    at = np.full(members, -1)
    for member in diverged:
        train[member, 1:], test[member, 1:], at[member] = np.nan, np.nan, STEPS[1]
    return Solution(
        times=RATE * STEPS, steps=STEPS, training=TRAINING, members_train=train, members_test=test, diverged_at=at
    )


def table(rows, metric=None):
    """Return {(split, member, step): value} of the rows of one metric."""
    found = [row for row in rows if metric in (None, row.metric)]
    keys = [(row.split, row.member, row.step) for row in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, (row.value for row in found), strict=True))


class TestRmse:
    def test_of_members_and_of_their_mean(self):
        data, networks = problem(), ensemble()
        found = table(rmse(data, networks, None), "rmse")
        assert len(found) == 2 * (5 + 1) * 3
        for split, outputs, y in (
            ("train", networks.members_train, data.y_train),
            ("test", networks.members_test, data.y_test),
        ):
            for record, step in enumerate(STEPS):
                for member in range(5):
                    total = sum((outputs[member, record, i, o] - y[i, o]) ** 2 for i in range(len(y)) for o in range(2))
                    assert found[split, member, step] == pytest.approx((total / y.size) ** 0.5, rel=1e-13)
                mean = sum(outputs[member, record] for member in range(5)) / 5
                expected = (((mean - y) ** 2).sum() / y.size) ** 0.5
                assert found[split, None, step] == pytest.approx(expected, rel=1e-13)

    def test_of_a_law(self):
        data = problem()
        found = table(rmse(data, law(data), None))
        assert set(found) == {(split, None, step) for split in ("train", "test") for step in STEPS}
        assert found["train", None, 0] == pytest.approx(np.sqrt(np.mean(data.y_train**2)), rel=1e-13)

    def test_what_a_law_expects_of_one_network(self):
        """The root of the mean squared error over draws from the law; variance differs from point to point."""
        data, rng = problem(), np.random.default_rng(4)
        stated = replace(law(data), variance_test=rng.uniform(0.1, 2.0, (3, 4, 2)))
        draws = stated.mean_test + np.sqrt(stated.variance_test) * rng.standard_normal((40_000, 3, 4, 2))
        squares = np.mean((draws - data.y_test) ** 2, axis=(-2, -1))
        found = table(rmse_of_network(data, stated, None), "rmse_of_network")
        assert set(found) == {("test", None, step) for step in STEPS}
        for record, step in enumerate(STEPS):
            error = squares[:, record].std() / len(squares) ** 0.5
            assert abs(found["test", None, step] ** 2 - squares[:, record].mean()) < 4 * error

    def test_a_law_without_variance_expects_nothing_of_one_network(self):
        assert list(rmse_of_network(problem(), law(problem()), None)) == []
        assert list(rmse_of_network(problem(), ensemble(), None)) == []

    def test_of_gradient_flow_there_are_times_but_no_steps(self):
        rows = list(rmse(problem(), law(problem(), flow=True), None))
        assert {row.step for row in rows} == {None}
        assert [row.time for row in rows if row.split == "test"] == pytest.approx(RATE * STEPS)

    def test_diverged_members_have_no_later_value_and_no_part_in_the_mean(self):
        data, networks = problem(), ensemble(diverged=(1, 3))
        found = table(rmse(data, networks, None))
        assert ("test", 1, 0) in found
        assert ("test", 1, 3) not in found
        survivors = networks.members_test[[0, 2, 4]].mean(axis=0)
        for record, step in enumerate(STEPS):
            expected = np.sqrt(np.mean((survivors[record] - data.y_test) ** 2))
            assert found["test", None, step] == pytest.approx(expected, rel=1e-13)

    def test_no_survivor_no_mean(self):
        found = table(rmse(problem(), ensemble(diverged=range(5)), None))
        assert {step for _, _, step in found} == {0}
        assert {member for _, member, _ in found} == set(range(5))

    def test_units(self):
        (row, *_) = rmse(problem(), ensemble(), None)
        assert (row.unit, row.goal, row.reference, row.component) == ("target", "min", None, None)


class TestAccuracy:
    def test_one_output_by_its_sign(self):
        labels = (np.array([0, 1, 1, 0, 1]), np.array([1, 0, 0, 1]))
        outputs = np.array([-1.0, 2.0, -0.5, 0.0, 0.1]).reshape(1, 1, 5, 1)
        test = np.array([3.0, -1.0, 1.0, 2.0]).reshape(1, 1, 4, 1)
        networks = Solution(times=np.zeros(1), steps=np.zeros(1), members_train=outputs, members_test=test)
        found = table(accuracy(problem(1, labels), networks, None))
        assert found["train", 0, 0] == 4 / 5
        assert found["test", 0, 0] == 3 / 4

    def test_several_outputs_by_the_largest(self):
        labels = (np.array([0, 1, 2, 0, 1]), np.array([2, 2, 0, 1]))
        data, networks = problem(3, labels), ensemble(3)
        found = table(accuracy(data, networks, None))
        for member in range(5):
            right = [np.argmax(networks.members_test[member, 2, i]) == labels[1][i] for i in range(4)]
            assert found["test", member, 10] == sum(right) / 4

    def test_no_labels_no_rows(self):
        assert list(accuracy(problem(), ensemble(), None)) == []

    def test_what_is_not_finite_is_not_classified(self):
        labels = (np.zeros(5, int), np.zeros(4, int))
        found = table(accuracy(problem(2, labels), ensemble(diverged=(0,)), None))
        assert ("test", 0, 0) in found
        assert ("test", 0, 10) not in found

    def test_goal(self):
        (row, *_) = accuracy(problem(2, (np.zeros(5, int), np.zeros(4, int))), ensemble(), None)
        assert (row.unit, row.goal) == ("fraction", "max")


def followed(data, reference, f0_train, f0_test, steps):
    """The kernel's prediction from f_0, by taking the steps of gradient descent one by one."""
    train, test = f0_train.copy(), f0_test.copy()
    n = len(data.x_train)
    for _ in range(steps):
        residual = data.y_train - train
        train = train + RATE / n * reference.kernel_train @ residual
        test = test + RATE / n * reference.kernel_test @ residual
    return train, test


class TestFunctionDistance:
    def test_predictions_start_from_each_members_own_f0(self):
        data, networks = problem(), ensemble()
        reference = law(data)
        train, test = predictions_from(reference, data, networks)
        for member in range(5):
            for record, steps in enumerate(STEPS):
                expected = followed(
                    data, reference, networks.members_train[member, 0], networks.members_test[member, 0], steps
                )
                np.testing.assert_allclose(train[member, record], expected[0], rtol=1e-10, atol=1e-12)
                np.testing.assert_allclose(test[member, record], expected[1], rtol=1e-10, atol=1e-12)

    def test_a_network_that_follows_the_kernel_has_no_distance(self):
        data, networks = problem(), ensemble()
        reference = law(data)
        train, test = predictions_from(reference, data, networks)
        same = Solution(times=networks.times, steps=STEPS, training=TRAINING, members_train=train, members_test=test)
        assert max(table(function_distance(data, same, reference), "function_distance").values()) < 1e-13

    def test_a_flow_reference_is_taken_at_the_networks_times(self):
        data, networks = problem(), ensemble()
        small = Solution(
            times=1e-6 * STEPS,
            steps=STEPS,
            training=replace(TRAINING, learning_rate=1e-6),
            members_train=networks.members_train,
            members_test=networks.members_test,
        )
        flow, descent = (predictions_from(law(data, flow=kind), data, small)[1] for kind in (True, False))
        np.testing.assert_allclose(flow, descent, rtol=1e-6)

    @pytest.mark.parametrize("diverged", [(), (1, 3)])
    def test_of_members_mean_standard_error_and_floor(self, diverged):
        data, networks = problem(), ensemble(members=6, diverged=diverged)
        reference = law(data)
        rows = list(function_distance(data, networks, reference))
        assert {row.split for row in rows} == {"test"}
        difference = networks.members_test - predictions_from(reference, data, networks)[1]
        own = table(rows, "function_distance")
        for record, step in enumerate(STEPS):
            for member in range(6):
                if member in diverged and record:
                    assert ("test", member, step) not in own
                else:
                    assert own["test", member, step] == pytest.approx(self.rms(difference[member, record]), rel=1e-12)
        alive = [difference[member] for member in range(6) if member not in diverged]
        count = len(alive)
        for record, step in enumerate(STEPS):
            here = [d[record] for d in alive]
            key = ("test", None, step)
            mean = sum(here) / count
            assert table(rows, "function_distance_of_mean")[key] == pytest.approx(self.rms(mean), rel=1e-12)
            left_out = [self.rms(sum(d for j, d in enumerate(here) if j != i) / (count - 1)) for i in range(count)]
            middle = sum(left_out) / count
            error = ((count - 1) / count * sum((value - middle) ** 2 for value in left_out)) ** 0.5
            assert table(rows, "function_distance_of_mean_standard_error")[key] == pytest.approx(error, rel=1e-9)
            variance = sum((d - mean) ** 2 for d in here) / (count - 1)
            floor = (variance.mean() / count) ** 0.5
            assert table(rows, "function_distance_of_mean_floor")[key] == pytest.approx(floor, rel=1e-12)

    def rms(self, values):
        return (sum(value**2 for value in values.ravel()) / values.size) ** 0.5

    def test_the_floor_is_what_chance_leaves(self):
        """Members of zero mean and unit variance: the mean square of their mean is the square of the floor."""
        rng = np.random.default_rng(5)
        data = problem()
        reference = law(data)
        squares, floors = [], []
        for _ in range(400):
            networks = ensemble(members=4, seed=rng.integers(2**31))
            base = predictions_from(reference, data, networks)[1]
            noise = rng.standard_normal(base.shape)
            noisy = Solution(
                times=networks.times,
                steps=STEPS,
                training=TRAINING,
                members_train=networks.members_train,
                members_test=base + noise - noise[:, :1],
            )
            rows = list(function_distance(data, noisy, reference))
            squares.append(table(rows, "function_distance_of_mean")["test", None, 10] ** 2)
            floors.append(table(rows, "function_distance_of_mean_floor")["test", None, 10] ** 2)
        # each square is a mean of 8 squared normals of variance 1/2: relative standard error sqrt(2 / 8 / 400) = 2.5 %
        assert np.mean(squares) == pytest.approx(0.5, rel=0.1)
        assert np.mean(floors) == pytest.approx(0.5, rel=0.1)

    def test_one_member_has_no_spread(self):
        data = problem()
        names = {row.metric for row in function_distance(data, ensemble(members=1), law(data))}
        assert names == {f"function_distance{of}" for of in ("", "_of_mean", "_of_mean_over_time")}

    def test_all_steps_together_are_so_many_more_points(self):
        data, networks = problem(), ensemble()
        reference = law(data)
        rows = list(function_distance(data, networks, reference))
        difference = networks.members_test - predictions_from(reference, data, networks)[1]
        mean, last = difference.mean(axis=0), ("test", None, STEPS[-1])
        together = table(rows, "function_distance_of_mean_over_time")
        assert list(together) == [last]
        assert together[last] == pytest.approx(self.rms(mean), rel=1e-12)
        left_out = [self.rms((5 * mean - difference[k]) / 4) for k in range(5)]
        error = table(rows, "function_distance_of_mean_over_time_standard_error")[last]
        assert error == pytest.approx(2 * np.std(left_out), rel=1e-9)
        floor = table(rows, "function_distance_of_mean_over_time_floor")[last]
        assert floor == pytest.approx((difference.var(axis=0, ddof=1).mean() / 5) ** 0.5, rel=1e-12)

    def test_no_survivor_no_mean(self):
        data = problem()
        rows = list(function_distance(data, ensemble(diverged=range(5)), law(data)))
        assert {row.metric for row in rows} == {"function_distance"}
        assert {row.step for row in rows} == {0}

    def test_it_needs_a_reference_and_members(self):
        data = problem()
        assert list(function_distance(data, ensemble(), None)) == []
        assert list(function_distance(data, law(data), law(data))) == []
        bare = Solution(times=RATE * STEPS, steps=STEPS, training=TRAINING)
        with pytest.raises(ValueError, match="kernels and eigenvectors"):
            list(function_distance(data, ensemble(), bare))


@pytest.mark.parametrize("unit", [1e-250, 1.0, 1e250])
def test_errors_in_units_near_the_limits_of_float64(unit):
    y, outputs, scale = np.zeros((4, 2)), np.full((4, 2), 0.5), np.array([2 * unit, unit])
    found = Problem(x_train=y, y_train=y, x_test=y, y_test=y, target_mean=np.zeros(2), target_std=scale)
    solution = Solution(times=np.array([np.inf]), mean_train=outputs[None], mean_test=outputs[None])
    for row in rmse_unscaled(found, solution, None):
        assert row.value == pytest.approx(0.5 * 2.5**0.5 * unit, rel=1e-14)
