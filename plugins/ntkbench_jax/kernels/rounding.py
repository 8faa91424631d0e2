"""How far rounding in one layer is magnified by the next: which points a tile's recursion in K loses digits of.

A tile of a smooth activation carries K(x, x') itself. Where biases bring all points together at large deviations, the
activation depends on small differences of large numbers, sqrt(K(x,x) K(x',x')) - K(x,x'), in every layer anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.interface import Moments, Smooth, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from .layer_statistics import Trace

_COSINES = (0.98, 0.5, 0.0, -0.5, -0.98)  # of the pairs that stand for all of a point's: any two points collapse alike
_LEAST, _MOST = 64, 4096  # points up to which shapes are powers of two, so that few programs are compiled


class _State(NamedTuple):
    """Of pairs of points of one norm (cosines, n): K and Theta, and bounds of their errors in units of rounding."""

    covariance: Any
    tangent: Any
    covariance_error: Any
    tangent_error: Any


def growth(trace: Trace, law: Smooth, architecture: Architecture) -> NDArray[np.float64]:
    """Return how many roundings of ``sqrt(k(x,x) k(x',x'))`` either kernel may be off by, beside one per layer: (n,).

    To first order, and for pairs of points of one norm: each layer rounds K, and its slope multiplies that error; in
    Theta the derivative of E[phi' phi'] by K does.
    """
    count = trace.deviation.shape[1]
    width = max(_LEAST, 1 << (count - 1).bit_length()) if count <= _MOST else count

    def padded(part: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, width - count)])

    with np.errstate(over="ignore", invalid="ignore"):
        square = padded(trace.deviation**2)
    place = jax.devices("cpu")[0]
    scales = jax.device_put((np.float64(architecture.weight_std), np.float64(architecture.bias_std)), place)
    first = np.multiply.outer(np.array(_COSINES), square[0])
    state = jax.device_put(_State(first, first, np.broadcast_to(square[0], first.shape), np.zeros_like(first)), place)
    for layer in range(architecture.depth):
        moments = Moments(trace.rms[layer], trace.slope[layer], tuple(part[layer] for part in trace.coefficients))
        state = _layer(law, *jax.device_put((jax.tree.map(padded, moments), square[layer + 1]), place), state, *scales)
    largest = jax.device_get(_relative(state, *jax.device_put((square[-1], padded(trace.root)), place)))
    return np.asarray(largest)[:count]


@partial(jax.jit, static_argnums=0)
def _layer(
    law: Smooth, moments: Moments, square: jax.Array, state: _State, weight_std: jax.Array, bias_std: jax.Array
) -> _State:
    """Apply a layer; ``square`` is K(x, x) after it."""
    one, two = (jax.tree.map(lambda part: part[..., None, :], moments) for _ in range(2))
    products = partial(law.products, one, two)
    (value, slope), (_, bend) = jax.jvp(products, (state.covariance,), (jnp.ones_like(state.covariance),))
    weight = weight_std**2
    covariance = weight * value + bias_std**2
    tangent = covariance + weight * slope * state.tangent
    rounded = weight * jnp.abs(slope) * state.covariance_error + square
    steeper = jnp.abs(bend) * state.covariance_error * jnp.abs(state.tangent)
    following = _State(covariance, tangent, rounded, weight * (jnp.abs(slope) * state.tangent_error + steeper))
    return _State(*(_known(part) for part in following))


@jax.jit
def _relative(state: _State, square: jax.Array, root: jax.Array) -> jax.Array:
    """Return the larger error, relative to the diagonal; infinite where a number has left the range."""
    nngp, ntk = ratio(state.covariance_error, square), ratio(ratio(state.tangent_error, square), root**2)
    return jnp.max(_known(jnp.maximum(nngp, ntk)), axis=0)


def _known(x: jax.Array) -> jax.Array:
    return jnp.where(jnp.isnan(x), jnp.inf, x)
