"""The peer's worker: neural-tangents' empirical kernel. Runs in the peer's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import neural_tangents as nt
import numpy as np
from neural_tangents import stax

from ..harness.serving import UnavailableHereError, serve
from .cases import BIAS_STD, WEIGHT_STD, Case

if TYPE_CHECKING:
    from ..harness.serving import Result, Task


def build(spec: dict[str, Any]) -> Task:
    if spec["kind"] != "ntk":
        raise UnavailableHereError(f"the peer has no {spec['kind']}")
    return ntk(spec, Case(**spec["case"]))


def ntk(spec: dict[str, Any], case: Case) -> Task:
    """Return the empirical kernel of one network by structured derivatives (implementation 3), under jit."""

    def dense(width: int) -> Any:
        return stax.Dense(width, W_std=WEIGHT_STD, b_std=BIAS_STD, parameterization="ntk")

    hidden = [layer for _ in range(case.depth) for layer in (dense(case.width), stax.Relu())]
    init, apply, _ = stax.serial(*hidden, dense(case.outputs))
    x = case.data()[0].astype(case.dtype)
    _, drawn = init(jax.random.PRNGKey(0), x.shape)
    parameters = _given(drawn, spec["weights"], case.dtype)
    trace = () if spec["outputs"] == "all" else (-1,)
    kernel = nt.empirical_ntk_fn(
        apply, trace_axes=trace, vmap_axes=spec["vmap_axes"], implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES
    )
    compute = jax.jit(lambda points: kernel(points, None, parameters))

    def task() -> Result:
        return {"ntk": np.asarray(compute(x))}

    return task


def _given(drawn: Any, path: str, dtype: str) -> Any:
    """Return our weights and biases in the peer's format."""
    with np.load(path) as layers:
        numbers = iter([layers[name][0].astype(dtype) for name in sorted(layers)])
    places = []
    for place in drawn:
        if not place:
            places.append(place)
            continue
        layer = next(numbers)
        weights, bias = place
        assert weights.shape == layer[:-1].shape
        places.append((jnp.asarray(layer[:-1]), jnp.asarray(layer[-1].reshape(bias.shape))))
    return places


if __name__ == "__main__":
    serve(build)
