"""Every way of training against torch.optim on a network written plainly, and what parameterizations must agree on."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from plain_network import drawn, output
from torch.nn import functional

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench_torch import NetworkEnsemble
from ntkbench_torch.training.loop import Stop

LAYERS, POINTS, MEMBERS = (3, 7, 5, 2), 6, 3
ARCHITECTURE = Architecture(depth=2, activation="erf", weight_std=1.3, bias_std=0.4)


def data(outputs=2):
    generator = np.random.default_rng(7)
    return generator.standard_normal((POINTS, 3)), generator.standard_normal((POINTS, outputs))


def ensemble(architecture=ARCHITECTURE, layers=LAYERS, **options):
    options = {"members": MEMBERS, "seed": 5, "dtype": "float64"} | options
    return NetworkEnsemble(architecture, in_features=layers[0], out_features=layers[-1], width=layers[1:-1], **options)


def plain_cost(loss, f, y):
    """PyTorch's own costs: means over points of sums over outputs."""
    if loss == "cross-entropy":
        return functional.cross_entropy(f, y)
    if loss == "huber":
        return functional.huber_loss(f, y, reduction="sum") / len(f)
    return functional.mse_loss(f, y, reduction="sum") / (2 * len(f))


def plain_training(member, x, y, steps, *, loss="squared-error", make=None, alpha=1.0, subtract_init=False, last=False):
    """Outputs (steps + 1, N, O) by autograd and an optimizer of torch's over the network's own parameters."""
    parameters = drawn(ARCHITECTURE, LAYERS, 5, member)
    start = output(ARCHITECTURE, parameters, x)
    leaves = [tensor.clone().requires_grad_() for layer in parameters for tensor in layer]
    layers = list(zip(leaves[::2], leaves[1::2], strict=True))
    optimizer = make(leaves[-2:] if last else leaves)
    outputs = []
    for _ in range(steps + 1):
        f = alpha * (output(ARCHITECTURE, layers, x) - (start if subtract_init else 0))
        outputs.append(f.detach())
        optimizer.zero_grad()
        plain_cost(loss, f, y).backward()
        optimizer.step()
    return torch.stack(outputs)


def targets(loss, y):
    return torch.softmax(torch.from_numpy(3 * y), dim=1).numpy() if loss == "cross-entropy" else 4 * y


@pytest.mark.parametrize("loss", ["squared-error", "cross-entropy", "huber"])
@pytest.mark.parametrize(
    ("optimizer", "momentum", "make"),
    [
        ("gradient-descent", 0.0, lambda p: torch.optim.SGD(p, lr=0.2)),
        ("heavy-ball", 0.8, lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.8)),
        ("nesterov", 0.8, lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.8, nesterov=True)),
        ("adam", 0.0, lambda p: torch.optim.Adam(p, lr=0.2)),
    ],
)
def test_it_trains_as_torch_does(loss, optimizer, momentum, make):
    x, y = data()
    y = targets(loss, y)
    found = ensemble().train(
        x, y, learning_rate=0.2, steps=25, record_at=range(26), loss=loss, optimizer=optimizer, momentum=momentum
    )
    for member in range(MEMBERS):
        expected = plain_training(member, torch.from_numpy(x), torch.from_numpy(y), 25, loss=loss, make=make)
        torch.testing.assert_close(found.outputs[member], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["gradient-descent", "nesterov"])
@pytest.mark.parametrize("subtract_init", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_output_scale_and_the_last_layer_alone(optimizer, subtract_init, last):
    """The network is alpha (h - h_0) or alpha h, and its rate is eta / alpha^2 (claims C16, C17)."""
    x, y = data()
    momentum = 0.7 if optimizer == "nesterov" else 0.0
    networks = ensemble(output_scale=5.0, subtract_init=subtract_init, trained_layers="last" if last else "all")
    found = networks.train(
        x, y, learning_rate=0.2, steps=12, record_at=range(13), optimizer=optimizer, momentum=momentum, x_test=x
    )

    def make(leaves):
        return torch.optim.SGD(leaves, lr=0.2 / 25, momentum=momentum, nesterov=momentum > 0)

    for member in range(MEMBERS):
        expected = plain_training(
            member,
            torch.from_numpy(x),
            torch.from_numpy(y),
            12,
            make=make,
            alpha=5.0,
            subtract_init=subtract_init,
            last=last,
        )
        torch.testing.assert_close(found.outputs[member], expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found.outputs_test, found.outputs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(networks.outputs(x), found.outputs[:, -1], rtol=1e-11, atol=1e-12)


def standard_training(member, x, y, steps, make_groups):
    """A network of standard parameters, W ~ N(0, weight_std^2 / n), trained with rates of its tensors' own."""
    w, b = ARCHITECTURE.weight_std, ARCHITECTURE.bias_std
    layers = []
    for weights, bias in drawn(ARCHITECTURE, LAYERS, 5, member):
        layers.append(((w / math.sqrt(len(weights)) * weights).requires_grad_(), (b * bias).requires_grad_()))
    optimizer = make_groups(layers)
    outputs = []
    for _ in range(steps + 1):
        h = x
        for index, (weights, bias) in enumerate(layers):
            h = h @ weights + bias
            h = torch.erf(h) if index < ARCHITECTURE.depth else h
        outputs.append(h.detach())
        optimizer.zero_grad()
        plain_cost("squared-error", h, y).backward()
        optimizer.step()
    return torch.stack(outputs)


def groups(layers, rate, global_width=None):
    """Per-tensor rates eta weight_std^2 / n_l and eta bias_std^2, or eta / n for all (theory.md)."""
    for (weights, bias), fan_in in zip(layers, [n for n, _ in pairwise(LAYERS)], strict=True):
        own = rate * ARCHITECTURE.weight_std**2 / fan_in, rate * ARCHITECTURE.bias_std**2
        for tensor, lr in zip((weights, bias), own, strict=True):
            yield {"params": [tensor], "lr": lr if global_width is None else rate / global_width}


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("nesterov", [False, True])
def test_standard_parameterization_with_per_tensor_rates_is_the_same_training(momentum, nesterov):
    x, y = data()
    optimizer = ("nesterov" if nesterov else "heavy-ball") if momentum else "gradient-descent"
    standard = ARCHITECTURE.model_copy(update={"parameterization": "standard"})
    settings = {"learning_rate": 0.3, "steps": 20, "record_at": range(21), "optimizer": optimizer, "momentum": momentum}
    found = ensemble(standard).train(x, y, **settings)
    assert torch.equal(found.outputs, ensemble().train(x, y, **settings).outputs)

    def make(layers):
        return torch.optim.SGD(groups(layers, 0.3), momentum=momentum, nesterov=bool(momentum) and nesterov)

    for member in range(MEMBERS):
        expected = standard_training(member, torch.from_numpy(x), torch.from_numpy(y), 20, make)
        torch.testing.assert_close(found.outputs[member], expected, rtol=1e-11, atol=1e-12)


def test_adam_sees_the_standard_parameters():
    x, y = data()
    standard = ARCHITECTURE.model_copy(update={"parameterization": "standard"})
    found = ensemble(standard).train(x, y, learning_rate=0.05, steps=20, record_at=range(21), optimizer="adam")
    for member in range(MEMBERS):
        expected = standard_training(
            member, torch.from_numpy(x), torch.from_numpy(y), 20, lambda layers: torch.optim.Adam(groups(layers, 0.05))
        )
        torch.testing.assert_close(found.outputs[member], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("optimizer", "momentum"), [("gradient-descent", 0.0), ("heavy-ball", 0.8), ("adam", 0.0)])
def test_one_global_rate(optimizer, momentum):
    """Every tensor of the standard parameters has rate eta / n, n the last hidden width."""
    x, y = data()
    architecture = ARCHITECTURE.model_copy(update={"parameterization": "standard-global-rate"})
    found = ensemble(architecture).train(
        x, y, learning_rate=0.5, steps=20, record_at=range(21), optimizer=optimizer, momentum=momentum
    )

    def make(layers):
        own = groups(layers, 0.5, global_width=LAYERS[-2])
        return torch.optim.Adam(own) if optimizer == "adam" else torch.optim.SGD(own, momentum=momentum)

    for member in range(MEMBERS):
        expected = standard_training(member, torch.from_numpy(x), torch.from_numpy(y), 20, make)
        torch.testing.assert_close(found.outputs[member], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball", "nesterov"])
def test_every_member_may_have_a_rate_of_its_own(optimizer):
    x, y = data()
    momentum = 0.0 if optimizer == "gradient-descent" else 0.6
    settings = {"steps": 15, "record_at": range(16), "optimizer": optimizer, "momentum": momentum}
    together = ensemble().train(x, y, learning_rate=[0.1, 0.3, 0.2], **settings)
    assert together.times.shape == (3, 16)
    for member, rate in enumerate([0.1, 0.3, 0.2]):
        alone = ensemble().train(x, y, learning_rate=rate, **settings)
        assert torch.equal(together.outputs[member], alone.outputs[member])


def test_mini_batches_are_the_seeds_and_nothing_elses():
    x, y = data()
    settings = {"learning_rate": 0.2, "steps": 9, "record_at": range(10), "batch_size": 2}
    found = ensemble().train(x, y, **settings)
    alone = ensemble(members=1, first_member=2).train(x, y, **settings)
    assert torch.equal(found.outputs[2], alone.outputs[0])
    assert not torch.equal(found.outputs, ensemble().train(x, y, **settings | {"batch_size": None}).outputs)
    whole = ensemble().train(x, y, **settings | {"batch_size": POINTS}).outputs
    assert torch.equal(whole, ensemble().train(x, y, **settings | {"batch_size": None}).outputs)


def test_mini_batches_of_a_linear_model_are_those_of_its_kernel():
    """At depth 0 the network is its own linearization: the kernel's side must say the same to rounding."""
    from ntkbench.dynamics import kernel_descent

    x, y = data()
    linear = Architecture(depth=0, weight_std=1.2, bias_std=0.3)
    networks = ensemble(linear, (3, 2))
    theta = networks.ntk(x)[0].numpy()
    for loss in ("squared-error", "huber", "cross-entropy"):
        networks = ensemble(linear, (3, 2))
        f0, goal = networks.outputs(x).numpy(), targets(loss, y)
        settings = {"learning_rate": 0.3, "optimizer": "nesterov", "momentum": 0.5, "loss": loss, "batch_size": 4}
        found = networks.train(x, goal, steps=30, record_at=range(31), **settings)
        law = kernel_descent(theta, theta, goal, f0_train=f0, f0_test=f0, steps=range(31), batch_seed=5, **settings)
        np.testing.assert_allclose(found.outputs.numpy(), law.train, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(law.test, law.train, rtol=1e-12, atol=1e-13)


def test_a_network_is_done_at_its_goal_and_stays_there():
    x, y = data()
    free = ensemble().train(x, y, learning_rate=0.5, steps=60, record_at=range(61))
    costs = ((free.outputs - torch.from_numpy(y)) ** 2).sum(dim=(2, 3)) / (2 * POINTS)
    goal = float(costs[:, 30].median())
    expected = [int(torch.nonzero(costs[k] <= goal)[0]) if (costs[k] <= goal).any() else -1 for k in range(MEMBERS)]
    assert len(set(expected)) > 1
    for optimizer, momentum in (("gradient-descent", 0.0), ("heavy-ball", 0.0)):
        found = ensemble().train(
            x,
            y,
            learning_rate=0.5,
            steps=60,
            record_at=range(61),
            optimizer=optimizer,
            momentum=momentum,
            stop=Stop(loss=goal),
        )
        assert found.stopped_at.tolist() == expected
        for k, end in enumerate(expected):
            last = 61 if end < 0 else end + 1
            torch.testing.assert_close(found.outputs[k, :last], free.outputs[k, :last], rtol=1e-12, atol=1e-12)
            assert (found.outputs[k, last:] == found.outputs[k, last - 1]).all()


def test_a_network_that_no_longer_improves_is_done():
    x, y = data()
    found = ensemble().train(
        x,
        y,
        learning_rate=1e-9,
        steps=40,
        record_at=[0, 40],
        stop=Stop(patience=10),
        optimizer="nesterov",
        momentum=0.9,
    )
    assert found.stopped_at.tolist() == [10] * MEMBERS


def test_a_member_that_is_lost_leaves_the_others_as_they_are():
    x, y = data()
    settings = {"steps": 40, "record_at": [0, 10, 20, 40], "optimizer": "heavy-ball", "momentum": 0.9}
    found = ensemble().train(x, y, learning_rate=[0.1, 1e200, 0.1], **settings)
    assert found.diverged_at.tolist() == [-1, 10, -1]
    calm = ensemble().train(x, y, learning_rate=0.1, **settings)
    assert torch.equal(found.outputs[[0, 2]], calm.outputs[[0, 2]])
    assert torch.isnan(found.outputs[1, 1:]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": [0.1, 0.2]}, "expected one, or 3"),
        ({"learning_rate": -0.1}, "not negative"),
        ({"optimizer": "sgd"}, "expected one of gradient-descent"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum is 0.9 for adam"),
        ({"loss": "hinge"}, "expected one of squared-error"),
        ({"batch_size": 0}, "at least one point"),
    ],
)
def test_mistakes_are_named(options, message):
    x, y = data()
    with pytest.raises(DataError, match=message):
        ensemble().train(x, y, **{"learning_rate": 0.1, "steps": 1} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"output_scale": 0.0}, "output_scale"), ({"trained_layers": "first"}, "expected 'all' or 'last'")],
)
def test_mistakes_in_the_networks_are_named(options, message):
    with pytest.raises(DataError, match=message):
        ensemble(**options)


@pytest.mark.parametrize(
    ("parameterization", "trained", "alpha"),
    [("standard", "all", 1.0), ("standard-global-rate", "all", 1.0), ("ntk", "last", 1.0), ("ntk", "all", 3.0)],
)
@pytest.mark.parametrize("outputs", ["mean", "all"])
def test_the_tangent_kernel_is_the_rate_at_which_outputs_change(parameterization, trained, alpha, outputs):
    """A small step on f(x_j)_b changes f(x_i)_a by eta / alpha^2 of the kernel: J diag(rates) J^T, by a finite step."""
    architecture = ARCHITECTURE.model_copy(update={"parameterization": parameterization})
    x, _ = data()
    settings = {"output_scale": alpha, "trained_layers": trained, "members": 1}
    theta = ensemble(architecture, **settings).ntk(x, outputs=outputs)[0]
    for o in range(2) if outputs == "all" else ():
        for j in range(POINTS):
            f0 = ensemble(architecture, **settings).outputs(x)[0]
            push = torch.zeros_like(f0)
            push[j, o] = 1e-5 * POINTS
            moved = ensemble(architecture, **settings)
            moved.train(x, f0 + push, learning_rate=alpha**2, steps=1)
            torch.testing.assert_close((moved.outputs(x)[0] - f0) / 1e-5, theta[:, j, :, o], rtol=2e-4, atol=2e-4)
    if outputs == "mean":
        blocks = ensemble(architecture, **settings).ntk(x, outputs="all")[0]
        torch.testing.assert_close(theta, blocks.diagonal(dim1=2, dim2=3).mean(dim=2))
