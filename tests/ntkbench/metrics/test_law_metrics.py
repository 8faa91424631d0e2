"""Ensembles drawn exactly from a law, and from laws next to it; the jackknife against leaving members out in turn."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import kurtosis as sample_kurtosis

from ntkbench.dynamics import decompose, ensemble_covariance, ensemble_law, kernel_dynamics
from ntkbench.metrics.ensemble_law import law_agreement
from ntkbench.metrics.moments import (
    Sample,
    covariance_distance,
    covariance_slope,
    kurtosis,
    mean_slope,
    variance_excess,
    variance_ratio,
    variance_share,
)
from ntkbench.plugin.statistics import jackknife_error
from ntkbench.plugin.types import Problem, Solution, Training

N, M, O = 4, 5, 2  # noqa: E741
STEPS = np.array([0, 2, 7])
RATE = 0.3
TRAINING = Training(learning_rate=RATE, steps=STEPS)
STATISTICS = {
    "mean_slope": mean_slope,
    "variance_ratio": variance_ratio,
    "covariance_slope": covariance_slope,
    "covariance_distance": lambda samples: covariance_distance(samples)[0],
    "kurtosis": kurtosis,
}
OF_SHARES = {name: partial(part, whole=3.0) for name, part in (("excess", variance_excess), ("share", variance_share))}


def kernel(x, z, scale):
    return np.exp(-np.square(x[:, None] - z).sum(axis=-1) / 4) * scale + 0.1


class WorkerConfig:
    """A problem whose kernels are Theta and K, positive definite and not proportional, and the law of its ensemble."""

    def __init__(self, seed=0, *, flow=False):
        rng = np.random.default_rng(seed)
        x, z = rng.standard_normal((N, 3)), rng.standard_normal((M, 3))
        everything = np.vstack([x, z])
        self.problem = Problem(
            x_train=x, y_train=2 + rng.standard_normal((N, O)), x_test=z, y_test=rng.standard_normal((M, O))
        )
        driving = 2 * kernel(everything, everything, 1.0) ** 2
        start = kernel(everything, everything, 1.0)
        self.root = np.linalg.cholesky(start)
        spectrum = decompose(driving[:N, :N])
        when = {"times": RATE * STEPS} if flow else {"steps": STEPS, "learning_rate": RATE}
        mean = kernel_dynamics(driving[:N, :N], driving[N:, :N], self.problem.y_train, spectrum=spectrum, **when)
        given = (spectrum, driving[N:, :N], start[:N, :N], start[N:, :N])
        variance = ensemble_law(*given, np.diag(start)[N:], **when)
        self.law = Solution(
            times=RATE * STEPS,
            steps=None if flow else STEPS,
            training=TRAINING,
            mean_train=mean.train,
            mean_test=mean.test,
            variance_test=np.repeat(variance.test[:, :, None], O, axis=2),
            covariance_test=ensemble_covariance(*given, start[N:, N:], **when),
            kernel_train=driving[:N, :N],
            kernel_test=driving[N:, :N],
            eigenvalues=spectrum.eigenvalues,
            eigenvectors=spectrum.eigenvectors,
        )

    def ensemble(self, members, seed=1, *, scale=1.0, draw=None):
        """Return networks that follow the law, from f_0 ~ N(0, scale^2 K), or from ``draw`` in place of N(0, 1)."""
        rng = np.random.default_rng(seed)
        numbers = rng.standard_normal((members, N + M, O)) if draw is None else draw(rng, (members, N + M, O))
        f0 = scale * self.root @ numbers
        found = kernel_dynamics(
            self.law.kernel_train,
            self.law.kernel_test,
            self.problem.y_train,
            f0_train=f0[:, :N],
            f0_test=f0[:, N:],
            steps=STEPS,
            learning_rate=RATE,
        )
        return Solution(
            times=RATE * STEPS,
            steps=STEPS,
            training=TRAINING,
            members_train=found.train,
            members_test=found.test,
        )

    def compared(self, subject, law=None):
        rows = list(law_agreement(self.problem, subject, law or self.law))
        assert {row.member for row in rows} <= {None}
        found = {(row.metric, row.step): row.value for row in rows if row.split == "test"}
        trained = [row.metric.removesuffix("_standard_error") for row in rows if row.split == "train"]
        assert {*trained} <= {"law_variance_ratio_over_time", "law_variance_left"}
        assert len(found) == len(rows) - len(trained)
        return found

    def trained(self, subject):
        rows = law_agreement(self.problem, subject, self.law)
        return {row.metric: row.value for row in rows if row.split == "train"}


@pytest.fixture(scope="module")
def setting():
    return WorkerConfig()


def samples(members=7, records=2, seed=3):
    """Members of no law in particular."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(records):
        root = rng.standard_normal((M, M))
        covariance = root @ root.T
        values = rng.standard_exponential((members, M, O))
        shift, mean = rng.standard_normal((members, M, O)), rng.standard_normal((M, O))
        variance = np.repeat(np.diag(covariance)[:, None], O, axis=1)
        found.append(Sample(values, shift, mean, variance, covariance))
    return found


def without(sample, member):
    return replace(
        sample, members=np.delete(sample.members, member, axis=0), shift=np.delete(sample.shift, member, axis=0)
    )


@pytest.fixture(scope="module")
def with_training_points():
    """A law with its variance on training points."""
    found, stated = WorkerConfig(), []
    for step in STEPS:
        left = np.linalg.matrix_power(np.eye(N) - RATE * found.law.kernel_train / N, int(step))
        covariance = left @ (found.root @ found.root.T)[:N, :N] @ left.T
        stated.append(np.repeat(np.diag(covariance)[:, None], O, axis=1))
    found.law = replace(found.law, variance_train=np.stack(stated))
    return found


class TestTrainingPoints:
    """The law's variance there at step 7 is a small part of that at step 0."""

    def test_members_of_the_law_vary_as_their_predictions_do(self, with_training_points):
        found = with_training_points.trained(with_training_points.ensemble(4000))
        assert found["law_variance_ratio_over_time"] == pytest.approx(1, abs=1e-12)
        variance = with_training_points.law.variance_train.sum(axis=(1, 2))
        assert found["law_variance_left"] == pytest.approx(variance[-1] / variance[0], rel=0.1)

    def test_what_training_leaves_over_is_seen(self, with_training_points):
        subject = with_training_points.ensemble(4000)
        noise = 0.3 * np.random.default_rng(5).standard_normal(subject.members_train.shape)
        noise[:, 0] = 0
        found = with_training_points.trained(replace(subject, members_train=subject.members_train + noise))
        variance = with_training_points.law.variance_train.sum(axis=(1, 2))
        extra = 0.09 * N * O
        error = found["law_variance_ratio_over_time_standard_error"]
        assert 0 < error < 0.1
        assert abs(found["law_variance_ratio_over_time"] - 1 - 2 * extra / variance[1:].sum()) < 4 * error
        assert found["law_variance_left"] == pytest.approx((variance[-1] + extra) / variance[0], rel=0.1)


@pytest.fixture(scope="module")
def repeated(setting):
    """200 studies with 60 members: their spread is known to 5 %. They have noise, and another variance."""
    rng, found = np.random.default_rng(7), []
    for seed in range(200):
        subject = setting.ensemble(60, seed=1000 + seed, scale=2.0)
        noise = 0.1 * rng.standard_normal(subject.members_test.shape)
        found.append(setting.compared(replace(subject, members_test=subject.members_test + noise)))
    return found


class TestJackknife:
    @pytest.mark.parametrize("records", [1, 3])
    @pytest.mark.parametrize("name", [*STATISTICS, *OF_SHARES])
    def test_is_what_leaving_each_member_out_gives(self, name, records):
        given = samples(records=records)
        statistic = (STATISTICS | OF_SHARES)[name]
        found = statistic(given)
        expected = [statistic([without(sample, member) for sample in given]).value for member in range(7)]
        np.testing.assert_allclose(found.without, expected, rtol=1e-11)
        assert found.value not in expected

    @pytest.mark.parametrize("name", STATISTICS)
    def test_standard_errors_are_those_of_repeated_studies(self, name, repeated):
        values = [found[f"law_{name}_over_time", 7] for found in repeated]
        errors = [found[f"law_{name}_over_time_standard_error", 7] for found in repeated]
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.2)

    def test_next_to_its_floor_the_error_of_a_distance_errs_on_the_safe_side(self, setting):
        """There it is a root of squares without mean, whose jackknife variance is twice too large."""
        found = [setting.compared(setting.ensemble(60, seed=seed)) for seed in range(200)]
        values = [rows["law_covariance_distance", 7] for rows in found]
        errors = [rows["law_covariance_distance_standard_error", 7] for rows in found]
        assert 1.0 < np.sqrt(np.mean(np.square(errors))) / np.std(values) < 1.8

    def test_of_a_mean_it_is_the_usual_standard_error(self):
        values = np.random.default_rng(0).standard_normal(11)
        left_out = (values.sum() - values) / 10
        assert jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / np.sqrt(11), rel=1e-12)
        assert np.isnan(jackknife_error(np.ones(1)))


def heavy(rng, shape):
    """Numbers of unit variance and excess kurtosis 3 in every direction: a Gaussian of random scale per member."""
    scale = np.sqrt(rng.choice([0.0, 2.0], size=(shape[0], 1, 1)))
    return scale * rng.standard_normal(shape)


class TestDefinitions:
    def test_by_hand(self):
        (sample,) = samples(records=1)
        covariances = [np.cov(sample.members[:, :, o].T) for o in range(O)]
        measured, stated = sum(covariances) / O, sample.covariance
        along = np.sum(sample.shift.mean(axis=0) * sample.mean) / np.sum(sample.mean**2)
        assert mean_slope([sample]).value == pytest.approx(1 + along, rel=1e-12)
        ratio = np.mean([np.diag(covariances[o]) / np.diag(stated) for o in range(O)])
        assert variance_ratio([sample]).value == pytest.approx(ratio, rel=1e-12)
        slope = np.sum(measured * stated) / np.sum(stated**2)
        assert covariance_slope([sample]).value == pytest.approx(slope, rel=1e-12)
        distance = np.linalg.norm(measured - stated) / np.linalg.norm(stated)
        assert covariance_distance([sample])[0].value == pytest.approx(distance, rel=1e-12)

    def test_kurtosis_is_the_unbiased_one_of_the_leading_directions(self):
        (sample,) = samples(records=1)
        directions = np.linalg.eigh(sample.covariance)[1]
        along = np.concatenate([sample.members[:, :, o] @ directions for o in range(O)], axis=1)
        expected = sample_kurtosis(along, axis=0, bias=False).mean()
        assert kurtosis([sample]).value == pytest.approx(expected, rel=1e-11)

    def test_all_records_together_are_so_many_more_points(self):
        first, second = samples(records=2)
        sizes = [np.sum(sample.covariance**2) for sample in (first, second)]
        own = [covariance_slope([sample]).value for sample in (first, second)]
        assert covariance_slope([first, second]).value == pytest.approx(np.average(own, weights=sizes), rel=1e-12)
        own = [covariance_distance([sample])[0].value ** 2 for sample in (first, second)]
        together = covariance_distance([first, second])[0].value
        assert together == pytest.approx(np.average(own, weights=sizes) ** 0.5, rel=1e-12)
        own = [variance_ratio([sample]).value for sample in (first, second)]
        assert variance_ratio([first, second]).value == pytest.approx(np.mean(own), rel=1e-12)

    def test_points_without_variance_are_left_out(self):
        (sample,) = samples(records=1)
        variance = sample.variance.copy()
        variance[2] = 1e-7 * variance.max()
        kept = [0, 1, 3, 4]
        expected = (sample.members.var(axis=0, ddof=1) / variance)[kept].mean()
        assert variance_ratio([replace(sample, variance=variance)]).value == pytest.approx(expected, rel=1e-12)

    def test_no_kurtosis_along_directions_without_variance(self):
        (sample,) = samples(records=1)
        vector = np.array([3.0, 0, 4, 0, 0])
        assert sample.leading.shape == (M, M)
        assert replace(sample, covariance=np.outer(vector, vector)).leading.shape == (M, 1)


class TestLaws:
    def test_an_ensemble_of_the_law_agrees_with_it(self, setting):
        found = setting.compared(setting.ensemble(3000))
        assert {step for _, step in found} == {2, 7}
        for step, suffix in ((2, ""), (7, ""), (7, "_over_time")):
            expected = {"variance_ratio": 1.0, "covariance_slope": 1.0, "kurtosis": 0.0}
            for name, value in expected.items():
                error = found[f"law_{name}{suffix}_standard_error", step]
                assert 0 < error < 0.1
                assert abs(found[f"law_{name}{suffix}", step] - value) < 3.5 * error
            assert found[f"law_mean_slope{suffix}", step] == pytest.approx(1, abs=1e-12)
            floor = found[f"law_covariance_distance{suffix}_floor", step]
            assert 0.3 * floor < found[f"law_covariance_distance{suffix}", step] < 2.5 * floor

    def test_another_variance_is_measured(self, setting):
        """The law is linear in f_0: 5 % more of it is 10 % more of variance and covariance."""
        found = setting.compared(setting.ensemble(4000, scale=np.sqrt(1.1)))
        for name in ("variance_ratio", "covariance_slope"):
            error = found[f"law_{name}_over_time_standard_error", 7]
            assert error < 0.03
            assert abs(found[f"law_{name}_over_time", 7] - 1.1) < 3.5 * error

    def test_another_mean_is_measured(self, setting):
        subject = setting.ensemble(50)
        moved = replace(subject, members_test=subject.members_test + 0.1 * setting.law.mean_test)
        found = setting.compared(moved)
        assert found["law_mean_slope", 2] == pytest.approx(1.1, abs=1e-12)
        assert found["law_mean_slope_over_time", 7] == pytest.approx(1.1, abs=1e-12)

    def test_tails_are_seen(self, setting):
        found = setting.compared(setting.ensemble(4000, draw=heavy))
        error = found["law_kurtosis_over_time_standard_error", 7]
        assert abs(found["law_kurtosis_over_time", 7] - 3) < 3.5 * error
        assert error < 0.3
        error = found["law_variance_ratio_over_time_standard_error", 7]
        assert abs(found["law_variance_ratio_over_time", 7] - 1) < 3.5 * error

    def test_kurtosis_has_no_bias_in_small_ensembles(self, setting):
        values = [setting.compared(setting.ensemble(8, seed=seed))["law_kurtosis_over_time", 7] for seed in range(300)]
        assert abs(np.mean(values)) < 3.5 * np.std(values) / np.sqrt(300)

    def test_the_floor_is_what_chance_leaves(self, setting):
        """For Gaussian members E|Cov - C|^2 = (|C|^2 + tr(C)^2) / ((E - 1) O), and the floor's square estimates it."""
        squares, floors = [], []
        for seed in range(200):
            found = setting.compared(setting.ensemble(40, seed=seed))
            squares.append(found["law_covariance_distance", 7] ** 2)
            floors.append(found["law_covariance_distance_floor", 7] ** 2)
        stated = setting.law.covariance_test[2]
        expected = (1 + np.trace(stated) ** 2 / np.sum(stated**2)) / (39 * O)
        assert np.mean(squares) == pytest.approx(expected, rel=0.15)
        assert np.mean(floors) == pytest.approx(expected, rel=0.15)

    def test_a_law_by_flow_is_taken_at_its_equivalent_times(self):
        setting = WorkerConfig(flow=True)
        by_flow = setting.compared(setting.ensemble(6))
        by_descent = WorkerConfig().compared(setting.ensemble(6))
        assert set(by_flow) == set(by_descent)
        shifted = replace(setting.law, times=setting.law.times * 1.01)
        assert setting.compared(setting.ensemble(6), shifted) == {}


class TestWhatIsMissing:
    def test_is_not_compared(self, setting):
        subject = setting.ensemble(8)
        assert list(law_agreement(setting.problem, subject, None)) == []
        assert list(law_agreement(setting.problem, setting.law, setting.law)) == []
        for name in ("variance_test", "mean_test", "kernel_train", "eigenvectors"):
            assert setting.compared(subject, replace(setting.law, **{name: None})) == {}
        bare = {name for name, _ in setting.compared(subject, replace(setting.law, covariance_test=None))}
        assert bare == {
            f"law_{name}{suffix}{error}"
            for name in ("mean_slope", "variance_ratio")
            for suffix in ("", "_over_time")
            for error in ("", "_standard_error")
        }

    def test_diverged_members_are_left_out(self, setting):
        subject = setting.ensemble(9)
        broken = {name: getattr(subject, name).copy() for name in ("members_train", "members_test")}
        for values in broken.values():
            values[4, 1:] = np.nan
        diverged = replace(subject, **broken, diverged_at=np.where(np.arange(9) == 4, 2, -1))
        others = replace(subject, **{name: np.delete(getattr(subject, name), 4, axis=0) for name in broken})
        assert setting.compared(diverged) == setting.compared(others)

    def test_records_after_a_member_was_done_are_left_out(self, setting):
        stopped = replace(setting.ensemble(9), stopped_at=np.where(np.arange(9) == 4, 3, -1))
        found = setting.compared(stopped)
        assert {step for _, step in found} == {2}

    @pytest.mark.parametrize(("members", "kurtosis_too"), [(2, None), (3, False), (4, False), (5, True)])
    def test_few_members(self, setting, members, kurtosis_too):
        found = setting.compared(setting.ensemble(members))
        assert bool(found) == (kurtosis_too is not None)
        assert (("law_kurtosis", 7) in found) == bool(kurtosis_too)
