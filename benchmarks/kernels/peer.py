"""The peer's worker: neural-tangents, each measurement in its best setting. Runs in the peer's environment."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import neural_tangents as nt
import numpy as np
from neural_tangents import stax

from ..harness.serving import UnavailableHereError, serve
from .cases import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..harness.serving import Result, Task

warnings.filterwarnings("ignore")  # neural-tangents warns of every numerical layer and every Hermite layer
_BOTH = ("nngp", "ntk")


def build(spec: dict[str, Any]) -> Task:
    match spec["kind"]:
        case "kernels":
            return kernels(spec)
        case "ensemble":
            return ensemble(spec)
        case "agreement":
            return agreement(spec)
    raise UnavailableHereError(f"the peer has no {spec['kind']}")


def kernels(spec: dict[str, Any]) -> Task:
    """Return both kernels of the inputs with themselves: under jit, or by :func:`nt.batch`, which compiles batches."""
    x = np.load(spec["x"]).astype(spec["dtype"])
    kernel_fn = kernel_function(Network(**spec["network"]), spec.get("quadrature"))
    compute: Callable[..., Any]
    if batch := spec.get("batch"):
        compute = partial(nt.batch(kernel_fn, batch_size=batch, store_on_device=False), x, None, _BOTH)
    else:
        compute = partial(jax.jit(lambda points: kernel_fn(points, None, _BOTH)), x)

    def task() -> Result:
        found = compute()
        return {"nngp": np.asarray(found.nngp), "ntk": np.asarray(found.ntk)}

    return task


def ensemble(spec: dict[str, Any]) -> Task:
    """Return mean (T, M, O) and covariance (T, M, M) of an ensemble, from inputs to result; ``get`` is ntk."""
    x, y, x_test, times = (np.load(spec[name]).astype(spec["dtype"]) for name in ("x", "y", "x_test", "times"))
    kernel_fn = jax.jit(kernel_function(Network(**spec["network"])), static_argnames=("get",))

    def law(x: Any, y: Any, x_test: Any, times: Any) -> Any:
        predict = nt.predict.gradient_descent_mse_ensemble(
            lambda x1, x2, get, **kwargs: kernel_fn(x1, x2, get=get, **kwargs), x, y, learning_rate=1.0
        )
        return predict(t=times, x_test=x_test, get="ntk", compute_cov=True)

    compute = jax.jit(law) if spec["jit_all"] else law

    def task() -> Result:
        found = compute(x, y, x_test, times)
        return {"mean": np.asarray(found.mean), "covariance": np.asarray(found.covariance)}

    return task


def agreement(spec: dict[str, Any]) -> Task:
    """Return both kernels, (2, n, n), of each network, one array per index."""
    inputs = {name: np.load(path) for name, path in spec["inputs"].items()}

    def task() -> Result:
        found = {}
        for i, (network, name) in enumerate(spec["networks"]):
            both = kernel_function(Network(**network))(inputs[name], None, _BOTH)
            found[str(i)] = np.stack([np.asarray(both.nngp), np.asarray(both.ntk)])
        return found

    return task


def kernel_function(network: Network, quadrature: int | None = None) -> Callable[..., Any]:
    """Return NT's kernel function; Dense in its ntk parameterization has K = W_std^2 x.x'/n + b_std^2, as ours."""
    dense = stax.Dense(1, W_std=network.weight_std, b_std=network.bias_std, parameterization="ntk")
    hidden = [dense, layer(network, quadrature)] * network.depth
    return stax.serial(*hidden, dense)[2]


def layer(network: Network, quadrature: int | None) -> Any:
    if quadrature:
        return stax.ElementwiseNumerical(
            *_CALLABLES[network.activation][:1], deg=quadrature, df=_CALLABLES[network.activation][1]
        )
    if network.activation not in _LAYERS:
        raise UnavailableHereError(f"neural-tangents has no closed form for {network.activation}")
    return _LAYERS[network.activation](**network.parameters)


_CALLABLES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "tanh": (jnp.tanh, lambda x: 1 - jnp.tanh(x) ** 2),
}
_LAYERS: dict[str, Callable[..., Any]] = {
    "relu": stax.Relu,
    "leaky_relu": lambda slope: stax.LeakyRelu(slope),
    "abs": stax.Abs,
    "step": lambda: stax.RectifiedMonomial(0),
    "rectified_monomial": stax.RectifiedMonomial,
    "identity": lambda: stax.Monomial(1),
    "monomial": stax.Monomial,
    "polynomial": lambda coefficients: stax.Polynomial(coefficients),
    "hermite": stax.Hermite,
    "erf": stax.Erf,
    "erf_sigmoid": stax.Sigmoid_like,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "cos": stax.Cos,
    "rbf": stax.Rbf,
    "exp": stax.Exp,
    "gaussian": stax.Gaussian,
}

if __name__ == "__main__":
    serve(build)
