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


def test_tf32_is_used_where_it_is_asked_for():
    options = {"in_features": 3, "out_features": 2, "width": 512, "members": 2, "seed": 0, "device": "cuda"}
    found = {}
    for precision in ("float32", "tf32", "bfloat16"):
        ensemble = NetworkEnsemble(Architecture(depth=2, activation="erf"), **options)
        found[precision] = ensemble.train(X, Y, learning_rate=0.2, steps=50, precision=precision).outputs[:, -1]
    size = float(found["float32"].abs().max())
    for precision, bits in (("tf32", 11), ("bfloat16", 8)):
        off = float((found[precision] - found["float32"]).abs().max()) / size
        assert 0 < off < 20 * 2.0**-bits


def test_modules_are_trained_alike():
    def factory():
        return torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))

    found = {}
    for device in ("cpu", "cuda"):
        ensemble = NetworkEnsemble.from_module(factory, members=3, seed=0, device=device, dtype="float64")
        trajectory = ensemble.train(X, Y, learning_rate=0.1, steps=30)
        found[device] = (trajectory.outputs.cpu(), ensemble.ntk(X, outputs="all").cpu())
    for here, there in zip(found["cpu"], found["cuda"], strict=True):
        assert torch.allclose(here, there, rtol=1e-10, atol=1e-11)


def test_observables_are_the_same_as_on_the_cpu():
    from test_torch_observables import observed, table

    from ntkbench_torch.observables.catalogue import OBSERVABLES

    here, there = observed(*OBSERVABLES), observed(*OBSERVABLES, device="cuda")
    for metric in {row.metric for row in here}:
        one, other = table(here, metric), table(there, metric)
        assert one.keys() == other.keys()
        assert all(other[at] == pytest.approx(value, rel=1e-7, abs=1e-12) for at, value in one.items())
