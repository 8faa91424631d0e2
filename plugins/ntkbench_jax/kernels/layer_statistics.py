"""One point at a time: deviations, moments and tangent kernel of each input with itself, layer by layer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.interface import Adaptive, Homogeneous, Moments, Smooth, finite, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from ..dual_activations.catalogue import DualActivation

    Array = NDArray[np.float64]

Own = Literal["everything", "weights", "nothing"]  # what a layer's own parameters add to Theta: K, K less bias, or 0


class Trace(NamedTuple):
    """Of n points and L affine layers: ``deviation`` sqrt(K_l(x,x)) (L, n), ``root`` sqrt(Theta_L / K_L) (n,).

    ``rms`` and ``slope`` (L - 1, n) are of the hidden layers' activations, ``coefficients`` what the law wants to know
    of each point there, (L - 1, ..., n).
    """

    deviation: Array
    root: Array
    rms: Array
    slope: Array
    coefficients: tuple[Array, ...]

    def take(self, points: slice) -> Trace:
        """Return some of the points."""
        return Trace(*(part[..., points] for part in self[:4]), tuple(part[..., points] for part in self[4]))


def trace(
    inputs: Array, law: DualActivation, architecture: Architecture, fixed_layers: int = 0
) -> tuple[Trace, Homogeneous | Smooth, float]:
    """Follow points of root mean square ``inputs`` (n,) through all layers; to be called with 64 bits enabled.

    Returns the law as it was fitted to these points, and a bound of the error it makes in either kernel, relative to
    the product of deviations.

    :raises UnavailableError: where the law of an activation that is known as a function alone misses its tolerance.
    """
    place = jax.devices("cpu")[0]
    scales = jax.device_put((np.float64(architecture.weight_std), np.float64(architecture.bias_std)), place)
    own: Own = "weights" if architecture.global_rate else "everything"
    first_own = float(own == "everything" and fixed_layers == 0)
    start = jax.device_put((inputs, np.full_like(inputs, first_own)), place)
    deviations, root = [_first(start[0], *scales)], start[1]
    errors = (0.0, 0.0)
    for layer in range(1, architecture.depth + 1):
        here, missed = law.resolved(np.asarray(deviations[-1])) if isinstance(law, Adaptive) else (law, 0.0)
        before, trained = root, own if layer >= fixed_layers else "nothing"
        deviation, root, gain = _layer(here, trained, deviations[-1], before, *scales)
        errors = _grown(errors, missed, np.asarray(gain), np.asarray(before))
        deviations.append(deviation)
    hidden = deviations[:-1]
    final = law.resolved(np.concatenate(hidden))[0] if isinstance(law, Adaptive) and hidden else law
    moments = [_moments(final, deviation) for deviation in hidden]
    return _stacked(*jax.device_get((deviations, root, moments))), final, max(errors)  # type: ignore[return-value]


def _stacked(deviations: list[Array], root: Array, moments: list[Moments]) -> Trace:
    if not moments:
        nothing = np.empty((0, len(root)))
        return Trace(np.stack(deviations), root, nothing, nothing, ())
    coefficients = tuple(np.stack(parts) for parts in zip(*(m.coefficients for m in moments), strict=True))
    rms, slope = np.stack([m.rms for m in moments]), np.stack([m.slope for m in moments])
    return Trace(np.stack(deviations), root, rms, slope, coefficients)  # type: ignore[arg-type]


def _grown(errors: tuple[float, float], missed: float, gain: Array, root: Array) -> tuple[float, float]:
    """Carry relative error bounds of K and Theta through a layer that misses ``missed`` of E[phi phi], E[phi' phi'].

    ``gain`` is the root of weight_std^2 E[phi'^2] K / K', the factor by which errors of either kernel grow; ``root``
    that of Theta / K before the layer: what is missed of E[phi' phi'] is multiplied by Theta. To first order, and
    not counted is what curvature adds to later layers: an error in K(x,x) also grows by E[phi phi''] and is in
    E[phi' phi'] too, so that of phi(u) = u^2 errors may be 1.4 times this at depth 2 and 25 times at depth 8.
    """
    largest = float(np.max(np.nan_to_num(gain, nan=0.0, posinf=np.inf), initial=0.0))
    factor, response = largest * largest, float(np.max(root, initial=0.0))
    slope = missed * response * response if missed else 0.0
    covariance, tangent = (factor * error if factor and error else 0.0 for error in (errors[0], errors[1] + slope))
    return missed + covariance, missed + covariance + tangent


@jax.jit
def _first(inputs: jax.Array, weight_std: jax.Array, bias_std: jax.Array) -> jax.Array:
    return jnp.hypot(weight_std * inputs, bias_std)


@partial(jax.jit, static_argnums=0)
def _moments(law: Smooth | Homogeneous, deviation: jax.Array) -> Moments:
    return law.moments(deviation)


@partial(jax.jit, static_argnums=(0, 1))
def _layer(
    law: Smooth | Homogeneous,
    own: Own,
    deviation: jax.Array,
    root: jax.Array,
    weight_std: jax.Array,
    bias_std: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the next deviation and root, and the root of what multiplies Theta: roots, whose squares may overflow."""
    moments = law.moments(deviation)
    following = jnp.hypot(weight_std * moments.rms, bias_std)
    gain = share(weight_std * moments.slope, following) * finite(deviation)
    parts = {"everything": 1.0, "weights": share(moments.rms, following), "nothing": 0.0}
    return following, jnp.hypot(parts[own], finite(gain * finite(root))), gain
