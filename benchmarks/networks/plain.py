"""The plain worker: ordinary PyTorch, with a loop over members and the recipe of its NTK tutorial."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from ..harness.serving import UnavailableHereError, serve
from .cases import BIAS_STD, RATE, WEIGHT_STD, Case

if TYPE_CHECKING:
    from ..harness.serving import Result, Task


class Network(nn.Module):
    """A fully-connected network in NTK parameterization, as one would write it."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        dtype = getattr(torch, case.dtype)
        self.weights = nn.ParameterList(torch.randn(b, a, dtype=dtype) for a, b in pairwise(case.layers))
        self.biases = nn.ParameterList(torch.randn(b, dtype=dtype) for b in case.layers[1:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = len(self.weights) - 1
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            gain = WEIGHT_STD / math.sqrt(weight.shape[1])
            x = nn.functional.linear(x, gain * weight, BIAS_STD * bias)
            if index < last:
                x = torch.relu(x)
        return x


def build(spec: dict[str, Any]) -> Task:
    kinds = {"train": train, "ntk": ntk}
    if spec["kind"] not in kinds:
        raise UnavailableHereError(f"plain PyTorch has no {spec['kind']}")
    return kinds[spec["kind"]](spec, Case(**spec["case"]))


def train(spec: dict[str, Any], case: Case) -> Task:
    """Return a loop over members, each trained by autograd and ``torch.optim.SGD``."""
    x, y = (torch.from_numpy(array).to(getattr(torch, case.dtype)) for array in case.data())
    networks = [Network(case) for _ in range(case.members)]

    def task() -> Result:
        outputs = []
        for network in networks:
            optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
            for _ in range(case.steps):
                optimizer.zero_grad()
                loss = ((network(x) - y) ** 2).sum() / (2 * len(x))
                loss.backward()
                optimizer.step()
            outputs.append(network(x).detach())
        return {"outputs": torch.stack(outputs).numpy()}

    return task


def ntk(spec: dict[str, Any], case: Case) -> Task:
    """Return the contraction of Jacobians, as in PyTorch's "Neural Tangent Kernels" tutorial."""
    network = Network(case)
    with np.load(spec["weights"]) as layers, torch.no_grad():
        for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            layer = torch.from_numpy(layers[str(index)][0])
            weight.copy_(layer[:-1].T)
            bias.copy_(layer[-1])
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    x = torch.from_numpy(case.data()[0]).to(getattr(torch, case.dtype))
    equation = "Naf,Mbf->NMab" if spec["outputs"] == "all" else "Naf,Maf->NM"

    def call(given: dict[str, torch.Tensor], point: torch.Tensor) -> torch.Tensor:
        return functional_call(network, given, (point.unsqueeze(0),)).squeeze(0)

    def task() -> Result:
        jacobian = vmap(jacrev(call), (None, 0))(parameters, x)
        blocks = [part.flatten(2) for part in jacobian.values()]
        total = torch.stack([torch.einsum(equation, part, part) for part in blocks]).sum(0)
        return {"ntk": (total if spec["outputs"] == "all" else total / case.outputs).numpy()}

    return task


if __name__ == "__main__":
    serve(build)
