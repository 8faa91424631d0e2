"""Chosen kernel regression: against scikit-learn's Gaussian processes, and against searching by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from ntkbench.architecture import Architecture
from ntkbench.errors import DataError
from ntkbench.exchange import Problem, Request, Training
from ntkbench_jax import analytic_kernels
from ntkbench_jax.tuned.parameters import Parameters
from ntkbench_jax.tuned.select import _evidence, candidates, choose
from ntkbench_jax.tuned.solve import solve

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
    (score,) = _evidence(found, RELU, Parameters(ridges=(ridge,)))
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
    with pytest.raises(DataError, match="no problems to choose on"):
        solved(problem(0))
    twice = problem(0)
    x = np.concatenate([twice.x_train, twice.x_train])
    y = np.concatenate([twice.y_train, twice.y_train + 1])
    singular = Problem(x_train=x, y_train=y, x_test=x, y_test=y, tuning=(problem(1),))
    with pytest.raises(DataError, match="larger ones"):
        solved(singular, by="marginal-likelihood", ridges=(0.0,))


@pytest.mark.parametrize("solver", ["cholesky", "iterative"])
def test_the_solver_can_be_named_and_says_how_well_it_solved(solver):
    found = problem(0, tuning=(problem(1),))
    whole, other = solved(found, ridges=(0.1,)), solved(found, ridges=(0.1,), solver=solver)
    np.testing.assert_allclose(other.mean_test, whole.mean_test, rtol=0, atol=1e-7 if solver == "iterative" else 1e-12)
    facts, others = ({row.metric: row.value for row in one.measurements} for one in (whole, other))
    assert "solver_error" not in facts
    assert others["solver_error"] < (1e-8 if solver == "iterative" else 1e-14)
    assert others["noise_std"] == facts["noise_std"]  # chosen on few rows, whatever solves the many


def test_a_solver_that_knows_the_mean_alone_reports_no_spread(monkeypatch):
    """As beyond 32,768 rows: no variance of 0, and no likelihood made of one."""
    found = problem(0, tuning=(problem(1),))
    whole = solved(found, ridges=(0.1,))
    monkeypatch.setattr("ntkbench_jax.regression.choose.suitable", lambda points, at_rest: "iterative")
    alone = solved(found, ridges=(0.1,))
    assert alone.variance_test is None
    assert "negative_log_likelihood" not in {row.metric for row in alone.measurements}
    np.testing.assert_allclose(alone.mean_test, whole.mean_test, atol=1e-5)
