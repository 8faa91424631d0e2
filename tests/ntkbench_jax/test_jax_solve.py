"""One reference, solved: against dense matrix functions of the kernels it reports."""

import json

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import multivariate_normal

import ntkbench
from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.plugin.types import Problem, Request, Training
from ntkbench.store.solution_cache import load_solution
from ntkbench_jax import analytic_kernels
from ntkbench_jax.parameters import Parameters
from ntkbench_jax.solve import solve

N, M, OUTPUTS = 9, 5, 2
STEPS = [0, 1, 3, 40]


def request(
    architecture=None,
    x_scale=1.0,
    fraction_of_max_stable=0.5,
    learning_rate=None,
    dtype="float64",
    training=None,
    **keys,
):
    rng = np.random.default_rng(0)
    problem = Problem(
        x_train=x_scale * rng.normal(size=(N, 3)),
        y_train=rng.normal(size=(N, OUTPUTS)),
        x_test=x_scale * rng.normal(size=(M, 3)),
        y_test=rng.normal(size=(M, OUTPUTS)),
    )
    return Request(
        problem=problem,
        architecture=architecture or Architecture(depth=2, activation="erf"),
        training=Training(
            learning_rate=learning_rate, fraction_of_max_stable=fraction_of_max_stable, steps=STEPS, **(training or {})
        ),
        parameters=Parameters(**keys),
        dtype=dtype,
    )


def both_kernels(asked):
    x = np.vstack([asked.problem.x_train, asked.problem.x_test])
    return analytic_kernels(x, architecture=asked.architecture)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_descent_is_the_law_of_a_linear_iteration(kernel, ridge):
    asked = request(kernel=kernel, ridge=ridge)
    found, kernels = solve(asked), both_kernels(asked)
    driving, rho = getattr(kernels, kernel), ridge * np.mean(np.diag(getattr(kernels, kernel))[:N])
    rate = 0.5 * 2 * N / (np.linalg.eigvalsh(driving[:N, :N])[-1] + rho)
    assert found.rho == pytest.approx(rho)
    assert found.learning_rate == pytest.approx(rate, rel=1e-12)
    mean, spread = np.zeros((N, OUTPUTS)), np.zeros((N, N + M))  # coefficients of the training points
    root = np.linalg.cholesky(kernels.nngp)
    for step in range(STEPS[-1] + 1):
        functions = driving[:, :N] @ mean
        deviations = root + driving[:, :N] @ spread
        if step in STEPS:
            t, variance = STEPS.index(step), np.sum(deviations**2, axis=1)[:, None]
            np.testing.assert_allclose(found.mean_train[t], functions[:N], atol=1e-12)
            np.testing.assert_allclose(found.mean_test[t], functions[N:], atol=1e-12)
            np.testing.assert_allclose(found.variance_train[t], np.repeat(variance[:N], OUTPUTS, 1), atol=1e-12)
            np.testing.assert_allclose(found.variance_test[t], np.repeat(variance[N:], OUTPUTS, 1), atol=1e-12)
        mean = mean - rate / N * (functions[:N] - asked.problem.y_train + rho * mean)
        spread = spread - rate / N * (deviations[:N] + rho * spread)


def test_flow_at_the_trainings_times_and_at_its_own():
    asked = request(dynamics="flow")
    found, kernels = solve(asked), both_kernels(asked)
    assert found.steps is None
    np.testing.assert_allclose(found.times, found.learning_rate * np.array(STEPS))
    T = kernels.ntk[:N, :N]
    gain = np.linalg.solve(T, np.eye(N) - expm(-found.times[2] * T / N))
    np.testing.assert_allclose(found.mean_test[2], kernels.ntk[N:, :N] @ gain @ asked.problem.y_train, atol=1e-11)
    own = solve(request(dynamics="flow", times=(0.0, 2.0, np.inf)))
    np.testing.assert_array_equal(own.times, [0, 2, np.inf])
    regression = kernels.ntk[N:, :N] @ np.linalg.solve(T, asked.problem.y_train)
    np.testing.assert_allclose(own.mean_test[2], regression, atol=1e-11)
    np.testing.assert_array_equal(own.variance_train[2], 0)


@pytest.mark.parametrize("optimizer", ["heavy-ball", "nesterov"])
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_momentum_is_the_law_of_a_linear_iteration(kernel, optimizer):
    mu, nesterov = 0.8, optimizer == "nesterov"
    asked = request(kernel=kernel, training={"optimizer": optimizer, "momentum": mu})
    found, kernels = solve(asked), both_kernels(asked)
    driving = getattr(kernels, kernel)
    limit = 2 * (1 + mu) * N / (np.linalg.eigvalsh(driving[:N, :N])[-1] * (1 + 2 * mu if nesterov else 1))
    assert found.learning_rate == pytest.approx(0.5 * limit, rel=1e-12)
    np.testing.assert_array_equal(found.times, found.learning_rate * np.array(STEPS))
    start = np.hstack([np.zeros((N + M, OUTPUTS)), np.linalg.cholesky(kernels.nngp)])
    target = np.hstack([asked.problem.y_train, np.zeros((N, N + M))])
    weights = velocity = np.zeros_like(target)
    for step in range(STEPS[-1] + 1):
        functions = start + driving[:, :N] @ weights
        if step in STEPS:
            t, variance = STEPS.index(step), np.sum(functions[:, OUTPUTS:] ** 2, axis=1)
            np.testing.assert_allclose(found.mean_train[t], functions[:N, :OUTPUTS], atol=1e-12)
            np.testing.assert_allclose(found.mean_test[t], functions[N:, :OUTPUTS], atol=1e-12)
            np.testing.assert_allclose(found.variance_train[t, :, 1], variance[:N], atol=1e-12)
            np.testing.assert_allclose(found.variance_test[t, :, 0], variance[N:], atol=1e-12)
            residual = found.eigenvectors.T @ (asked.problem.y_train - functions[:N, :OUTPUTS])
            np.testing.assert_allclose(found.mode_residuals[t], residual, atol=1e-12)
        gradient = (functions[:N] - target) / N
        velocity = mu * velocity + gradient
        weights = weights - found.learning_rate * (gradient + mu * velocity if nesterov else velocity)


def test_flow_of_a_momentum_training_is_taken_at_its_equivalent_times():
    found = solve(request(dynamics="flow", training={"optimizer": "nesterov", "momentum": 0.75}))
    np.testing.assert_allclose(found.times, 4 * found.learning_rate * np.array(STEPS))


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_nngp_has_an_evidence(ridge):
    asked = request(kernel="nngp", ridge=ridge)
    K = both_kernels(asked).nngp[:N, :N]
    law = multivariate_normal(np.zeros(N), K + ridge * np.mean(np.diag(K)) * np.eye(N))
    (found,) = (m for m in solve(asked).measurements if m.metric == "log_marginal_likelihood")
    assert found.value == pytest.approx(law.logpdf(asked.problem.y_train.T).sum(), rel=1e-10)
    assert found.unit == "nat"


def test_nngp_at_infinite_time_is_the_posterior():
    asked = request(kernel="nngp", dynamics="flow", times=(np.inf,))
    found, K = solve(asked), both_kernels(asked).nngp
    posterior = np.diag(K[N:, N:] - K[N:, :N] @ np.linalg.solve(K[:N, :N], K[:N, N:]))
    np.testing.assert_allclose(found.variance_test[0, :, 1], posterior, atol=1e-11)


def test_it_reports_what_drove_it():
    asked = request()
    found, kernels = solve(asked), both_kernels(asked)
    np.testing.assert_array_equal(found.kernel_train, kernels.ntk[:N, :N])
    np.testing.assert_allclose(found.kernel_test, kernels.ntk[N:, :N], rtol=1e-14)
    rebuilt = found.eigenvectors * found.eigenvalues @ found.eigenvectors.T
    np.testing.assert_allclose(rebuilt, found.kernel_train, atol=1e-13)
    named = {m.metric: m.value for m in found.measurements}
    T = kernels.ntk[:N, :N]
    assert named["largest_eigenvalue"] == found.eigenvalues[0] == N * named["operator_norm"]
    assert named["smallest_eigenvalue"] == found.eigenvalues[-1]
    assert 1e-13 * np.trace(T) < named["smallest_eigenvalue_error"] < 2e-13 * np.trace(T)
    assert named["numerical_rank"] == named["effective_dimension"] == N
    assert named["numerical_rank_cutoff"] == pytest.approx(N * np.finfo(float).eps * found.eigenvalues[0])
    at_infinity = solve(request(dynamics="flow", times=(np.inf,))).measurements
    named = {m.metric: m.value for m in at_infinity}
    assert named["pseudo_inverse_rank"] == N
    assert 0 < named["pseudo_inverse_cutoff"] < 1e-13


def test_an_absolute_rate_is_used_as_it_is():
    assert solve(request(learning_rate=0.25, fraction_of_max_stable=None)).learning_rate == 0.25


def test_float32_kernels():
    single, double = solve(request(dtype="float32")), solve(request())
    assert single.kernel_train.dtype == np.float32
    np.testing.assert_allclose(single.mean_test, double.mean_test, atol=1e-5)


def test_progress_ends_at_its_total():
    seen = []
    asked = request()
    object.__setattr__(asked, "progress", lambda done, total: seen.append(done / total))
    solve(asked)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_a_kernel_beyond_the_range_is_named():
    with pytest.raises(DataError, match="beyond the range of float32"):
        solve(request(Architecture(), x_scale=1e25, dtype="float32"))
    with pytest.raises(DataError, match="no stable learning rate"):
        solve(request(Architecture(bias_std=0), x_scale=0))


def test_a_study_of_momentum_says_so_in_its_tables(tmp_path):
    study = {
        "schema": 1,
        "name": "momentum",
        "task": [{"name": "synthetic/circle", "n_train": 8}],
        "architecture": [{"depth": 1}],
        "reference": [{"label": label, "backend": "jax", "kernel": label} for label in ("ntk", "nngp")],
        "training": {"optimizer": "nesterov", "momentum": 0.9, "steps": 20, "records": 4},
    }
    results = ntkbench.run(study, out=tmp_path / "run", executor="inline")
    assert set(results.cells["status"]) == {"ok"}
    assert set(results.cells["optimizer"]) == {"nesterov"}
    assert all(json.loads(text)["momentum"] == 0.9 for text in results.cells["training_json"])
    for cell_id in results.cells["cell_id"]:
        kept = load_solution(tmp_path / "run" / "solutions", cell_id)
        assert (kept.training.optimizer, kept.training.momentum) == ("nesterov", 0.9)
