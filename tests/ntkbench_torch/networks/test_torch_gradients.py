"""Training and the empirical kernel, in float64, against autograd, torch.func and finite differences."""

import numpy as np
import plain_network as plain
import pytest
import torch

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble

CASES = [
    pytest.param(activation, depth, bias_std, id=f"{activation}-{depth}-{bias_std}")
    for activation in ("relu", "erf")
    for depth in range(4)
    for bias_std in (0.0, 0.3)
]
N, M, F, O = 7, 5, 3, 2  # noqa: E741


def build(architecture, members=3, width=(11, 6, 9), **options):
    options = {"in_features": F, "out_features": O, "seed": 5, "dtype": "float64", **options}
    return NetworkEnsemble(architecture, width=width[: architecture.depth], members=members, **options)


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape) for shape in ((N, F), (N, O), (M, F))]


def close(actual, expected, tolerance=1e-12):
    """Entries agree relative to the largest."""
    assert actual.shape == expected.shape
    assert float((actual - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize(("activation", "depth", "bias_std"), CASES)
def test_a_trajectory_is_that_of_autograd_and_sgd(activation, depth, bias_std, data):
    architecture = Architecture(depth=depth, activation=activation, weight_std=1.3, bias_std=bias_std)
    x, y, x_test = data
    trajectory = build(architecture).train(x, y, learning_rate=0.4, steps=12, record_at=[0, 1, 5, 12], x_test=x_test)
    x, y, x_test = map(torch.from_numpy, data)
    for member in range(3):
        parameters = plain.drawn(architecture, (F, *(11, 6, 9)[:depth], O), 5, member)
        expected = plain.trained(architecture, parameters, x, y, 0.4, 12)[[0, 1, 5, 12]]
        close(trajectory.outputs[member], expected)
        close(trajectory.outputs_test[member, 0], plain.output(architecture, parameters, x_test))
    assert trajectory.steps.tolist() == [0, 1, 5, 12]
    assert trajectory.times.tolist() == [0.4 * step for step in (0, 1, 5, 12)]
    assert trajectory.diverged_at.tolist() == [-1] * 3


@pytest.mark.parametrize(("activation", "depth", "bias_std"), CASES)
def test_the_empirical_kernel_is_the_contraction_of_jacobians(activation, depth, bias_std, data):
    architecture = Architecture(depth=depth, activation=activation, weight_std=1.3, bias_std=bias_std)
    x, _, x_test = data
    ensemble = build(architecture)
    crossed, own = ensemble.ntk(x_test, x, outputs="all"), ensemble.ntk(x)
    for member in range(3):
        parameters = plain.drawn(architecture, (F, *(11, 6, 9)[:depth], O), 5, member)
        x1, x2 = torch.from_numpy(x_test), torch.from_numpy(x)
        close(crossed[member], plain.jacobian_kernel(architecture, parameters, x1, x2))
        blocks = plain.jacobian_kernel(architecture, parameters, x2, x2)
        close(own[member], blocks.diagonal(dim1=-2, dim2=-1).mean(-1))
        close(ensemble.ntk(x_test, x, outputs="all", member=member)[0], crossed[member])


def test_chunks_of_members_and_outputs_change_the_kernel_by_rounding_only(monkeypatch, data):
    from ntkbench_torch.empirical_ntk import tangent_kernel

    x = data[0]
    ensemble = build(Architecture(depth=2, activation="erf"), members=9, out_features=5)
    whole = ensemble.ntk(x), ensemble.ntk(x, outputs="all")
    monkeypatch.setattr(tangent_kernel, "_FLOATS", 2 * N * 5 * 11)
    close(ensemble.ntk(x), whole[0])
    close(ensemble.ntk(x, outputs="all"), whole[1])
    monkeypatch.setattr(tangent_kernel, "_FLOATS", 1)
    close(ensemble.ntk(x), whole[0])


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_one_step_is_the_finite_difference_of_the_cost(activation, data):
    """A step moves parameters by -rate dC/dtheta: held against the cost's central difference in random directions."""
    architecture = Architecture(depth=2, activation=activation, bias_std=0.2)
    x, y, _ = map(torch.from_numpy, data)
    ensemble, rate, h = build(architecture, members=1), 1e-3, 1e-6
    before = [layer.clone() for layer in ensemble._layers_of(0)]
    ensemble.train(x, y, learning_rate=rate, steps=1)
    gradient = [(old - new)[0] / rate for old, new in zip(before, ensemble._layers_of(0), strict=True)]
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        direction = [torch.randn(g.shape, generator=generator, dtype=torch.float64) for g in gradient]
        costs = []
        for sign in (1, -1):
            moved = [w[0] + sign * h * d for w, d in zip(before, direction, strict=True)]
            costs.append(plain.cost(architecture, [(layer[:-1], layer[-1]) for layer in moved], x, y))
        slope = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
        assert float((costs[0] - costs[1]) / (2 * h)) == pytest.approx(float(slope), rel=1e-6)


def test_relu_has_slope_zero_at_zero():
    """At x = 0 without biases every hidden unit sits at the kink, where no gradient may pass."""
    architecture = Architecture(depth=1, activation="relu", bias_std=0.0)
    ensemble = build(architecture, members=1)
    assert not ensemble.ntk(np.zeros((1, F)), np.ones((1, F)), outputs="all").any()


def test_a_vector_of_targets_is_one_output(data):
    x, y, _ = data
    architecture = Architecture(depth=1)
    flat = build(architecture, out_features=1).train(x, y[:, 0], learning_rate=0.1, steps=3)
    column = build(architecture, out_features=1).train(x, y[:, :1], learning_rate=0.1, steps=3)
    assert torch.equal(flat.outputs, column.outputs)
    assert flat.steps.tolist() == [0, 3]
    assert flat.outputs_test is None
