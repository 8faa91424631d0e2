"""Chosen kernel regression: against scikit-learn's Gaussian processes, and against searching by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import multivariate_normal, norm

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.plugin.types import Problem, Request, Training
from ntkbench_jax import analytic_kernels
from ntkbench_jax.tuned.parameters import Parameters
from ntkbench_jax.tuned.select import _evidence, candidates, choose
from ntkbench_jax.tuned.solve import likeliest_noise, solve

RELU = Architecture(depth=2, activation="relu")


def problem(seed, n=40, m=25, noise=0.2, tuning=(), **keys):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + m, 3))
    y = np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:] + noise * rng.standard_normal((n + m, 1))
    return Problem(x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:], tuning=tuning, **keys)


def solved(found, **parameters):
    training = Training(learning_rate=1.0, steps=np.array([0]))
    return solve(Request(problem=found, architecture=RELU, training=training, parameters=Parameters(**parameters)))


def regression(kernels, kernel, n, y, ridge):
    """Return mean and ensemble variance at the points after the n-th, by plain inverses of joint kernels."""
    theta, nngp = getattr(kernels, kernel), kernels.nngp
    inverse = np.linalg.inv(theta[:n, :n] + ridge * np.mean(np.diag(theta)[:n]) * np.eye(n))
    a = theta[n:, :n] @ inverse
    cross = a @ nngp[:n, n:]
    return a @ y, np.diag(nngp[n:, n:] + a @ nngp[:n, :n] @ a.T - cross - cross.T)


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_the_choice_is_the_best_of_a_search_by_hand(kernel):
    tuning = (problem(1), problem(2))
    ridges, biases = (1e-4, 1e-2, 0.1, 1.0), (0.1, 1.0)
    errors = {}
    for bias in biases:
        for ridge in ridges:
            squares = []
            for part in tuning:
                x = np.concatenate([part.x_train, part.x_test])
                kernels = analytic_kernels(x, architecture=RELU.model_copy(update={"bias_std": bias}))
                mean, _ = regression(kernels, kernel, 40, part.y_train, ridge)
                squares.append(np.mean((mean - part.y_test) ** 2))
            errors[bias, ridge] = np.mean(squares)
    chosen = choose(problem(0, tuning=tuning), RELU, Parameters(kernel=kernel, ridges=ridges, bias_std=biases))
    assert (chosen.architecture.bias_std, chosen.ridge) == min(errors, key=errors.get)
    assert chosen.score == pytest.approx(min(errors.values()), rel=1e-10)


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_mean_variance_and_likelihood_are_those_of_the_law(kernel):
    scale = np.array([3.0])
    found = problem(0, tuning=(problem(1),), target_mean=np.zeros(1), target_std=scale)
    solution = solved(found, kernel=kernel, ridges=(0.01,))
    kernels = analytic_kernels(np.concatenate([found.x_train, found.x_test]), architecture=RELU)
    mean, variance = regression(kernels, kernel, 40, found.y_train, 0.01)
    np.testing.assert_allclose(solution.mean_test[0], mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(solution.variance_test[0, :, 0], variance, rtol=0, atol=1e-10)
    facts = {row.metric: row.value for row in solution.measurements}
    total = scale * np.sqrt(variance + facts["noise_std"] ** 2)
    expected = -norm.logpdf(scale * found.y_test[:, 0], scale * mean[:, 0], total).mean()
    assert facts["negative_log_likelihood"] == pytest.approx(expected, rel=1e-9)


def test_the_noise_is_the_likeliest_on_the_rows_for_validation():
    tuning = problem(1, noise=0.5, m=200)
    facts = {row.metric: row.value for row in solved(problem(0, tuning=(tuning,)), ridges=(0.05,)).measurements}
    kernels = analytic_kernels(np.concatenate([tuning.x_train, tuning.x_test]), architecture=RELU)
    mean, variance = regression(kernels, "ntk", 40, tuning.y_train, 0.05)

    def surprise(noise):
        return -norm.logpdf(tuning.y_test[:, 0], mean[:, 0], np.sqrt(variance + noise**2)).mean()

    best = surprise(facts["noise_std"])
    assert best < min(surprise(facts["noise_std"] * factor) for factor in (0.9, 1.1))


def test_the_evidence_is_that_of_the_joint_gaussian():
    found, ridge = problem(0), 0.03
    (score,) = _evidence(found, RELU, Parameters(kernel="nngp", by="marginal-likelihood", ridges=(ridge,)))
    nngp = analytic_kernels(found.x_train, architecture=RELU).nngp
    covariance = nngp + ridge * np.mean(np.diag(nngp)) * np.eye(40)
    amplitude = (found.y_train.T @ np.linalg.solve(covariance, found.y_train)).item() / 40
    expected = -multivariate_normal(cov=amplitude * covariance).logpdf(found.y_train[:, 0]) / 40
    assert score == pytest.approx(expected, rel=1e-10)
    lower, higher = (
        -multivariate_normal(cov=factor * amplitude * covariance).logpdf(found.y_train[:, 0]) / 40
        for factor in (0.9, 1.1)
    )
    assert expected < min(lower, higher)


def test_evidence_uses_no_rows_for_validation_but_for_the_noise():
    first, second = (
        solved(problem(0, tuning=(problem(seed),)), by="marginal-likelihood", kernel="nngp", depth=(1, 2, 3))
        for seed in (1, 2)
    )
    np.testing.assert_array_equal(first.mean_test, second.mean_test)


def test_more_rows_than_so_many_are_left_out_of_the_choice_but_not_of_the_fit():
    tuning = (problem(1),)
    shorter = problem(0, n=60, tuning=tuning)
    few = solved(shorter, tuning_rows=20, ridges=(1e-4, 0.1))
    cut = Problem(
        x_train=tuning[0].x_train[:20], y_train=tuning[0].y_train[:20],
        x_test=tuning[0].x_test, y_test=tuning[0].y_test,
    )  # fmt: skip
    same = solved(problem(0, n=60, tuning=(cut,)), ridges=(1e-4, 0.1))
    np.testing.assert_array_equal(few.mean_test, same.mean_test)
    assert few.mean_train.shape == (1, 60, 1)


def test_candidates_are_all_combinations_and_the_architecture_where_nothing_is_listed():
    found = list(candidates(RELU, Parameters(depth=(1, 3), bias_std=(0.0, 1.0))))
    assert [(one.depth, one.bias_std, one.weight_std) for one in found] == [
        (depth, bias, RELU.weight_std) for depth in (1, 3) for bias in (0.0, 1.0)
    ]
    assert list(candidates(RELU, Parameters())) == [RELU]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(DataError, match="no tuning problems"):
        solved(problem(0))
    twice = problem(0)
    x = np.concatenate([twice.x_train, twice.x_train])
    y = np.concatenate([twice.y_train, twice.y_train + 1])
    singular = Problem(x_train=x, y_train=y, x_test=x, y_test=y, tuning=(problem(1),))
    with pytest.raises(DataError, match="larger ones"):
        solved(singular, by="marginal-likelihood", kernel="nngp", ridges=(0.0,))
    constant = problem(0, tuning=(problem(1),))
    constant = replace(constant, y_train=0 * constant.y_train)
    with pytest.raises(DataError, match="all targets are zero"):
        solved(constant, by="marginal-likelihood", kernel="nngp")
    with pytest.raises(ValidationError, match='evidence for kernel "nngp": give that kernel'):
        Parameters(by="marginal-likelihood")
    with pytest.raises(DataError, match=r"weight_std=1e\+60.* is beyond the range of float64 here"):
        solved(problem(0, tuning=(problem(1),)), weight_std=(1e60,))


def test_a_candidate_beyond_the_range_of_numbers_is_left_out():
    found = problem(0, tuning=(problem(1),))
    alone, beside = solved(found, weight_std=(1.4,)), solved(found, weight_std=(1.4, 1e60))
    np.testing.assert_array_equal(alone.mean_test, beside.mean_test)


def test_problems_to_choose_on_count_by_their_rows_and_in_the_units_of_the_whole():
    """By hand, of two parts of 3 and 60 rows whose targets are scaled by other numbers than the whole problem's."""
    parts = (
        replace(problem(1, m=3), target_std=np.array([2.0])),
        replace(problem(2, m=60, noise=1.0), target_std=np.array([0.5])),
    )
    found = problem(0, tuning=parts, target_mean=np.zeros(1), target_std=np.array([1.0]))
    ridges, errors, residuals = (1e-3, 0.03, 1.0), {}, {}
    for ridge in ridges:
        pooled, variances = [], []
        for part in parts:
            kernels = analytic_kernels(np.concatenate([part.x_train, part.x_test]), architecture=RELU)
            mean, variance = regression(kernels, "ntk", 40, part.y_train, ridge)
            pooled.append(part.target_std * (mean - part.y_test)[:, 0])
            variances.append(part.target_std**2 * variance)
        residuals[ridge] = np.concatenate(pooled), np.concatenate(variances)
        errors[ridge] = np.mean(residuals[ridge][0] ** 2)
    chosen = choose(found, RELU, Parameters(ridges=ridges))
    assert chosen.ridge == min(errors, key=errors.get)
    assert chosen.score == pytest.approx(errors[chosen.ridge], rel=1e-10)
    residual, variance = residuals[chosen.ridge]
    facts = {row.metric: row.value for row in solved(found, ridges=ridges).measurements}

    def surprise(noise):
        return -norm.logpdf(residual, 0, np.sqrt(variance + noise**2)).mean()

    assert surprise(facts["noise_std"]) < min(surprise(facts["noise_std"] * factor) for factor in (0.99, 1.01))


@pytest.mark.parametrize("scale", [1e-12, 20.0, 1e12])
def test_noise_has_the_scale_of_the_residuals(scale):
    """Its law is that of the targets: far below the kernel's variance it is none, far above it all there is."""
    rng = np.random.default_rng(0)
    residual, variance = scale * rng.standard_normal((400, 1)), np.full((400, 1), 0.25)
    expected = max(np.mean(residual**2) - 0.25, 0.0)  # of equal variances, in closed form
    assert likeliest_noise(residual, variance) == pytest.approx(expected, rel=1e-4)
    assert likeliest_noise(residual, 0 * variance) == pytest.approx(np.mean(residual**2), rel=1e-4)
    assert likeliest_noise(0 * residual, variance) == 0


def test_no_density_no_likelihood():
    """A linear model without noise of its targets, depth 0: errors of rounding, said to be that and no bound."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3))
    y = x @ np.ones((3, 1))
    part = Problem(x_train=x[:20], y_train=y[:20], x_test=x[20:40], y_test=y[20:40])
    found = Problem(x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:], tuning=(part,))
    linear = Architecture(depth=0, bias_std=0.0)
    training = Training(learning_rate=1.0, steps=np.array([0]))
    parameters = Parameters(kernel="ntk", ridges=(1e-9,))
    facts = {
        row.metric: row.value
        for row in solve(
            Request(problem=found, architecture=linear, training=training, parameters=parameters)
        ).measurements
    }
    assert facts["noise_std"] < 1e-6
    assert facts["negative_log_likelihood"] < -12


def test_what_is_chosen_at_the_end_of_its_list_is_said():
    tuning = (problem(1, noise=0.5, m=200),)
    ends = {}
    for ridges in ((1e-9, 1e-6, 0.1), (1e-6, 0.1, 1e6), (0.1,)):
        facts = {row.metric: row.value for row in solved(problem(0, tuning=tuning), ridges=ridges).measurements}
        assert facts["chosen_ridge"] == 0.1
        assert "depth_at_grid_edge" not in facts
        ends[len(ridges), max(ridges)] = facts.get("ridge_at_grid_edge")
    assert ends == {(3, 0.1): 1.0, (3, 1e6): 0.0, (1, 0.1): None}


def test_a_system_that_is_not_solved_is_no_result():
    """Conflicting targets of the same inputs, without a ridge: conjugate gradients would return zeros."""
    once = problem(0)
    x, y = np.concatenate([once.x_train] * 2), np.concatenate([once.y_train, once.y_train + 1])
    twice = Problem(x_train=x, y_train=y, x_test=once.x_test, y_test=once.y_test, tuning=(problem(1),))
    with pytest.raises(DataError, match=r"solver iterative with ridge 0 left an error of.* give larger ridges"):
        solved(twice, ridges=(0.0,), solver="iterative")
    assert np.isfinite(solved(twice, ridges=(0.0,), solver="eigen").mean_test).all()


@pytest.mark.parametrize("solver", ["cholesky", "iterative"])
def test_the_solver_can_be_named_and_says_how_well_it_solved(solver):
    found = problem(0, tuning=(problem(1),))
    whole, other = solved(found, ridges=(0.1,)), solved(found, ridges=(0.1,), solver=solver)
    np.testing.assert_allclose(other.mean_test, whole.mean_test, rtol=0, atol=1e-7 if solver == "iterative" else 1e-12)
    facts, others = ({row.metric: row.value for row in one.measurements} for one in (whole, other))
    assert "solver_error" not in facts
    assert others["solver_error"] < (1e-8 if solver == "iterative" else 1e-14)
    if solver == "cholesky":
        assert others["noise_std"] == pytest.approx(facts["noise_std"], rel=1e-9)
        assert others["negative_log_likelihood"] == pytest.approx(facts["negative_log_likelihood"], rel=1e-9)
    else:  # what the law explains of the residuals is not known
        assert "noise_std" not in others


def test_a_solver_that_knows_the_mean_alone_reports_no_spread(monkeypatch):
    """As beyond 32,768 rows: no variance of 0, and no likelihood made of one."""
    found = problem(0, tuning=(problem(1),))
    whole = solved(found, ridges=(0.1,))
    monkeypatch.setattr("ntkbench_jax.regression.choose.suitable", lambda points, at_rest: "iterative")
    alone = solved(found, ridges=(0.1,))
    assert alone.variance_test is None
    assert "negative_log_likelihood" not in {row.metric for row in alone.measurements}
    np.testing.assert_allclose(alone.mean_test, whole.mean_test, atol=1e-5)
