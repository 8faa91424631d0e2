"""Lists of pairs that need high precision: nearly parallel points and points of extreme norm, to the last digit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.affine import affine
from ..dual_activations.interface import Features, Homogeneous, Pair, Smooth
from . import geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    Index = NDArray[np.int64]
_LENGTHS = (256, 4096)  # lengths of lists: few, so that few programs are compiled
LONGEST_LIST = _LENGTHS[-1]


class PairMeasures(NamedTuple):
    """P pairs of inputs: root mean squares of both, their difference, cosine and sine of the angle; (P,) each."""

    first: geometry.Array
    second: geometry.Array
    norm_difference: geometry.Array
    cosine: geometry.Array
    sine: geometry.Array


def pair_kernels(
    first: geometry.Points,
    second: geometry.Points,
    dual: Homogeneous | Smooth,
    architecture: Architecture,
    place: Any,
    fixed_layers: int = 0,
) -> tuple[geometry.Array, geometry.Array]:
    """Return both kernels (P,) of P pairs, the points of ``first`` with those of ``second``; with 64 bits enabled."""
    angles = geometry.angles(first, second)
    measures = PairMeasures(first.rms(), second.rms(), angles.norm_difference, angles.cosine, angles.sine)
    return abstract_kernels(measures, dual, architecture, place, fixed_layers)


def abstract_kernels(
    measures: PairMeasures, dual: Homogeneous | Smooth, architecture: Architecture, place: Any, fixed_layers: int = 0
) -> tuple[geometry.Array, geometry.Array]:
    """Return both kernels (P,) of pairs given by their measures, as :func:`pair_kernels` computes them."""
    count = len(measures.cosine)
    scales = np.float64(architecture.weight_std), np.float64(architecture.bias_std), np.int64(architecture.depth)
    fixed = np.int64(fixed_layers) if fixed_layers else None
    nngp, ntk = np.empty(count), np.empty(count)
    for start in range(0, count, _LENGTHS[-1]):
        part = slice(start, min(start + _LENGTHS[-1], count))
        length = next(n for n in _LENGTHS if n >= part.stop - part.start)
        padded = [np.pad(field[part], (0, length - (part.stop - part.start))) for field in measures]
        padded.append(np.zeros(length))  # inputs have no response
        inputs, *arguments = jax.device_put((padded, *scales, fixed), place)
        result = jax.device_get(_network(dual, architecture.global_rate, Features(*inputs), *arguments))
        nngp[part], ntk[part] = (kernel[: part.stop - part.start] for kernel in result)
    return nngp, ntk


@partial(jax.jit, static_argnums=(0, 1))
def _network(
    dual: Homogeneous | Smooth,
    global_rate: bool,
    inputs: Features,
    weight_std: jax.Array,
    bias_std: jax.Array,
    depth: jax.Array,
    fixed: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """Apply all layers: one compilation serves every depth, another one every number of ``fixed`` layers."""

    def layer(hidden: jax.Array, pair: Pair) -> Pair:
        trained = None if fixed is None else hidden + 1 >= fixed
        return affine(dual.features(pair), pair.ntk, weight_std, bias_std, global_rate=global_rate, trained=trained)

    pair = affine(inputs, jnp.zeros_like(inputs.cosine), weight_std, bias_std)
    if global_rate or fixed is not None:
        pair = pair._replace(ntk=jnp.zeros_like(pair.ntk))
    pair = jax.lax.fori_loop(0, depth, layer, pair)
    return scaled(pair, pair.cosine), scaled(pair, pair.ntk)


def scaled(pair: Pair, normalised: jax.Array) -> jax.Array:
    """Multiply by both deviations; zero where any factor is, even if another has overflowed."""
    first, second = jnp.maximum(pair.first, pair.second), jnp.minimum(pair.first, pair.second)
    return jnp.where((second == 0) | (normalised == 0), 0.0, first * jnp.where(second == 0, 1.0, normalised) * second)
