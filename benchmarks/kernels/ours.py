"""Our worker: ntkbench, and the machine's own matrix product as a second yardstick. Runs in ntkbench's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic

from ntkbench import Architecture
from ntkbench.dynamics import decompose, ensemble_covariance, kernel_dynamics
from ntkbench.errors import NtkbenchError
from ntkbench_jax import analytic_kernel, analytic_kernels

from ..harness.serving import UnavailableHereError, serve
from .cases import Network

if TYPE_CHECKING:
    from ..harness.serving import Result, Task


def build(spec: dict[str, Any]) -> Task:
    match spec["kind"]:
        case "kernels":
            return kernels(spec)
        case "ensemble":
            return ensemble(spec)
        case "agreement":
            return agreement(spec)
        case "product":
            return product(spec)
    raise UnavailableHereError(f"ntkbench has no {spec['kind']}")


def kernels(spec: dict[str, Any]) -> Task:
    """Return both kernels of the inputs with themselves."""
    x, architecture = np.load(spec["x"]).astype(spec["dtype"]), _architecture(Network(**spec["network"]))
    _check_available(architecture, x)
    return lambda: analytic_kernels(x, architecture=architecture)._asdict()


def ensemble(spec: dict[str, Any]) -> Task:
    """Return mean (T, M, O) and covariance (T, M, M) of an ensemble, from inputs to result."""
    x, y, x_test, times = (np.load(spec[name]).astype(spec["dtype"]) for name in ("x", "y", "x_test", "times"))
    architecture = _architecture(Network(**spec["network"]))

    def task() -> Result:
        train = analytic_kernels(x, architecture=architecture)
        between = analytic_kernels(x_test, x, architecture=architecture)
        test = analytic_kernel(x_test, architecture=architecture, kernel="nngp")
        spectrum = decompose(train.ntk)
        mean = kernel_dynamics(train.ntk, between.ntk, y, times=times, spectrum=spectrum).test
        covariance = ensemble_covariance(spectrum, between.ntk, train.nngp, between.nngp, test, times=times)
        return {"mean": mean, "covariance": covariance}

    return task


def agreement(spec: dict[str, Any]) -> Task:
    """Return both kernels, (2, n, n), of each network, one array per index; or ``without<i>``, the reason for none.

    ``cosine<i>`` (n, n) is, pair by pair, the largest cosine between pre-activations over the hidden layers.
    """
    inputs = {name: np.load(path) for name, path in spec["inputs"].items()}

    def task() -> Result:
        found: Result = {}
        for i, (raw, name) in enumerate(spec["networks"]):
            network = Network(**raw)
            try:
                found[str(i)] = np.stack(analytic_kernels(inputs[name], architecture=_architecture(network)))
            except Exception as error:  # one network that fails is one line of the report
                kind = "" if isinstance(error, NtkbenchError | UnavailableHereError) else f"{type(error).__name__}: "
                found[f"without{i}"] = np.array(f"{kind}{error}")
                continue
            found[f"cosine{i}"] = _largest_cosines(network, inputs[name])
        return found

    return task


def product(spec: dict[str, Any]) -> Task:
    """Return the product of two N x N matrices by the BLAS that numpy has."""
    a, b = (np.random.default_rng(i).standard_normal((spec["points"],) * 2).astype(spec["dtype"]) for i in range(2))
    return lambda: {"product": a @ b}


def _architecture(network: Network, depth: int | None = None) -> Architecture:
    try:
        return Architecture(
            depth=network.depth if depth is None else depth,
            activation=network.spelling,
            weight_std=network.weight_std,
            bias_std=network.bias_std,
        )
    except pydantic.ValidationError as error:
        raise UnavailableHereError(str(error).splitlines()[0]) from error


def _check_available(architecture: Architecture, x: np.ndarray) -> None:
    try:
        analytic_kernels(x[:2], architecture=architecture)
    except NtkbenchError as error:
        raise UnavailableHereError(str(error)) from error


def _largest_cosines(network: Network, x: np.ndarray) -> np.ndarray:
    largest = np.full((len(x), len(x)), -1.0)
    for depth in range(network.depth):
        nngp = analytic_kernels(x, architecture=_architecture(network, depth)).nngp
        scale = np.sqrt(np.diag(nngp))
        largest = np.maximum(largest, nngp / np.outer(scale, scale))
    return largest


if __name__ == "__main__":
    serve(build)
