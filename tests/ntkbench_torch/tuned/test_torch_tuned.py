"""Networks chosen on what a task gives to choose on: the same as a plain program, loop by loop, and no look further."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plain_network as plain
import pytest
import torch

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench.execution.check import check_solution
from ntkbench.plugin.specs import Sizes, Workload, import_target
from ntkbench.plugin.types import Problem, Request, Training
from ntkbench_torch import NetworkEnsemble, plugin
from ntkbench_torch.tuned import solve as backend
from ntkbench_torch.tuned.candidates import Candidate, candidates, train
from ntkbench_torch.tuned.parameters import Parameters

FLAT = Architecture(depth=2, weight_std=1.0, bias_std=0.0)
WIDTH = 24


def classes(seed, n=24, m=17, tuning=(), kinds=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + m, 4))
    labels = np.argmax(x[:, :kinds] + 0.7 * rng.standard_normal((n + m, kinds)), axis=1)
    y = np.eye(kinds)[labels]
    return Problem(
        x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:],
        labels_train=labels[:n], labels_test=labels[n:], loss="cross-entropy", tuning=tuning,
    )  # fmt: skip


def values(seed, n=24, m=17, noise=0.3, tuning=()):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + m, 3))
    y = np.sin(2 * x[:, :1]) + noise * rng.standard_normal((n + m, 1))
    return Problem(x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:], tuning=tuning)


def request(problem, *, steps=(0, 20), rate=1.0, members=2, architecture=FLAT, width=WIDTH, dtype="float64", **keys):
    return Request(
        problem=problem,
        architecture=architecture,
        training=Training(learning_rate=rate, steps=np.array(steps)),
        parameters=Parameters(**keys),
        hidden_widths=(width,) * architecture.depth,
        members=members,
        seed=5,
        dtype=dtype,
    )


def facts(solution):
    return {row.metric: row.value for row in solution.measurements}


@pytest.fixture(autouse=True)
def nothing_remembered():
    backend._selections.clear()


def by_autograd(initialization, found, depth, rate, steps, member):
    """Outputs (n + m, O) after ``steps`` of torch.optim on weights as A19 draws them, without biases, in float64."""
    x, y, x_test = (torch.tensor(array) for array in (found.x_train, found.y_train, found.x_test))
    layers = (x.shape[1], *(WIDTH,) * depth, y.shape[1])
    weights = []
    for normal, _ in plain.drawn(FLAT, layers, 5, member):
        he = normal * (2 / len(normal)) ** 0.5
        weights.append((he if initialization == "he" else normal).clone().requires_grad_())

    def output(points):
        for index, matrix in enumerate(weights):
            scale = 1.0 if initialization == "he" or index == 0 else (2 / len(matrix)) ** 0.5
            points = scale * points @ matrix
            points = torch.relu(points) if index < depth else points
        return points

    optimizer = torch.optim.SGD(weights, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(output(x), y).backward()
        optimizer.step()
    return output(torch.cat([x, x_test])).detach().numpy()


@pytest.mark.parametrize("initialization", ["he", "ntk"])
@pytest.mark.parametrize("depth", [1, 3])
def test_networks_are_those_of_a_plain_training_loop(initialization, depth):
    """One learning rate for all weights, whatever the parameterization that the package computes in."""
    found = classes(0)
    told = request(found, initialization=initialization)
    trajectory = train(told, Candidate(depth, 0.07), found, [0, 15])
    for member in range(2):
        expected = by_autograd(initialization, found, depth, 0.07, 15, member)
        np.testing.assert_allclose(trajectory.outputs[member, -1], expected[:24], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(trajectory.outputs_test[member, -1], expected[24:], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("initialization", ["he", "ntk"])
def test_the_choice_is_that_of_a_plain_loop(initialization):
    halves = (classes(1), classes(2))
    found = classes(3, tuning=halves)
    depths, rates = (1, 2, 3), (0.02, 0.2)
    best, chosen = -1.0, None
    for depth in depths:
        for rate in rates:
            scores = []
            for half in halves:
                outputs = [by_autograd(initialization, half, depth, rate, 20, member)[24:] for member in range(2)]
                scores.append(np.mean(np.mean(outputs, axis=0).argmax(axis=1) == half.labels_test))
            if np.mean(scores) > best:
                best, chosen = np.mean(scores), (depth, rate)
    solution = backend.solve(request(found, initialization=initialization, depth=depths, rates=rates))
    told = facts(solution)
    assert (told["chosen_depth"], told["chosen_learning_rate"]) == chosen
    assert told["validation_score"] == pytest.approx(best, rel=1e-12)
    assert told["chosen_step"] == 20 and told["candidates_diverged"] == 0
    for member in range(2):
        expected = by_autograd(initialization, found, *chosen, 20, member)
        np.testing.assert_allclose(solution.members_test[member, -1], expected[24:], rtol=1e-9, atol=1e-11)


def test_the_order_of_candidates_is_by_depth_then_rate_and_the_first_best_is_kept():
    among = candidates(FLAT, Parameters(depth=(2, 1), rates=(0.1, 1.0)))
    assert among == [(2, 0.1), (2, 1.0), (1, 0.1), (1, 1.0)]
    assert candidates(FLAT, Parameters()) == [(2, 1.0)]
    half = classes(1)
    half = replace(half, x_test=half.x_train[:1], y_test=half.y_train[:1], labels_test=half.labels_train[:1])
    told = facts(backend.solve(request(classes(0, tuning=(half,)), steps=(0, 60), depth=(2, 1), rates=(0.3, 0.4))))
    assert told["validation_score"] == 1.0  # of every candidate, on a point that is trained on
    assert (told["chosen_depth"], told["chosen_learning_rate"]) == (2, 0.3)


def test_a_candidate_that_diverges_is_worst():
    found = values(0, tuning=(values(1),))
    told = facts(backend.solve(request(found, steps=(0, 300), rates=(1e3, 0.1))))
    assert (told["chosen_learning_rate"], told["candidates_diverged"]) == (0.1, 1)
    solution = backend.solve(request(found, steps=(0, 300), rates=(1e3, 2e3)))
    told = facts(solution)
    assert (told["chosen_learning_rate"], told["candidates_diverged"]) == (1e3, 2)
    assert "validation_score" not in told
    assert 300 in solution.diverged_at and (solution.stopped_at == -1).all()
    early = backend.solve(request(found, steps=(0, 300), rates=(1e3, 2e3), early_stopping=True))
    assert facts(early)["chosen_step"] == 0 and (early.stopped_at == 0).all() and (early.diverged_at == -1).all()


def test_the_step_is_the_recorded_one_of_least_validation_error_of_the_ensembles_mean():
    part, steps = values(1, noise=1.5), (0, 5, 20, 80, 320, 1280)
    found = values(2, noise=1.5, tuning=(part,))
    architecture = Architecture(depth=2, bias_std=0.3)

    def ensemble(problem, last):
        networks = NetworkEnsemble(
            architecture, in_features=3, out_features=1, width=WIDTH, members=2, seed=5, dtype="float64"
        )
        records = [step for step in steps if step <= last]
        return networks.train(
            problem.x_train, problem.y_train, x_test=problem.x_test, learning_rate=0.4, steps=last, record_at=records
        )

    mean = ensemble(part, 1280).outputs_test.mean(dim=0).numpy()
    errors = np.sqrt(np.mean((mean - part.y_test) ** 2, axis=(1, 2)))
    at = int(np.argmin(errors))
    assert 0 < at < len(steps) - 1  # what there is to see: neither the first nor the last step is best
    told = request(found, steps=steps, rate=0.4, architecture=architecture, early_stopping=True)
    solution = backend.solve(told)
    check_solution("torch-tuned", "subject", told, solution)
    assert facts(solution)["chosen_step"] == steps[at]
    assert facts(solution)["validation_score"] == pytest.approx(-errors[at], rel=1e-10)
    expected = ensemble(found, steps[at])
    for ours, theirs in (
        (solution.members_train, expected.outputs),
        (solution.members_test, expected.outputs_test),
    ):
        np.testing.assert_array_equal(ours[:, : at + 1], theirs)
        np.testing.assert_array_equal(ours[:, at:], np.repeat(ours[:, [at]], len(steps) - at, axis=1))
    assert (solution.stopped_at == steps[at]).all()


@pytest.mark.parametrize("make", [classes, values])
def test_the_choice_looks_at_nothing_but_the_problems_to_choose_on(make):
    """Whatever the problem's own points are; and the outputs on training points see no test points."""
    tuning = (make(1),)
    keys = {"depth": (1, 2), "rates": (0.05, 0.3), "early_stopping": True, "steps": (0, 5, 10, 40)}
    first = backend.solve(request(make(0, tuning=tuning), **keys))
    backend._selections.clear()
    other = make(9, tuning=tuning)
    second = backend.solve(request(other, **keys))
    assert facts(first) == facts(second)
    backend._selections.clear()
    mixed = replace(make(0, tuning=tuning), x_test=other.x_test, y_test=other.y_test, labels_test=other.labels_test)
    third = backend.solve(request(mixed, **keys))
    assert facts(third) == facts(first)
    np.testing.assert_array_equal(third.members_train, first.members_train)


def test_the_same_request_gives_the_same_numbers():
    found = classes(0, tuning=(classes(1),))
    keys = {"depth": (1, 2), "rates": (0.1, 1.0), "dtype": "float32", "initialization": "he"}
    first = backend.solve(request(found, **keys))
    backend._selections.clear()
    second = backend.solve(request(found, **keys))
    assert facts(first) == facts(second)
    np.testing.assert_array_equal(first.members_test, second.members_test)


def test_splits_that_choose_on_the_same_problems_choose_once(monkeypatch):
    tuning, calls = (classes(5),), []
    real = backend.choose
    monkeypatch.setattr(backend, "choose", lambda *keys: calls.append(1) or real(*keys))
    first, second = (backend.solve(request(classes(seed, tuning=tuning))) for seed in (0, 1))
    assert len(calls) == 1
    assert not np.array_equal(first.members_test, second.members_test)
    for other in (
        request(classes(0, tuning=tuning), rates=(0.5,)),
        request(classes(0, tuning=tuning), rate=0.5),
        request(classes(0, tuning=tuning), steps=(0, 10)),
        request(classes(0, tuning=tuning), members=1),
        request(classes(0, tuning=tuning), dtype="float32"),
        replace(request(classes(0, tuning=tuning)), seed=6),
        request(classes(0, tuning=(classes(6),))),
    ):
        before = len(calls)
        backend.solve(other)
        assert len(calls) == before + 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("ntkbench.plugin.selection._KEPT", 2)
    for seed in range(4):
        backend.solve(request(classes(0, tuning=(classes(seed),)), steps=(0, 1)))
    assert len(backend._selections) == 2


def test_targets_of_one_output_are_judged_by_their_sign():
    def signs(seed, tuning=()):
        found = values(seed, tuning=tuning)
        labels = {f"labels_{part}": (getattr(found, f"y_{part}")[:, 0] > 0).astype(int) for part in ("train", "test")}
        targets = {f"y_{part}": 2.0 * labels[f"labels_{part}"][:, None] - 1 for part in ("train", "test")}
        return replace(found, **labels, **targets)

    half = signs(1)
    told = request(signs(2, tuning=(half,)), rate=0.2, members=1)
    outputs = train(told, Candidate(2, 1.0), half, [20]).outputs_test[0, 0, :, 0].numpy()
    assert facts(backend.solve(told))["validation_score"] == np.mean((outputs > 0) == half.labels_test)


def test_progress_counts_trainings():
    seen = []
    told = replace(
        request(classes(0, tuning=(classes(1), classes(2))), depth=(1, 2)), progress=lambda *now: seen.append(now)
    )
    backend.solve(told)
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_what_it_refuses():
    with pytest.raises(DataError, match="no tuning problems"):
        backend.solve(request(classes(0)))
    with pytest.raises(DataError, match="at least one member"):
        backend.solve(request(classes(0, tuning=(classes(1),)), members=0))
    with pytest.raises(DataError, match="absolute learning rate"):
        backend.solve(request(classes(0, tuning=(classes(1),)), rate=None))
    for keys in (
        {"depth": ()},
        {"rates": ()},
        {"rates": (0.0,)},
        {"initialization": "xavier"},
        {"early_stopping": "soon"},
    ):
        with pytest.raises(ValueError, match=next(iter(keys))):
            Parameters(**keys)


def test_the_spec_and_what_it_costs():
    (spec,) = (spec for spec in plugin.ntkbench_register_backends() if spec.name == "torch-tuned")
    assert import_target(spec.target) is backend.solve and import_target(spec.parameters) is Parameters
    plain_spec = plugin.ntkbench_register_backends()[0]
    sizes = Sizes(n_train=50, n_test=20, n_features=3, n_outputs=2, splits=1)
    work = Workload(sizes, FLAT, (64,) * FLAT.depth, 2, 100, 2)
    one = plain_spec.estimate(work).flops
    assert spec.estimate(work).flops == pytest.approx(2 * one)  # chosen and then trained
    deep = plain_spec.estimate(work._replace(architecture=Architecture(depth=4), hidden_widths=(64,) * 4)).flops
    told = spec.estimate(work._replace(parameters=Parameters(depth=(2, 4), rates=(0.1, 1.0))))
    assert told.flops == pytest.approx(2 * (one + deep) + deep)
