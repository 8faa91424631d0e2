"""Pairs that need care, as lists: nearly parallel points, and points of extreme norm, to the last digit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

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
_LENGTHS = (256, 4096)  # of lists: only so many shapes, so that few programs are compiled
LONGEST_LIST = _LENGTHS[-1]


def pair_kernels(
    first: geometry.Points,
    second: geometry.Points,
    law: Homogeneous | Smooth,
    architecture: Architecture,
    place: Any,
    fixed_layers: int = 0,
) -> tuple[geometry.Array, geometry.Array]:
    """Return both kernels (P,) of P pairs, the points of ``first`` with those of ``second``; with 64 bits enabled."""
    angles = geometry.angles(first, second)
    inputs = Features(first.rms(), second.rms(), angles.gap, angles.cosine, angles.sine, np.zeros_like(angles.gap))
    return abstract_kernels(inputs, law, architecture, place, fixed_layers)


def abstract_kernels(
    inputs: Features, law: Homogeneous | Smooth, architecture: Architecture, place: Any, fixed_layers: int = 0
) -> tuple[geometry.Array, geometry.Array]:
    """Return both kernels (P,) of pairs given by their measures, as :func:`pair_kernels` finds them."""
    count = len(inputs.cosine)
    scales = np.float64(architecture.weight_std), np.float64(architecture.bias_std), np.int64(architecture.depth)
    fixed = np.int64(fixed_layers) if fixed_layers else None
    nngp, ntk = np.empty(count), np.empty(count)
    for start in range(0, count, _LENGTHS[-1]):
        part = slice(start, min(start + _LENGTHS[-1], count))
        length = next(n for n in _LENGTHS if n >= part.stop - part.start)
        padded = Features(*(np.pad(field[part], (0, length - (part.stop - part.start))) for field in inputs))
        result = jax.device_get(
            _network(law, architecture.global_rate, *jax.device_put((padded, *scales, fixed), place))
        )
        nngp[part], ntk[part] = (kernel[: part.stop - part.start] for kernel in result)
    return nngp, ntk


@partial(jax.jit, static_argnums=(0, 1))
def _network(
    law: Homogeneous | Smooth,
    global_rate: bool,
    inputs: Features,
    weight_std: jax.Array,
    bias_std: jax.Array,
    depth: jax.Array,
    fixed: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """Apply all layers: any depth with one compilation, and any number of ``fixed`` ones with another."""

    def layer(hidden: jax.Array, pair: Pair) -> Pair:
        trained = None if fixed is None else hidden + 1 >= fixed
        return affine(law.features(pair), pair.ntk, weight_std, bias_std, global_rate=global_rate, trained=trained)

    pair = affine(inputs, jnp.zeros_like(inputs.cosine), weight_std, bias_std)
    if global_rate or fixed is not None:
        pair = pair._replace(ntk=jnp.zeros_like(pair.ntk))
    pair = jax.lax.fori_loop(0, depth, layer, pair)
    return scaled(pair, pair.cosine), scaled(pair, pair.ntk)


def scaled(pair: Pair, normalised: jax.Array) -> jax.Array:
    """Multiply by both deviations; zero where any factor is, even if another has overflown."""
    first, second = jnp.maximum(pair.first, pair.second), jnp.minimum(pair.first, pair.second)
    return jnp.where((second == 0) | (normalised == 0), 0.0, first * jnp.where(second == 0, 1.0, normalised) * second)
