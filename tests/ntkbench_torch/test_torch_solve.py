"""Requests through the backend's entry point."""

import numpy as np
import plain_network as plain
import pytest

from ntkbench import Architecture
from ntkbench.errors import DataError, UnavailableError
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench_torch import NetworkEnsemble
from ntkbench_torch import solve as solving
from ntkbench_torch.observables import operator_norm
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve

N, M, F, O, E = 9, 4, 3, 2, 11  # noqa: E741
STEPS = np.array([0, 2, 10, 30])


def request(**changes):
    rng = np.random.default_rng(0)
    problem = Problem(
        x_train=rng.standard_normal((N, F)),
        y_train=rng.standard_normal((N, O)),
        x_test=rng.standard_normal((M, F)),
        y_test=rng.standard_normal((M, O)),
    )
    settings = {
        "problem": problem,
        "architecture": Architecture(depth=2, activation="erf"),
        "training": Training(learning_rate=0.2, steps=STEPS),
        "parameters": Parameters(),
        "hidden_widths": (20, 20),
        "members": E,
        "seed": 4,
    }
    return Request(**{**settings, **changes})


def test_a_solution_has_the_contracts_shapes():
    asked = request()
    solution = solve(asked)
    assert solution.members_train.shape == (E, 4, N, O)
    assert solution.members_test.shape == (E, 4, M, O)
    assert solution.members_train.dtype == solution.members_test.dtype == np.float64
    assert solution.diverged_at.tolist() == [-1] * E
    assert solution.diverged_at.dtype == np.int64
    assert solution.steps.tolist() == STEPS.tolist()
    assert solution.times.tolist() == (0.2 * STEPS).tolist()
    assert solution.learning_rate == 0.2
    assert solution.parameters == (F + 1) * 20 + 21 * 20 + 21 * O
    assert solution.measurements == ()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_groups_of_members_change_no_bit(dtype):
    """solve() keeps one group in memory; an ensemble keeps all; five members alone are the first five."""
    asked = request(dtype=dtype)
    whole = solve(asked)
    ensemble = NetworkEnsemble(
        asked.architecture, in_features=F, out_features=O, width=20, members=E, seed=4, dtype=dtype
    )
    together = ensemble.train(
        asked.problem.x_train, asked.problem.y_train, learning_rate=0.2, steps=30, record_at=STEPS.tolist()
    )
    assert (whole.members_train == together.outputs.double().numpy()).all()
    few = solve(request(members=5, dtype=dtype))
    assert (whole.members_train[:5] == few.members_train).all()
    assert (whole.members_test[:5] == few.members_test).all()


def test_distance_of_the_kernel_to_references():
    architecture = Architecture(depth=2, activation="erf")
    asked = request(architecture=architecture)
    limit = plain.analytic_ntk(architecture, asked.problem.x_train)
    references = {"ntk": Solution(times=np.zeros(1), kernel_train=limit), "law": Solution(times=np.zeros(1))}
    asked = request(observe=frozenset({"ntk_distance"}), references=references)
    rows = solve(asked).measurements
    assert len(rows) == 2 * E
    assert {(r.reference, r.split, r.step, r.time, r.unit, r.goal) for r in rows} == {
        ("ntk", "train", 0, 0.0, "1", "none")
    }
    assert sorted({r.member for r in rows}) == list(range(E))
    ensemble = NetworkEnsemble(
        architecture, in_features=F, out_features=O, width=20, members=E, seed=4, dtype="float64"
    )
    theta = ensemble.ntk(asked.problem.x_train, outputs="all").numpy()
    full = np.einsum("ij,ab->ijab", limit, np.eye(O))
    for row in rows:
        difference = theta[row.member] - full
        matrix = difference.transpose(0, 2, 1, 3).reshape(N * O, N * O)
        expected = {
            "ntk_distance_frobenius": np.sqrt((difference**2).sum() / (full**2).sum()),
            "ntk_distance_operator": np.linalg.norm(matrix, 2) / np.linalg.norm(limit, 2),
        }
        assert row.value == pytest.approx(expected[row.metric], rel=1e-10)


def test_the_distance_shrinks_with_the_width():
    architecture = Architecture(depth=2, activation="erf")
    limit = plain.analytic_ntk(architecture, request().problem.x_train)
    references = {"ntk": Solution(times=np.zeros(1), kernel_train=limit)}
    means = []
    for width in (32, 512):
        rows = solve(
            request(
                hidden_widths=(width, width),
                training=Training(learning_rate=0.2, steps=np.array([0])),
                references=references,
                observe=frozenset({"ntk_distance"}),
            )
        ).measurements
        means.append(np.mean([row.value for row in rows if row.metric == "ntk_distance_frobenius"]))
    assert 2.5 < means[0] / means[1] < 6  # 4 in the limit; the spread over 11 members is about 10 %


@pytest.mark.parametrize(("which", "steps"), [("last", [30]), ("all", [2, 10, 30])])
def test_change_of_the_kernel_since_initialization(which, steps):
    asked = request(observe=frozenset({"ntk_change"}), parameters=Parameters(ntk_steps=which), members=9)
    rows = solve(asked).measurements
    assert len(rows) == 2 * 9 * len(steps)
    assert sorted({row.step for row in rows}) == steps
    ensemble = NetworkEnsemble(
        asked.architecture, in_features=F, out_features=O, width=20, members=9, seed=4, dtype="float64"
    )
    x = asked.problem.x_train
    before = ensemble.ntk(x, outputs="all").numpy()
    ensemble.train(x, asked.problem.y_train, learning_rate=0.2, steps=30)
    after = ensemble.ntk(x, outputs="all").numpy()
    for row in (row for row in rows if row.step == 30):
        old, new = before[row.member], after[row.member]
        expected = {
            "ntk_change_frobenius": np.linalg.norm(new - old) / np.linalg.norm(old),
            "ntk_change_mean_diagonal": np.einsum("iiaa", new) / np.einsum("iiaa", old) - 1,
        }
        assert row.value == pytest.approx(expected[row.metric], rel=1e-9)
        assert row.time == 0.2 * 30


def test_diverged_members_are_marked_and_not_measured():
    asked = request(
        training=Training(learning_rate=200.0, steps=np.array([0, 1, 50])),
        dtype="float32",
        observe=frozenset({"ntk_change"}),
        parameters=Parameters(ntk_steps="all"),
    )
    solution = solve(asked)
    assert (solution.diverged_at == 50).all()
    assert np.isnan(solution.members_train[:, 2]).all()
    assert np.isfinite(solution.members_train[:, :2]).all()
    assert {row.step for row in solution.measurements} <= {1}
    assert all(np.isfinite(row.value) for row in solution.measurements)


def test_progress_ends_at_its_total_and_is_throttled(monkeypatch):
    seen = []
    solve(request(progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (60, 60)  # two groups of 30 steps
    clock = iter(np.arange(0, 1e6, 0.03))
    monkeypatch.setattr(solving, "monotonic", lambda: next(clock))
    seen.clear()
    solve(request(progress=lambda done, total: seen.append((done, total))))
    assert [done for done, _ in seen] == [4 * k for k in range(1, 16)]


@pytest.mark.parametrize(("rows", "dense"), [(30, True), (500, False)])
def test_the_operator_norm_is_the_largest_absolute_eigenvalue(rows, dense):
    matrix = np.random.default_rng(rows).standard_normal((rows, rows))
    matrix = matrix + matrix.T
    assert operator_norm(matrix) == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-8)


def test_members_about_to_overflow_are_measured_without_a_warning():
    asked = request(
        training=Training(learning_rate=200.0, steps=np.array([0, 50, 75, 90, 100])),
        observe=frozenset({"ntk_change"}),
        parameters=Parameters(ntk_steps="all"),
    )
    assert all(np.isfinite(row.value) for row in solve(asked).measurements)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "quantum"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(UnavailableError, match=device):
        solve(request(device=device))


def test_a_request_without_members_or_rate_is_refused():
    with pytest.raises(DataError, match="at least one member"):
        solve(request(members=0))
    with pytest.raises(DataError, match="absolute learning rate"):
        solve(request(training=Training(learning_rate=None, fraction_of_max_stable=0.5, steps=STEPS)))
