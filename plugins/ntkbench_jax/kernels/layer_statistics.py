"""Statistics of single points: deviations, moments and tangent kernel of each input with itself, layer by layer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.interface import Adaptive, Homogeneous, Moments, Smooth, finite, share
from ..dual_activations.polar import Polar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from ..dual_activations.catalogue import DualActivation

    Array = NDArray[np.float64]

_SAMPLES = 24  # deviations at which a layer's response to errors is measured
_STEP = 1e-4  # relative step of a deviation
Own = Literal["everything", "weights", "nothing"]  # what a layer's own parameters add to Theta: K, K less bias, or 0


class Trace(NamedTuple):
    """For n points and L affine layers: ``deviation`` sqrt(K_l(x,x)) (L, n), ``root`` sqrt(Theta_L / K_L) (n,).

    ``rms`` and ``slope`` (L - 1, n) describe the hidden layers' activations; ``coefficients`` (L - 1, ..., n) are the
    dual activation's own numbers per point and layer.
    """

    deviation: Array
    root: Array
    rms: Array
    slope: Array
    coefficients: tuple[Array, ...]

    def take(self, points: slice) -> Trace:
        """Return a subset of the points."""
        deviation, root, rms, slope = (part[..., points] for part in self[:4])
        return Trace(deviation, root, rms, slope, tuple(part[..., points] for part in self.coefficients))


def trace(
    inputs: Array, dual: DualActivation, architecture: Architecture, fixed_layers: int = 0
) -> tuple[Trace, Homogeneous | Smooth, float]:
    """Follow points of root mean square ``inputs`` (n,) through all layers; to be called with 64 bits enabled.

    Also returns the dual activation fitted to these points, and a bound on its error in either kernel, relative to the
    product of deviations.

    :raises UnavailableError: if the dual of an activation known only as a function misses its tolerance.
    """
    place = jax.devices("cpu")[0]
    scales = jax.device_put((np.float64(architecture.weight_std), np.float64(architecture.bias_std)), place)
    own: Own = "weights" if architecture.global_rate else "everything"
    first_own = float(own == "everything" and fixed_layers == 0)
    start = jax.device_put((inputs, np.full_like(inputs, first_own)), place)
    deviations, root = [_first(start[0], *scales)], start[1]
    errors = _Errors()
    for layer in range(1, architecture.depth + 1):
        here, missed = dual.resolved(np.asarray(deviations[-1])) if isinstance(dual, Adaptive) else (dual, 0.0)
        before, trained = root, own if layer >= fixed_layers else "nothing"
        deviation, root, gain = _layer(here, trained, deviations[-1], before, *scales)
        if missed or any(errors):
            response = _response(here, np.asarray(deviations[-1]), architecture.weight_std, architecture.bias_std)
            errors = _grown(errors, missed, np.asarray(gain), np.asarray(before), response)
        deviations.append(deviation)
    hidden = deviations[:-1]
    final = dual.resolved(np.concatenate(hidden))[0] if isinstance(dual, Adaptive) and hidden else dual
    moments = [_moments(final, deviation) for deviation in hidden]
    return _stacked(*jax.device_get((deviations, root, moments))), final, max(errors)  # type: ignore[return-value]


def _stacked(deviations: list[Array], root: Array, moments: list[Moments]) -> Trace:
    if not moments:
        nothing = np.empty((0, len(root)))
        return Trace(np.stack(deviations), root, nothing, nothing, ())
    coefficients = tuple(np.stack(parts) for parts in zip(*(m.coefficients for m in moments), strict=True))
    rms, slope = np.stack([m.rms for m in moments]), np.stack([m.slope for m in moments])
    return Trace(np.stack(deviations), root, rms, slope, coefficients)


class _Errors(NamedTuple):
    """Bounds relative to products of deviations: of K(x, x), of K(x, x') and of Theta(x, x')."""

    own: float = 0.0
    covariance: float = 0.0
    tangent: float = 0.0


class _Response(NamedTuple):
    """A layer's response to a relative change of K = K(x, x): the largest absolute values over points.

    ``own`` is d log K' / d log K, and ``bend`` its part weight_std^2 E[phi phi''] K / K'. The derivative
    d log E[phi'^2] / d log K has two parts: ``steepness`` E[phi''^2] K / E[phi'^2], the response to an error in
    K(x, x'), and ``slope_bend``, the rest.
    """

    own: float
    bend: float
    steepness: float
    slope_bend: float


def _grown(errors: _Errors, missed: float, gain: Array, root: Array, response: _Response) -> _Errors:
    """Carry error bounds through a layer that misses ``missed`` of E[phi phi] and E[phi' phi'], to first order.

    ``gain`` is the root of weight_std^2 E[phi'^2] K / K', the growth factor of errors of either kernel between points;
    ``root`` is that of Theta / K before the layer, since an error of E[phi' phi'] is multiplied by Theta.

    Assumes that different points respond to errors in K(x, x) and K(x', x') like coincident ones. Not in the bound:
    if phi has a kink, Theta of nearly coincident points changes by the root of an error in K.
    """
    factor, most = _largest(gain) ** 2, _largest(root) ** 2
    own = missed + _times(response.own, errors.own)
    covariance = missed + _times(factor, errors.covariance) + _times(response.bend, errors.own)
    steeper = _times(response.steepness, errors.covariance) + _times(response.slope_bend, errors.own)
    slope = _times(most, missed + steeper)
    return _Errors(own, covariance, covariance + _times(factor, errors.tangent + slope))


def _largest(sizes: Array) -> float:
    return float(np.max(np.nan_to_num(np.abs(sizes), nan=0.0, posinf=np.inf), initial=0.0))


def _times(factor: float, error: float) -> float:
    """Return the product, 0 where either factor is, even if the other has overflowed."""
    return factor * error if factor and error else 0.0


def _response(dual: Smooth | Homogeneous, deviation: Array, weight_std: float, bias_std: float) -> _Response:
    """Measure a layer's response by central differences, at quantiles of the deviations."""
    positive = deviation[(deviation > 0) & np.isfinite(deviation)]
    if not positive.size:
        return _Response(0.0, 0.0, 0.0, 0.0)
    some = np.quantile(positive, np.linspace(0, 1, _SAMPLES))
    place = jax.devices("cpu")[0]
    around, there = jax.device_put((np.concatenate([some * (1 - _STEP), some, some * (1 + _STEP)]), some), place)
    moments = jax.device_get(_moments(dual, around))
    rms, slope = (np.reshape(part, (3, _SAMPLES)) for part in (moments.rms, moments.slope))
    with np.errstate(all="ignore"):
        following = np.hypot(weight_std * rms, bias_std)
        own, steeper = (np.log(part[2] / part[0]) / (2 * _STEP) for part in (following, slope))
        gain = weight_std * slope[1] * some / following[1]
        apart = steeper if isinstance(dual, Homogeneous | Polar) else jax.device_get(_steepness(dual, there))
        return _Response(_largest(own), _largest(own - gain**2), _largest(apart), _largest(steeper - apart))


@partial(jax.jit, static_argnums=0)
def _steepness(dual: Smooth, deviation: jax.Array) -> jax.Array:
    """Return E[phi''^2] K / E[phi'^2]: the derivative of E[phi' phi'] by the covariance of coincident points."""
    moments, square = dual.moments(deviation), deviation**2
    _, (_, change) = jax.jvp(partial(dual.products, moments, moments), (square,), (square,))
    return jnp.nan_to_num(share(share(change, moments.slope), moments.slope), nan=0.0, posinf=jnp.inf)


@jax.jit
def _first(inputs: jax.Array, weight_std: jax.Array, bias_std: jax.Array) -> jax.Array:
    return jnp.hypot(weight_std * inputs, bias_std)


@partial(jax.jit, static_argnums=0)
def _moments(dual: Smooth | Homogeneous, deviation: jax.Array) -> Moments:
    return dual.moments(deviation)


@partial(jax.jit, static_argnums=(0, 1))
def _layer(
    dual: Smooth | Homogeneous,
    own: Own,
    deviation: jax.Array,
    root: jax.Array,
    weight_std: jax.Array,
    bias_std: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the next deviation and root, and the root of Theta's multiplier: their squares may overflow."""
    moments = dual.moments(deviation)
    following = jnp.hypot(weight_std * moments.rms, bias_std)
    gain = share(weight_std * moments.slope, following) * finite(deviation)
    parts: dict[Own, jax.Array | float] = {"everything": 1.0, "weights": share(moments.rms, following), "nothing": 0.0}
    return following, jnp.hypot(parts[own], finite(gain * finite(root))), gain
