"""Activations that are linear on either side of zero: relu, leaky_relu, abs and identity.

With slope a below zero and angle t between pre-activations (Cho and Saul 2009, order 1):
``E[phi phi] = s1 s2 [(1 - a)^2 (sin t + (pi - t) cos t) / (2 pi) + a cos t]``,
``E[phi' phi'] = (1 - a)^2 (pi - t) / (2 pi) + a``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp

from .antipode import arc_cosine
from .arcs import angle
from .interface import Features, Moments, Pair, one_minus_cosine, one_plus_cosine

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True)
class PiecewiseLinear:
    """``x`` above zero, ``slope x`` below."""

    slope: float

    @property
    def _bend(self) -> float:
        """Return twice the share of the even part of phi: 0 for the identity, 1 for relu, 2 for abs."""
        return (1 - self.slope) ** 2 / (1 + self.slope**2)

    @property
    def _scale(self) -> float:
        return math.sqrt((1 + self.slope**2) / 2)

    def moments(self, deviation: Array) -> Moments:
        """Return both root mean squares: sqrt((1 + slope^2) / 2), times the deviation for phi."""
        return Moments(self._scale * deviation, jnp.full_like(deviation, self._scale))

    def dual_cosine(self, distance: Array) -> tuple[Array, Array]:
        """Map 1 - cos, and return the cosine of the slopes."""
        theta, weight = angle(distance), self._bend / math.pi
        excess = jnp.sqrt(distance * (2 - distance)) - theta * (1 - distance)  # sin t - t cos t
        return jnp.maximum(distance - weight * excess, 0.0), 1 - weight * theta

    def features(self, pair: Pair) -> Features:
        """Map any pair: 1 - cos and 1 + cos are each computed from the nearer pole."""
        bend, toward, away = self._bend, one_minus_cosine(pair), one_plus_cosine(pair)
        theta, supplement = jnp.arctan2(pair.sine, pair.cosine), jnp.arctan2(pair.sine, -pair.cosine)
        excess = (pair.sine - theta * pair.cosine) / math.pi  # from 0 where parallel to 1 where antipodal
        mirrored = arc_cosine(1, supplement, pair.sine, pair.cosine) / math.pi
        acute = pair.cosine > 0
        toward = jnp.where(acute, toward - bend * excess, 2 - bend + (bend - 1) * away - bend * mirrored)
        cosine = jnp.where(acute, pair.cosine + bend * excess, (1 - bend) * pair.cosine + bend * mirrored)
        sine = jnp.sqrt(jnp.maximum(toward, 0.0) * jnp.where(acute, 1 + cosine, away + bend * excess))
        response = jnp.where(acute, 1 - bend * theta / math.pi, 1 - bend + bend * supplement / math.pi)
        return Features(
            self._scale * pair.first,
            self._scale * pair.second,
            self._scale * pair.norm_difference,
            cosine,
            sine,
            response,
        )
