"""The same code on a GPU; runs where there is one."""

import numpy as np
import pytest
import torch

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

X = np.random.default_rng(0).standard_normal((20, 3))
Y = np.random.default_rng(1).standard_normal((20, 2))


def trained(device, members=6, dtype="float64"):
    ensemble = NetworkEnsemble(
        Architecture(depth=2, activation="erf"),
        in_features=3,
        out_features=2,
        width=64,
        members=members,
        seed=0,
        device=device,
        dtype=dtype,
    )
    start = ensemble.outputs(X)
    trajectory = ensemble.train(X, Y, learning_rate=0.2, steps=50, record_at=[0, 10, 50])
    return start, trajectory.outputs, ensemble.ntk(X, outputs="all")


def test_a_gpu_trains_the_same_networks_as_the_cpu():
    for here, there in zip(trained("cpu"), trained("cuda"), strict=True):
        assert there.device.type == "cuda"
        assert torch.allclose(here, there.cpu(), rtol=1e-10, atol=1e-11)


def test_members_on_a_gpu_do_not_depend_on_how_many_there_are():
    for few, many in zip(trained("cuda", 3, "float32"), trained("cuda", 70, "float32"), strict=True):
        assert torch.equal(few, many[:3])


def test_float32_on_a_gpu_is_float32():
    """TF32 would be off by about 1e-3."""
    torch.set_float32_matmul_precision("high")
    try:
        single, double = trained("cuda", dtype="float32"), trained("cuda")
    finally:
        torch.set_float32_matmul_precision("highest")
    for low, high in zip(single, double, strict=True):
        assert float((low.double() - high).abs().max()) < 1e-5 * float(high.abs().max())
