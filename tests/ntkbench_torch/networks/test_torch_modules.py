"""Ensembles of users' own modules: against the built-in networks, plain loops and ``torch.func``."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench_torch import ModuleEnsemble, NetworkEnsemble, stability_thresholds

N, M, F, O, WIDTH = 7, 5, 3, 2, 16  # noqa: E741
ARCHITECTURE = Architecture(depth=2, activation="erf", weight_std=1.3, bias_std=0.2)


class Connected(nn.Module):
    """The built-in network of ARCHITECTURE, as a user would write it."""

    def __init__(self):
        super().__init__()
        sizes = (F, WIDTH, WIDTH, O)
        self.weights = nn.ParameterList(torch.randn(a, b) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(torch.randn(b) for b in sizes[1:])

    def forward(self, x):
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = 1.3 / math.sqrt(len(weight)) * x @ weight + 0.2 * bias
            x = torch.erf(x) if index < 2 else x
        return x


def convolutional():
    return nn.Sequential(nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, O))


def modules(factory=Connected, members=3, **options):
    return NetworkEnsemble.from_module(factory, members=members, **{"seed": 1, "dtype": "float64", **options})


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape) for shape in ((N, F), (N, O), (M, F))]


@pytest.fixture
def pair():
    """The built-in networks, and the same as modules."""
    built_in = NetworkEnsemble(
        ARCHITECTURE, in_features=F, out_features=O, width=WIDTH, members=3, seed=5, dtype="float64"
    )
    own = modules(seed=5)  # mini-batches are drawn by the seed
    for index, layer in enumerate(built_in.layers()):
        own.weights()[f"weights.{index}"].copy_(layer[:, :-1])
        own.weights()[f"biases.{index}"].copy_(layer[:, -1])
    return built_in, own


def close(actual, expected, tolerance=1e-12):
    assert actual.shape == expected.shape
    assert float((actual - expected).abs().max()) <= tolerance * float(expected.abs().max())


def test_the_built_in_path_agrees_to_rounding(pair, data):
    built_in, own = pair
    x, _, x_test = data
    assert own.parameters == built_in.parameters
    close(own.outputs(x), built_in.outputs(x))
    for outputs in ("mean", "all"):
        close(own.ntk(x, outputs=outputs), built_in.ntk(x, outputs=outputs))
        close(own.ntk(x_test, x, outputs=outputs), built_in.ntk(x_test, x, outputs=outputs))
    close(own.ntk(x, member=1), built_in.ntk(x, member=1))


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"optimizer": "heavy-ball", "momentum": 0.8},
        {"optimizer": "nesterov", "momentum": 0.8},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"loss": "huber"},
        {"batch_size": 3},
        {"learning_rate": [0.1, 0.2, 0.05]},
    ],
    ids=str,
)
def test_trajectories_agree_with_the_built_in_path(pair, data, training):
    built_in, own = pair
    x, y, x_test = data
    training = {"learning_rate": 0.1, "steps": 30, "record_at": [0, 1, 7, 30], **training}
    expected = built_in.train(x, y, x_test=x_test, **training)
    found = own.train(x, y, x_test=x_test, **training)
    close(found.outputs, expected.outputs, 1e-10)
    close(found.outputs_test, expected.outputs_test, 1e-10)
    assert found.steps.tolist() == [0, 1, 7, 30]
    assert torch.equal(found.times, expected.times)


def test_a_convolutional_network_is_trained_as_by_a_plain_loop(data):
    x, y = torch.from_numpy(data[0])[:, None].repeat(1, 1, 2), torch.from_numpy(data[1])  # (N, 1, 2 F)
    own = modules(convolutional)
    twin = own._make(1)
    close(own.outputs(x)[1], twin(x).detach(), 1e-14)
    trajectory = own.train(x, y, learning_rate=0.2, steps=20)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.2)
    for _ in range(20):
        optimizer.zero_grad()
        (((twin(x) - y) ** 2).sum() / (2 * N)).backward()
        optimizer.step()
    close(trajectory.outputs[1, -1], twin(x).detach())


def test_the_kernel_of_a_convolutional_network_is_the_contraction_of_its_jacobian(data, monkeypatch):
    x = torch.from_numpy(data[0])[:, None].repeat(1, 1, 2)
    own = modules(convolutional)
    for member in range(3):
        module = own._make(member)
        rows = [
            torch.cat([g.flatten() for g in torch.autograd.grad(module(x)[i, o], list(module.parameters()))])
            for i in range(N)
            for o in range(O)
        ]
        jacobian = torch.stack(rows)
        expected = (jacobian @ jacobian.T).view(N, O, N, O).permute(0, 2, 1, 3)
        close(own.ntk(x, outputs="all")[member], expected)
        close(own.ntk(x)[member], expected.diagonal(dim1=-2, dim2=-1).mean(-1))
    whole = own.ntk(x, outputs="all"), own.ntk(x), own.ntk(x[:4], x[3:], outputs="all")
    monkeypatch.setattr("ntkbench_torch.networks.module_ensemble._JACOBIAN_FLOATS", 2 * own.parameters * O)
    for blocks, expected in zip(
        (own.ntk(x, outputs="all"), own.ntk(x), own.ntk(x[:4], x[3:], outputs="all")), whole, strict=True
    ):
        close(blocks, expected)


def test_a_member_depends_on_seed_and_number_alone(data):
    x, y, _ = data
    few, many = modules(members=2), modules(members=11)
    assert torch.equal(few.outputs(x), many.outputs(x)[:2])
    train = {"learning_rate": 0.1, "steps": 10}
    assert torch.equal(few.train(x, y, **train).outputs, many.train(x, y, **train).outputs[:2])
    assert torch.equal(modules(members=2, first_member=9).outputs(x), modules(members=11).outputs(x)[9:])
    assert not torch.equal(modules(seed=2).outputs(x), modules().outputs(x))
    state = torch.get_rng_state()
    modules()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() is torch.float32
    rounded = modules(dtype="float32").weights()
    for name, weight in modules().weights().items():
        assert torch.equal(rounded[name], weight.float())


def test_what_is_frozen_stays_and_has_no_part_in_the_kernel(data):
    x, y, _ = data

    def factory():
        module = nn.Sequential(nn.Linear(F, WIDTH), nn.Tanh(), nn.Linear(WIDTH, O))
        module[0].requires_grad_(False)
        module.register_buffer("untouched", torch.ones(1))
        return module

    own = modules(factory)
    assert own.parameters == (WIDTH + 1) * O
    assert sorted(own.weights()) == ["2.bias", "2.weight"]
    hidden = torch.tanh(own._make(0)[0](torch.from_numpy(x)))
    close(own.ntk(x)[0], (hidden @ hidden.T + 1).detach())
    before = own.ntk(x)
    own.train(x, y, learning_rate=0.1, steps=50)
    assert torch.equal(own.ntk(x), before)


def test_centred_networks_start_at_zero(data):
    x, y, _ = data
    own, plain = modules(subtract_init=True), modules()
    assert not own.outputs(x).any()
    assert own.train(x, y, learning_rate=0.1, steps=5).outputs[:, 0].abs().max() == 0
    residual = torch.from_numpy(y) + plain.outputs(x)[0]
    shifted = modules(members=1).train(x, residual, learning_rate=0.1, steps=5)
    close(own.outputs(x)[0], shifted.outputs[0, -1] - plain.outputs(x)[0], 1e-10)


def test_a_member_that_diverges_leaves_the_others_alone(data):
    x, y, _ = data
    wild = modules(members=4).train(x, y, learning_rate=[0.1, 1e9, 0.1, 0.1], steps=40, record_at=[0, 20, 40])
    calm = modules(members=4).train(x, y, learning_rate=0.1, steps=40, record_at=[0, 20, 40])
    assert wild.diverged_at.tolist()[0::2] == [-1, -1]
    keep = [0, 2, 3]
    assert torch.equal(wild.outputs[keep], calm.outputs[keep])


def test_a_member_that_reaches_its_goal_stays(data):
    from ntkbench_torch.training.loop import Stop

    x, y, _ = data
    own = modules()
    trajectory = own.train(x, y, learning_rate=0.3, steps=400, stop=Stop(loss=0.3))
    assert (trajectory.stopped_at > 0).all()
    costs = ((own.outputs(x) - torch.from_numpy(y)) ** 2).sum(dim=(1, 2)) / (2 * N)
    assert (costs <= 0.3).all()
    assert (costs > 0.25).all()


def test_thresholds_of_modules(data):
    x, y, _ = data
    limit = [2 * N / float(torch.linalg.eigvalsh(k)[-1]) for k in modules().ntk(x)]
    found = stability_thresholds(modules, x, y, limit=limit, steps=20, settle=1, goal=0.5, resolution=0.1)
    assert found.onset.outcome == ("found",) * 3
    assert (found.onset.value > 0.8).all()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(F, 4), nn.BatchNorm1d(4), nn.Linear(4, O)), "BatchNorm1d: its points depend"),
        (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(F, O)), "Dropout in training mode"),
        (lambda: nn.Flatten(), "nothing to train"),
        (lambda: nn.Linear(F, O).requires_grad_(False), "nothing to train"),
        (lambda: "network", "returned str"),
        (lambda: nn.Linear(F, int(torch.randint(1, 10**4, ()))), "other parameters than its first"),
    ],
    ids=["batch-norm", "dropout", "empty", "frozen", "no module", "shapes"],
)
def test_a_factory_that_cannot_be_trained_is_refused(factory, message):
    with pytest.raises(DataError, match=message):
        modules(factory)


class Noisy(nn.Linear):
    def forward(self, x):
        return super().forward(x) + torch.randn(len(x), O, dtype=x.dtype)


class Flat(nn.Linear):
    def forward(self, x):
        return super().forward(x)[:, 0]


@pytest.mark.parametrize(
    ("factory", "message"),
    [(lambda: Noisy(F, O), "all members at once"), (lambda: Flat(F, O), r"expected \(7, outputs\)")],
)
def test_a_module_that_cannot_be_called_says_so(factory, message, data):
    with pytest.raises(DataError, match=message):
        modules(factory).outputs(data[0])


def test_shapes_of_data_are_checked(data):
    x, y, _ = data
    with pytest.raises(DataError, match=r"y has shape \(7, 1\), expected \(points, 2\)"):
        modules().train(x, y[:, :1], learning_rate=0.1, steps=1)
    with pytest.raises(DataError, match="x has 7 points, y has 6"):
        modules().train(x, y[:6], learning_rate=0.1, steps=1)
    with pytest.raises(DataError, match="member 3"):
        modules().ntk(x, member=3)
    assert isinstance(modules(), ModuleEnsemble)
