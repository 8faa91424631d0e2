"""Our worker: ntkbench, called as a user would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ntkbench import Architecture
from ntkbench.dynamics import decompose
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench_torch import NetworkEnsemble
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve

from ..harness.serving import UnavailableHereError, serve
from .cases import BIAS_STD, FEATURES, RATE, WEIGHT_STD, Case

if TYPE_CHECKING:
    from ..harness.serving import Result, Task


def build(spec: dict[str, Any]) -> Task:
    kinds = {"train": train, "product": product, "ntk": ntk, "observed": observed, "weights": weights}
    if spec["kind"] not in kinds:
        raise UnavailableHereError(f"ours has no {spec['kind']}")
    return kinds[spec["kind"]](spec, Case(**spec["case"]))


def networks(case: Case) -> NetworkEnsemble:
    return NetworkEnsemble(
        architecture(case),
        in_features=FEATURES,
        out_features=case.outputs,
        width=case.width,
        members=case.members,
        seed=0,
        dtype=case.dtype,
    )


def architecture(case: Case) -> Architecture:
    return Architecture(depth=case.depth, activation="relu", weight_std=WEIGHT_STD, bias_std=BIAS_STD)


def train(spec: dict[str, Any], case: Case) -> Task:
    """Return training of all members, continuing where the last call ended."""
    (x, y), ensemble = case.data(), networks(case)

    def task() -> Result:
        trajectory = ensemble.train(x, y, learning_rate=RATE, steps=case.steps)
        return {"outputs": trajectory.outputs[:, -1].numpy()}

    return task


def product(spec: dict[str, Any], case: Case) -> Task:
    """Return a product of square matrices: the machine's own rate."""
    size, dtype = spec["size"], getattr(torch, case.dtype)
    left, right = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    out = torch.empty_like(left)

    def task() -> Result:
        return {"product": torch.mm(left, right, out=out).numpy()}

    return task


def ntk(spec: dict[str, Any], case: Case) -> Task:
    """Return the empirical kernel of one network, numpy to numpy: (N, N), or (N, N, O, O)."""
    (x, _), ensemble = case.data(), networks(case)
    x = x.astype(case.dtype)

    def task() -> Result:
        return {"ntk": ensemble.ntk(x, outputs=spec["outputs"])[0].contiguous().numpy()}

    return task


def weights(spec: dict[str, Any], case: Case) -> Task:
    """Return the networks' layers, for others to hold the same."""

    def task() -> Result:
        return {str(index): layer.contiguous().numpy() for index, layer in enumerate(networks(case).layers())}

    return task


def observed(spec: dict[str, Any], case: Case) -> Task:
    """Return a run as in a study, recorded at given steps, with the given observables."""
    (x, y), steps = case.data(), np.array(spec["steps"])
    theta = x @ x.T / FEATURES + np.eye(len(x))
    found = decompose(theta)
    reference = Solution(
        times=RATE * steps,
        steps=steps,
        kernel_train=theta,
        kernel_test=theta[:32],
        eigenvalues=found.eigenvalues,
        eigenvectors=found.eigenvectors,
    )
    request = Request(
        problem=Problem(x_train=x, y_train=y, x_test=x[:32], y_test=y[:32]),
        architecture=architecture(case),
        training=Training(learning_rate=RATE, steps=steps),
        parameters=Parameters(ntk_steps=spec["ntk_steps"]),
        hidden_widths=(case.width,) * case.depth,
        members=case.members,
        seed=0,
        dtype=case.dtype,
        observe=frozenset(spec["observe"]),
        references={"ntk": reference},
    )

    def task() -> Result:
        solution = solve(request)
        return {"outputs": solution.members_train[:, -1], "rows": np.array([len(solution.measurements)])}

    return task


if __name__ == "__main__":
    serve(build)
