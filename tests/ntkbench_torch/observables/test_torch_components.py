"""Learning along a kernel component (C15), against Jacobians by torch.func and plain descent on parameters."""

import numpy as np
import plain_network as plain
import pytest
import torch

from ntkbench import Architecture
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve

N, M, F, E, WIDTH, SEED, RATE = 7, 5, 3, 3, 12, 4, 0.2
ERF = Architecture(depth=2, activation="erf", weight_std=1.4, bias_std=0.3)
STEPS = np.array([0, 1, 5])


def problem(n_outputs):
    rng = np.random.default_rng(0)
    shapes = {"x_train": (N, F), "y_train": (N, n_outputs), "x_test": (M, F), "y_test": (M, n_outputs)}
    return Problem(**{name: rng.standard_normal(shape) for name, shape in shapes.items()})


def law(eigenvalues=None):
    """A reference with some eigenvectors, and eigenvalues of its own choice."""
    vectors = np.linalg.qr(np.random.default_rng(1).standard_normal((N, N)))[0]
    values = np.arange(N, 0, -1.0) if eigenvalues is None else np.asarray(eigenvalues)
    kernels = {"kernel_train": vectors * values @ vectors.T, "kernel_test": np.ones((M, N))}
    return Solution(times=RATE * STEPS, steps=STEPS, **kernels, eigenvalues=values, eigenvectors=vectors)


def measured(n_outputs, reference=None, dtype="float64", **parameters):
    request = Request(
        problem=problem(n_outputs),
        architecture=ERF,
        training=Training(learning_rate=RATE, steps=STEPS),
        parameters=Parameters(**parameters),
        hidden_widths=(WIDTH, WIDTH),
        members=E,
        seed=SEED,
        dtype=dtype,
        observe=frozenset(["component_learning"]),
        references={"ntk": reference or law()},
    )
    rows = solve(request).measurements
    assert all(row.component == 1 for row in rows if row.metric.startswith("component"))
    return {(row.metric, row.member, row.step): row.value for row in rows}


def descended(member, n_outputs, alpha, subtract):
    """Yield, at each recorded step, f and J, (N O,) and (N O, P), of a network alpha (h - h_0) and of its expansion."""
    data = problem(n_outputs)
    x, y = torch.from_numpy(data.x_train.copy()), torch.from_numpy(data.y_train.copy()).ravel()
    layers = plain.drawn(ERF, (F, WIDTH, WIDTH, n_outputs), SEED, member)
    sizes = [tensor.shape for layer in layers for tensor in layer]
    theta = torch.cat([tensor.ravel() for layer in layers for tensor in layer])

    def h(flat):
        parts = [part.view(shape) for part, shape in zip(flat.split([s.numel() for s in sizes]), sizes, strict=True)]
        return alpha * plain.output(ERF, list(zip(parts[::2], parts[1::2], strict=True)), x).ravel()

    start, offset = theta.clone(), h(theta) if subtract else 0.0
    jacobian, moved = torch.func.jacrev(h)(start), torch.zeros_like(theta)
    rate = RATE / (alpha**2 * N)
    for step in range(STEPS[-1] + 1):
        now, linear = h(theta) - offset, h(start) - offset + jacobian @ moved
        at = torch.func.jacrev(h)(theta)
        if step in STEPS:
            yield now.numpy(), linear.numpy(), at.numpy(), y.numpy()
        theta = theta - rate * at.T @ (now - y)
        moved = moved - rate * jacobian.T @ (linear - y)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize(("alpha", "subtract"), [(1.0, False), (1.0, True), (8.0, True)])
def test_shares_and_growth_are_those_of_plain_descent_on_parameters(n_outputs, alpha, subtract):
    found, reference = measured(n_outputs, output_scale=alpha, subtract_init=subtract), law()
    for member in range(E):
        d = None
        for step, (now, linear, jacobian, y) in zip(STEPS, descended(member, n_outputs, alpha, subtract), strict=True):
            if d is None:
                c = reference.eigenvectors[:, 1] @ (y - now).reshape(N, n_outputs)
                d = np.outer(reference.eigenvectors[:, 1], c / np.linalg.norm(c)).ravel()
                first = d @ (y - now)
            expected = {
                "component_share_network": d @ (y - now) / first,
                "component_share_linearization": d @ (y - linear) / first,
                "component_growth": np.sum((jacobian.T @ d) ** 2) / alpha**2 / reference.eigenvalues[1],
            }
            for metric, value in expected.items():
                assert found[metric, member, step] == pytest.approx(value, rel=1e-9, abs=1e-11), metric


def test_a_component_that_is_not_unique_is_not_measured():
    assert not [key for key in measured(1, law([7, 5, 5, 4, 3, 2, 1.0])) if key[0].startswith("component")]


def test_without_an_initial_residual_there_is_no_share():
    one = problem(1)
    y = np.outer(law().eigenvectors[:, 0], [1.0])
    request = Request(
        problem=Problem(x_train=one.x_train, y_train=np.zeros_like(y), x_test=one.x_test, y_test=one.y_test),
        architecture=ERF,
        training=Training(learning_rate=RATE, steps=STEPS),
        parameters=Parameters(subtract_init=True),
        hidden_widths=(WIDTH, WIDTH),
        members=E,
        seed=SEED,
        observe=frozenset(["component_learning"]),
        references={"ntk": law()},
    )
    assert not [row for row in solve(request).measurements if row.metric.startswith("component")]


def test_float32_agrees():
    whole, single = measured(1), measured(1, dtype="float32")
    for key, value in whole.items():
        assert single[key] == pytest.approx(value, rel=1e-4, abs=1e-5)
