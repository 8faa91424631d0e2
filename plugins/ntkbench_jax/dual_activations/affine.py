"""The affine map between two layers: from pairs of activations to pairs of pre-activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

from .interface import Features, Pair, finite, one_minus_cosine, share

if TYPE_CHECKING:
    from jax import Array


def affine(
    features: Features,
    ntk: Array,
    weight_std: Array,
    bias_std: Array,
    *,
    global_rate: bool = False,
    trained: Array | None = None,
) -> Pair:
    """Return ``K' = weight_std^2 E[phi phi] + bias_std^2`` and ``Theta' = K' + weight_std^2 Theta E[phi' phi']``.

    With one ``global_rate`` for all tensors ``Theta' = E[phi phi] + weight_std^2 Theta E[phi' phi']``: no biases.
    A layer that is not ``trained`` (by default all are) adds no term of its own to Theta'.
    The new angle, between the vectors (weight_std h, bias_std), and its sine follow the spherical law of cosines.
    """
    weight1, weight2 = weight_std * features.first, weight_std * features.second
    first, second = jnp.hypot(weight1, bias_std), jnp.hypot(weight2, bias_std)
    bias1, bias2 = share(bias_std, first), share(bias_std, second)
    weight, norm_difference = (
        share(weight1, first) * share(weight2, second),
        finite(weight_std * features.norm_difference),
    )
    cosine = weight * features.cosine + bias1 * bias2
    across = jnp.maximum(bias1, bias2) * share(norm_difference, jnp.maximum(first, second))
    square = (weight * features.sine) ** 2 + across**2 + 2 * weight * bias1 * bias2 * one_minus_cosine(features)
    norm_difference = norm_difference * share(
        finite(weight1) / 2 + finite(weight2) / 2, finite(first) / 2 + finite(second) / 2
    )
    own = weight * features.cosine / weight_std**2 if global_rate else cosine
    own = own if trained is None else jnp.where(trained, own, 0.0)
    return Pair(first, second, norm_difference, cosine, jnp.sqrt(square), own + weight * features.response * ntk)
