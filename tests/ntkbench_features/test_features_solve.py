"""Random functions and the models trained in them: laws, the models written out, and determinism."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import stats

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench_features import draw as drawing
from ntkbench_features import solve as solving
from ntkbench_features.draw import draw_functions, factor
from ntkbench_features.parameters import Parameters
from ntkbench_features.solve import mark_divergence, solve
from ntkbench_torch import NetworkEnsemble

N, M, F, O = 6, 4, 3, 2  # noqa: E741
STEPS = np.array([0, 1, 5, 20])
RATE = 0.3


def request(**changes):
    rng = np.random.default_rng(1)
    problem = Problem(
        x_train=rng.standard_normal((N, F)),
        y_train=rng.standard_normal((N, O)),
        x_test=rng.standard_normal((M, F)),
        y_test=rng.standard_normal((M, O)),
    )
    settings = {
        "problem": problem,
        "architecture": Architecture(depth=1, activation="erf"),
        "training": Training(learning_rate=RATE, steps=STEPS),
        "parameters": Parameters(),
        "hidden_widths": (50,),
        "members": 3,
        "seed": 4,
    }
    return Request(**{**settings, **changes})


def given_kernel(points=5, rank=None):
    rng = np.random.default_rng(7)
    root = rng.standard_normal((points, rank or points))
    return root @ root.T


def draws(kernel, members, count, n_train=3, outputs=1, **options):
    root = factor(kernel)
    settings = {"seed": 11, "dtype": "float64", **options}
    return [draw_functions(root, n_train, outputs, count, member=k, **settings) for k in range(members)]


@pytest.mark.parametrize("rank", [None, 2])
def test_a_factor_of_a_singular_kernel_too(rank):
    kernel = given_kernel(rank=rank)
    root = factor(kernel)
    assert root.shape == (5, rank or 5)
    np.testing.assert_allclose(root @ root.T, kernel, rtol=0, atol=1e-13 * np.abs(kernel).max())


@pytest.mark.parametrize("count", [2, 40])
def test_the_law_of_the_kernel(count):
    """P K~ is Wishart: mean K, variance (K_ii K_jj + K_ij^2) / P, diagonal entries chi-squared.

    Over 3,000 members. Each entry's mean and variance is tested at level 1e-6 in standard errors (the variance's from
    the fourth moment), each diagonal by Kolmogorov and Smirnov at 1e-6: a false alarm once in about 20,000 seeds.
    """
    kernel, members = given_kernel(), 3000
    found = draws(kernel, members, count)
    samples = np.array([np.concatenate([d.kernel_train, d.kernel_test]) for d in found])  # (E, 5, 3)
    mean, limit = kernel[:, :3], stats.norm.isf(0.5e-6)
    diagonal = np.diag(kernel)
    variance = (np.outer(diagonal, diagonal[:3]) + mean**2) / count
    assert (np.abs(samples.mean(axis=0) - mean) < limit * np.sqrt(variance / members)).all()
    squares = (samples - mean) ** 2
    assert (np.abs(squares.mean(axis=0) - variance) < limit * squares.std(axis=0) / members**0.5).all()
    for i in range(3):
        assert stats.kstest(count * samples[:, i, i] / diagonal[i], stats.chi2(count).cdf).pvalue > 1e-6


def test_the_law_of_the_initial_function():
    """Given K~, f_0 is N(0, K~): its Mahalanobis length is chi-squared. KS at level 1e-6; outputs are uncorrelated."""
    found = draws(given_kernel(), 2000, 9, outputs=2)
    lengths = [d.f0_train.ravel() @ np.linalg.solve(d.kernel_train, d.f0_train.ravel()) for d in found]
    assert stats.kstest(lengths, stats.chi2(6).cdf).pvalue > 1e-6
    tested = np.array([d.f0_test[0] for d in found]) / np.sqrt(given_kernel()[3, 3])
    assert abs(np.mean(tested[:, 0] * tested[:, 1])) < stats.norm.isf(0.5e-6) / 2000**0.5
    assert np.var(tested) == pytest.approx(1, abs=0.2)


def test_outputs_have_independent_components():
    """The off-diagonal blocks of K~ have mean 0 and variance K_ii K_jj / P; level 1e-6 for each entry."""
    kernel, members, count = given_kernel(), 2000, 5
    blocks = np.array(
        [d.kernel_train.reshape(3, 2, 3, 2)[:, 0, :, 1] for d in draws(kernel, members, count, outputs=2)]
    )
    variance = np.outer(np.diag(kernel)[:3], np.diag(kernel)[:3]) / count
    limit = stats.norm.isf(0.5e-6)
    assert (np.abs(blocks.mean(axis=0)) < limit * np.sqrt(variance / members)).all()
    assert (np.abs((blocks**2).mean(axis=0) - variance) < limit * (blocks**2).std(axis=0) / members**0.5).all()


@pytest.mark.parametrize("count", [4, 33])
def test_training_the_model_itself(count):
    """F_lin written out from the documented stream, its theta moved by gradient descent on C; P below N O and above."""
    from ntkbench_jax import analytic_kernels

    asked = request(hidden_widths=(count,))
    problem = asked.problem
    points = np.concatenate([problem.x_train, problem.x_test])
    root = factor(analytic_kernels(points, architecture=asked.architecture).ntk)
    found = solve(asked)
    for member in range(3):
        sequence = np.random.SeedSequence(4, spawn_key=(count, member))
        numbers = np.random.Generator(np.random.PCG64(sequence)).standard_normal((count, O * root.shape[1] + 1))
        theta = numbers[:, -1]
        functions = np.einsum("ik,pak->pia", root, numbers[:, :-1].reshape(count, O, -1)) / np.sqrt(count)
        for step in range(STEPS[-1] + 1):
            outputs = np.einsum("p,pia->ia", theta, functions)
            if step in STEPS:
                record = STEPS.tolist().index(step)
                np.testing.assert_allclose(found.members_train[member, record], outputs[:N], rtol=0, atol=1e-12)
                np.testing.assert_allclose(found.members_test[member, record], outputs[N:], rtol=0, atol=1e-12)
            residual = outputs[:N] - problem.y_train
            theta = theta - RATE * np.einsum("pia,ia->p", functions[:, :N], residual) / N


def test_tangent_features_are_the_linearised_network():
    """f_0 + J (theta - theta_0) with J by torch.func, its parameters moved by gradient descent on C."""
    asked = request(parameters=Parameters(functions="tangent"), hidden_widths=(9,))
    problem, architecture = asked.problem, asked.architecture
    found = solve(asked)
    assert found.parameters == (F + 1) * 9 + 10 * O
    for member in range(3):
        ensemble = NetworkEnsemble(architecture, in_features=F, out_features=O, width=9, members=1, seed=4,
                                   first_member=member, dtype="float64")  # fmt: skip
        first, last = (layer.clone() for layer in ensemble._layers_of(0))
        points = torch.from_numpy(np.concatenate([problem.x_train, problem.x_test]))

        def network(layers, points=points, scale=architecture):
            hidden = torch.erf(
                scale.weight_std / F**0.5 * points @ layers[0][0, :-1] + scale.bias_std * layers[0][0, -1]
            )
            return scale.weight_std / 9**0.5 * hidden @ layers[1][0, :-1] + scale.bias_std * layers[1][0, -1]

        start = network((first, last)).numpy()
        slopes = torch.func.jacrev(network)((first, last))
        jacobian = torch.cat([slope.flatten(2) for slope in slopes], dim=2).numpy()
        moved = np.zeros(jacobian.shape[2])
        for step in range(STEPS[-1] + 1):
            outputs = start + jacobian @ moved
            if step in STEPS:
                record = STEPS.tolist().index(step)
                np.testing.assert_allclose(found.members_train[member, record], outputs[:N], rtol=0, atol=1e-12)
                np.testing.assert_allclose(found.members_test[member, record], outputs[N:], rtol=0, atol=1e-12)
            moved -= RATE / N * np.einsum("iap,ia->p", jacobian[:N], outputs[:N] - problem.y_train)


@pytest.mark.parametrize("functions", ["kernel", "tangent"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_member_depends_on_nothing_but_its_number(functions, dtype):
    asked = {"parameters": Parameters(functions=functions), "dtype": dtype}
    many, few = solve(request(members=5, **asked)), solve(request(members=2, **asked))
    assert (many.members_train[:2] == few.members_train).all()
    assert (many.members_test[:2] == few.members_test).all()
    assert not np.isclose(many.members_test[0], many.members_test[1]).any()
    assert not np.isclose(solve(request(members=1, seed=5, **asked)).members_test, many.members_test[:1]).any()


def test_blocks_change_only_the_order_of_sums(monkeypatch):
    (whole,) = draws(given_kernel(), 1, 1000)
    (single,) = draws(given_kernel(), 1, 1000, dtype="float32")
    monkeypatch.setattr(drawing, "_BLOCK", 60)
    (pieces,) = draws(given_kernel(), 1, 1000)
    np.testing.assert_allclose(pieces.kernel_train, whole.kernel_train, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pieces.f0_test, whole.f0_test, rtol=0, atol=1e-12)
    np.testing.assert_allclose(single.kernel_train, whole.kernel_train, rtol=0, atol=1e-5)


def test_a_hundred_million_numbers_in_bounded_memory():
    """A million functions on 100 points are 800 MB; a block is 8 MiB."""
    root = factor(given_kernel(100))
    tracemalloc.start()
    try:
        found = draw_functions(root, 80, 1, 10**6, seed=0, member=0, dtype="float32")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**25
    distance = np.linalg.norm(found.kernel_train - given_kernel(100)[:80, :80])
    kernel = given_kernel(100)[:80, :80]
    expected = np.sqrt((np.trace(kernel) ** 2 + (kernel**2).sum()) / 1e6)
    assert distance == pytest.approx(expected, rel=0.1)  # of 3,240 entries, the spread is below 3 %


@pytest.mark.parametrize("functions", ["kernel", "tangent"])
def test_distances_to_references(functions):
    limit = given_kernel(N)
    references = {"ntk": Solution(times=np.zeros(1), kernel_train=limit), "law": Solution(times=np.zeros(1))}
    asked = request(observe=frozenset({"ntk_distance"}), references=references, hidden_widths=(12,),
                    parameters=Parameters(functions=functions))  # fmt: skip
    rows = solve(asked).measurements
    assert len(rows) == 2 * 3
    assert {(r.reference, r.split, r.step, r.time, r.unit) for r in rows} == {("ntk", "train", 0, 0.0, "1")}
    source = solving._functions if functions == "kernel" else solving._network
    for row in rows:
        theta = source(asked)(row.member).kernel_train
        difference = theta - np.kron(limit, np.eye(O))
        expected = {
            "ntk_distance_frobenius": np.linalg.norm(difference) / (np.linalg.norm(limit) * O**0.5),
            "ntk_distance_operator": np.linalg.norm(difference, 2) / np.linalg.norm(limit, 2),
        }
        assert row.value == pytest.approx(expected[row.metric], rel=1e-10)


def test_the_contracts_shapes_and_progress():
    seen = []
    found = solve(request(progress=lambda done, total: seen.append((done, total))))
    assert found.members_train.shape == (3, 4, N, O)
    assert found.members_test.shape == (3, 4, M, O)
    assert found.diverged_at.tolist() == [-1] * 3
    assert found.steps.tolist() == STEPS.tolist()
    assert found.times.tolist() == (RATE * STEPS).tolist()
    assert (found.learning_rate, found.parameters) == (RATE, 50)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_diverging_member_is_marked():
    steps = np.array([0, 10, 10_000, 20_000])
    found = solve(request(training=Training(learning_rate=100.0, steps=steps)))
    assert found.diverged_at.tolist() == [10_000] * 3
    assert np.isnan(found.members_test[:, 2:]).all()
    assert np.isfinite(found.members_test[:, :2]).all()


def test_divergence_is_for_good():
    train, test = np.zeros((2, 3, 1, 1)), np.zeros((2, 3, 1, 1))
    test[1, 1] = np.inf
    assert mark_divergence(train, test, np.array([0, 5, 9])).tolist() == [-1, 5]
    assert np.isnan(train[1, 1:]).all()
    assert not np.isnan(train[0]).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 0}, "at least one member"),
        ({"training": Training(learning_rate=None, fraction_of_max_stable=0.5, steps=STEPS)}, "absolute learning rate"),
        ({"hidden_widths": None}, "number of functions"),
        ({"hidden_widths": (50, 40)}, "number of functions"),
        ({"hidden_widths": (0,)}, "number of functions"),
        ({"architecture": Architecture(depth=200, weight_std=1e3)}, "beyond the range"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(DataError, match=message):
        solve(request(**changes))
