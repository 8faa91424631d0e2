"""Points of equal norm: both kernels are functions of one angle, so all layers are one Chebyshev series.

The series is computed from pairs at Chebyshev nodes (:mod:`.near_parallel`) and certified by its own last
coefficients; if it does not converge, the layers are applied one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import dct

from ..dual_activations.arcs import angle
from .near_parallel import PairMeasures, abstract_kernels
from .tiles import PARALLEL, Tile, compiled, cosines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from ..dual_activations.interface import Homogeneous, Smooth

    Array = NDArray[np.float64]
_NODES = (64, 128, 256)
_STEP = 16  # lengths of series are multiples of it, so that few programs are compiled
_SMALLEST_ANGLE = float(np.arccos(PARALLEL)) - 1e-3
_TOLERANCE = {"float64": 2.0**-51, "float32": 2.0**-25}  # tolerance of coefficients, relative to the sum


class Series(NamedTuple):
    """Chebyshev coefficients (n, 2) of K and Theta in the angle, between the smallest and its supplement."""

    coefficients: Any


def angular_series(
    rms: float,
    dual: Homogeneous | Smooth,
    architecture: Architecture,
    dtype: np.dtype[Any],
    place: Any,
    fixed_layers: int = 0,
) -> Series | None:
    """Return both kernels of points of root mean square ``rms`` as a series, or None if 256 terms are not enough."""
    for count in _NODES:
        values = _at_nodes(rms, count, dual, architecture, place, fixed_layers)
        if not np.isfinite(values).all():
            return None
        coefficients = dct(values, type=2, axis=0) / count
        coefficients[0] /= 2
        scale = _TOLERANCE[dtype.name] * np.abs(values).max(axis=0)
        kept = int(np.nonzero((np.abs(coefficients) > scale).any(axis=1))[0][-1]) + 1 if scale.any() else 1
        if kept <= count - count // 8:
            length = -(-kept // _STEP) * _STEP
            return Series(coefficients[:length].astype(dtype))
    return None


def _at_nodes(
    rms: float, count: int, dual: Homogeneous | Smooth, architecture: Architecture, place: Any, fixed_layers: int
) -> Array:
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    theta = np.pi / 2 + (np.pi / 2 - _SMALLEST_ANGLE) * nodes
    same, nothing = np.full(count, rms), np.zeros(count)
    pairs = PairMeasures(same, same, nothing, np.cos(theta), np.sin(theta))
    return np.stack(abstract_kernels(pairs, dual, architecture, place, fixed_layers), axis=1)


@compiled
def equal_norm_tile(series: Series, rows: Any, columns: Any) -> Tile:
    """Return both kernels of the points of two blocks."""
    cosine = cosines(rows, columns)
    theta = angle(1 - jnp.clip(cosine, -1.0, 1.0))
    place = (theta - cosine.dtype.type(jnp.pi / 2)) * cosine.dtype.type(1 / (np.pi / 2 - _SMALLEST_ANGLE))
    nngp, ntk = (_clenshaw(series.coefficients[:, kernel], place) for kernel in (0, 1))
    return Tile(jax.lax.complex(nngp, ntk), jnp.abs(cosine) > PARALLEL)


def _clenshaw(coefficients: jax.Array, x: jax.Array) -> jax.Array:
    """Sum c_k T_k(x), by the recurrence that is stable for |x| <= 1."""
    later, latest = jnp.zeros_like(x), jnp.full_like(x, coefficients[-1])
    for k in range(len(coefficients) - 2, 0, -1):
        later, latest = latest, 2 * x * latest - later + coefficients[k]
    return x * latest - later + coefficients[0]
