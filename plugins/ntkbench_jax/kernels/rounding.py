"""Amplification of rounding from layer to layer: finds points for which a tile's recursion in K loses digits.

A tile of a smooth activation carries K(x, x') itself. If biases bring all points together at large deviations, the
activation depends on small differences of large numbers, sqrt(K(x,x) K(x',x')) - K(x,x'), anew in every layer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.interface import Moments, Smooth, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from .layer_statistics import Trace

_COSINES = (
    0.98,
    0.5,
    0.0,
    -0.5,
    -0.98,
)  # cosines of the pairs that represent all pairs of a point: any two points collapse alike
_LEAST, _MOST = 64, 4096  # points up to which shapes are powers of two, so that few programs are compiled


class _State(NamedTuple):
    """For pairs of points of one norm (cosines, n): K and Theta, and bounds on their errors in units of rounding."""

    covariance: jax.Array
    tangent: jax.Array
    covariance_error: jax.Array
    tangent_error: jax.Array


def growth(trace: Trace, dual: Smooth, architecture: Architecture) -> NDArray[np.float64]:
    """Return the error of either kernel in roundings of ``sqrt(k(x,x) k(x',x'))``, beyond one per layer: (n,).

    To first order, and for pairs of points of one norm: each layer rounds K, and its slope multiplies that error; in
    Theta, the derivative of E[phi' phi'] with respect to K does.
    """
    count = trace.deviation.shape[1]
    width = max(_LEAST, 1 << (count - 1).bit_length()) if count <= _MOST else count

    def padded(part: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, width - count)])

    with np.errstate(over="ignore", invalid="ignore"):
        square = padded(trace.deviation**2)
        first = np.multiply.outer(np.array(_COSINES), square[0])
        rounded = np.abs(square[0]) + 0 * first
    place = jax.devices("cpu")[0]
    scales = jax.device_put((np.float64(architecture.weight_std), np.float64(architecture.bias_std)), place)
    state = _State(*jax.device_put((first, first, rounded, np.zeros_like(first)), place))
    for layer in range(architecture.depth):
        moments = Moments(trace.rms[layer], trace.slope[layer], tuple(part[layer] for part in trace.coefficients))
        state = _layer(dual, *jax.device_put((jax.tree.map(padded, moments), square[layer + 1]), place), state, *scales)
    return np.asarray(_relative(state, *jax.device_put((square[-1], padded(trace.root)), place)))[:count]


@partial(jax.jit, static_argnums=0)
def _layer(
    dual: Smooth, moments: Moments, square: jax.Array, state: _State, weight_std: jax.Array, bias_std: jax.Array
) -> _State:
    """Apply a layer; ``square`` is K(x, x) after it."""
    one, two = (jax.tree.map(lambda part: part[..., None, :], moments) for _ in range(2))
    products = partial(dual.products, one, two)
    (value, slope), (_, bend) = jax.jvp(products, (state.covariance,), (jnp.ones_like(state.covariance),))
    weight = weight_std**2
    covariance = weight * value + bias_std**2
    tangent = covariance + weight * slope * state.tangent
    rounded = weight * jnp.abs(slope) * state.covariance_error + square
    steeper = jnp.abs(bend) * state.covariance_error * jnp.abs(state.tangent)
    following = _State(covariance, tangent, rounded, weight * (jnp.abs(slope) * state.tangent_error + steeper))
    return _State(*(_infinite_if_unknown(part) for part in following))


@jax.jit
def _relative(state: _State, square: jax.Array, root: jax.Array) -> jax.Array:
    """Return the larger error, relative to the diagonal; infinite where a number has left the range."""
    nngp, ntk = ratio(state.covariance_error, square), ratio(ratio(state.tangent_error, square), root**2)
    return jnp.max(_infinite_if_unknown(jnp.maximum(nngp, ntk)), axis=0)


def _infinite_if_unknown(x: jax.Array) -> jax.Array:
    """Return ``x`` without NaN, which would stop callers who debug their own."""
    return jnp.where(jnp.isnan(x), jnp.inf, x)
