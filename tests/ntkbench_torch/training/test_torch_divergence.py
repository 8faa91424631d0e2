"""A member that diverges is found, becomes nan, and leaves the others bit-identical."""

import numpy as np
import pytest
import torch

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble

X = np.random.default_rng(0).standard_normal((10, 3))
Y = np.random.default_rng(1).standard_normal((10, 2))
RECORDED = [0, 10, 20, 40, 60]


def ensemble(activation="relu", **options):
    options = {"width": 16, "members": 6, "seed": 0, **options}
    return NetworkEnsemble(Architecture(depth=2, activation=activation), in_features=3, out_features=2, **options)


def train(networks, rate=0.1):
    return networks.train(X, Y, learning_rate=rate, steps=60, record_at=RECORDED, x_test=X[:4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_spoilt_member_leaves_the_others_bit_identical(dtype):
    clean = train(ensemble(dtype=dtype))
    networks = ensemble(dtype=dtype)
    for layer in networks._layers_of(2):
        layer *= 1e4
    mixed = train(networks)
    others = [0, 1, 3, 4, 5]
    assert mixed.diverged_at[others].tolist() == [-1] * 5
    assert torch.equal(mixed.outputs[others], clean.outputs[others])
    assert torch.equal(mixed.outputs_test[others], clean.outputs_test[others])
    assert mixed.diverged_at[2] in RECORDED[1:]
    start = RECORDED.index(int(mixed.diverged_at[2]))
    assert torch.isfinite(mixed.outputs[2, :start]).all()
    assert torch.isnan(mixed.outputs[2, start:]).all()
    assert torch.isnan(mixed.outputs_test[2, start:]).all()


def test_a_rate_far_beyond_the_limit_makes_every_member_diverge():
    """With erf: at such rates ReLU units die at once, and what is left of the network may be stable."""
    trajectory = train(ensemble("erf"), rate=50.0)
    assert (trajectory.diverged_at > 0).all()
    assert torch.isfinite(trajectory.outputs[:, 0]).all()
    assert torch.isnan(trajectory.outputs[:, -1]).all()


def test_a_second_training_starts_where_the_first_ended():
    once = train(ensemble()).outputs[:, -1]
    networks = ensemble()
    networks.train(X, Y, learning_rate=0.1, steps=30)
    again = networks.train(X, Y, learning_rate=0.1, steps=30)
    assert torch.equal(once, again.outputs[:, -1])
    assert torch.equal(once, networks.outputs(X)) or torch.allclose(once, networks.outputs(X))
