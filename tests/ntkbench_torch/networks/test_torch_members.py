"""Member k is the same network, to the last bit, in every company."""

from contextlib import contextmanager

import numpy as np
import plain_network as plain
import pytest
import torch

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble
from ntkbench_torch.networks.layout import group_size, layer_sizes

F, O = 3, 2  # noqa: E741


def trained(
    members,
    *,
    width=24,
    depth=2,
    dtype="float32",
    points=13,
    seed=7,
    activation="erf",
    outputs=O,
    steps=15,
    **options,
):
    """Outputs along training, and the kernel after it."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((points, F)), rng.standard_normal((points, outputs))
    architecture = Architecture(depth=depth, activation=activation)
    ensemble = NetworkEnsemble(
        architecture,
        in_features=F,
        out_features=outputs,
        width=width,
        members=members,
        seed=seed,
        dtype=dtype,
        **options,
    )
    trajectory = ensemble.train(x, y, learning_rate=0.3, steps=steps, record_at=[0, 2, steps], x_test=x[:5])
    return (
        trajectory.outputs,
        trajectory.outputs_test,
        ensemble.ntk(x),
        ensemble.ntk(x, outputs="all"),
        ensemble.outputs(x),
    )


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


SHAPES = [  # with the number of members that are trained together
    ({"width": 7, "points": 5, "outputs": 1}, 8),
    ({"width": 24, "points": 13, "outputs": 2, "activation": "relu"}, 8),
    ({"width": 65, "points": 31, "outputs": 3}, 8),
    ({"width": 300, "points": 64, "outputs": 1}, 4),
    ({"width": (200, 33), "points": 17, "outputs": 1}, 8),
    ({"width": 750, "points": 20, "outputs": 2, "depth": 2}, 1),
    ({"width": (), "depth": 0}, 8),
]


CASES = [(*case, dtype, 1) for case in SHAPES for dtype in ("float32", "float64")]
CASES += [(*SHAPES[index], "float32", 2) for index in (2, 5)]


@pytest.mark.parametrize(("shape", "group", "dtype", "number"), CASES, ids=str)
def test_a_member_does_not_depend_on_how_many_there_are(shape, group, dtype, number):
    """Alone in its group, and with a second group."""
    with threads(number):
        many = trained(group + 2, dtype=dtype, steps=3, **shape)
        for members in (1, group + 1):
            few = trained(members, dtype=dtype, steps=3, **shape)
            assert all(torch.equal(some, all_[:members]) for some, all_ in zip(few, many, strict=True))


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "group"), SHAPES, ids=str)
def test_a_member_does_not_depend_on_any_number_of_others(shape, group, dtype, number):
    with threads(number):
        many = trained(11, dtype=dtype, **shape)
        for members in (1, 2, 3, 8, 9):
            few = trained(members, dtype=dtype, **shape)
            assert all(torch.equal(some, all_[:members]) for some, all_ in zip(few, many, strict=True))


def test_the_shapes_are_trained_in_groups_of_these_sizes():
    for shape, group in SHAPES:
        layers = layer_sizes(F, shape["width"], shape.get("depth", 2), shape.get("outputs", O))
        assert group_size(layers, "cpu") == group


@pytest.mark.parametrize("first", [1, 3, 8, 10])
def test_a_member_does_not_depend_on_where_the_ensemble_starts(first):
    many = trained(14)
    later = trained(14 - first, first_member=first)
    assert all(torch.equal(some, all_[first:]) for some, all_ in zip(later, many, strict=True))


def test_the_same_twice():
    assert all(torch.equal(one, two) for one, two in zip(trained(5), trained(5), strict=True))


def test_another_seed_width_or_member_is_another_network():
    outputs = [trained(2)[0], trained(2, seed=8)[0], trained(2, width=25)[0]]
    networks = [tuple(out[k, 0].flatten().tolist()) for out in outputs for k in range(2)]
    assert len(set(networks)) == 6


def test_a_float32_network_is_the_float64_network_rounded():
    architecture = Architecture(depth=2)
    options = {"in_features": F, "out_features": O, "width": (9, 6), "members": 3, "seed": 1}
    single = NetworkEnsemble(architecture, **options, dtype="float32")
    double = NetworkEnsemble(architecture, **options, dtype="float64")
    for member in range(3):
        expected = plain.drawn(architecture, (F, 9, 6, O), 1, member)
        for low, high, (weights, bias) in zip(
            single._layers_of(member), double._layers_of(member), expected, strict=True
        ):
            assert torch.equal(low, high.float())
            assert torch.equal(high[0, :-1], weights)
            assert torch.equal(high[0, -1], bias)


def test_hidden_layers_do_not_depend_on_the_number_of_features():
    architecture = Architecture(depth=2)
    options = {"out_features": O, "width": 8, "members": 2, "seed": 1}
    few = NetworkEnsemble(architecture, in_features=2, **options)._layers_of(1)
    many = NetworkEnsemble(architecture, in_features=30, **options)._layers_of(1)
    assert torch.equal(few[1], many[1])
    assert torch.equal(few[2], many[2])


def test_large_layers_are_drawn_in_blocks_of_the_same_stream(monkeypatch):
    from ntkbench_torch.networks import initialization

    whole = trained(2)[0]
    monkeypatch.setattr(initialization, "_BLOCK", 50)
    assert torch.equal(whole, trained(2)[0])


def test_float32_follows_float64():
    single, double = trained(4)[0].double(), trained(4, dtype="float64")[0]
    assert float((single - double).abs().max()) < 1e-5 * float(double.abs().max())


def test_numbers_drawn_are_standard_normal():
    """Mean and mean square of 10^5 numbers within 5 standard errors (false alarm below 1.2e-6; the seed is fixed)."""
    ensemble = NetworkEnsemble(
        Architecture(depth=2), in_features=2, out_features=1, width=222, members=2, seed=0, dtype="float64"
    )
    numbers = torch.cat([layer[:2].flatten() for layer in ensemble._groups[0]])
    count = len(numbers)
    assert abs(float(numbers.mean())) < 5 / count**0.5
    assert abs(float((numbers**2).mean()) - 1) < 5 * (2 / count) ** 0.5
