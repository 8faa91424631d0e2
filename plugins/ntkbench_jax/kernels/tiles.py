"""Ordinary pairs, tile by tile: one compiled program takes two blocks of points through all layers.

Statistics of single points are computed first (:mod:`.layer_statistics`): a pair costs a dozen operations per layer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..dual_activations.interface import Homogeneous, Moments, Smooth
from ..dual_activations.polar import Polar
from .rounding import growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from .layer_statistics import Trace

PARALLEL = 0.98  # |cos| beyond which a pair is left to :mod:`.near_parallel`
_LARGEST_HIDDEN = 30.0  # deviation behind the first activation up to which smooth duals keep their digits here
_LOST = 10.0  # contraction of squared angles that a tile tolerates
# amplification of rounding that a tile tolerates; a dual makes up to 7 where growth() counts one: 840 * 2^-53 < 1e-13
# and 63 * 2^-24 < 4e-6
_LARGEST_GROWTH = {"float64": 120.0, "float32": 9.0}
_UNROLLED = 4  # up to this many layers a program is compiled for its exact depth
# vectors of 64 bytes where the CPU has them, which XLA by default halves; a fifth faster
compiled = partial(jax.jit, compiler_options={"xla_cpu_prefer_vector_width": 512})


class Block(NamedTuple):
    """The input of a program: n points, for L = depth + 1 affine layers.

    ``direction`` (n, F) are unit vectors; ``extreme`` (n,) says which points' pairs go to :mod:`.near_parallel`;
    ``deviation`` (L, n) is sqrt(K_l(x,x)), ``weight`` and ``bias`` (L, n) are the shares of the weighted input
    and of the bias in it, weight^2 + bias^2 = 1; ``moments`` (depth, ..., n) are those of the activations.
    """

    direction: Any
    extreme: Any
    deviation: Any
    weight: Any
    bias: Any
    moments: Moments

    def take(self, start: int, count: int) -> Block:
        """Return ``count`` points, with zeros for missing ones."""
        missing = max(start + count - len(self.direction), 0)

        def cut(array: Any) -> Any:
            part = array[..., start : start + count]
            return np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, missing)]) if missing else part

        return Block(cut(self.direction.T).T, *jax.tree.map(cut, tuple(self[1:])))


class Tile(NamedTuple):
    """``nngp + i ntk`` (n, m), and ``needs_high_precision`` (n, m), pairs for :mod:`.near_parallel` to recompute.

    One complex array instead of two real ones: XLA on the CPU fuses all layers into one loop per result, and would
    compute them once more for a second result.
    """

    kernels: Any
    needs_high_precision: Any


def block(
    directions: NDArray[np.float64],
    rms: NDArray[np.float64],
    trace: Trace,
    dual: Homogeneous | Smooth,
    architecture: Architecture,
    dtype: np.dtype[Any],
) -> Block:
    """Prepare points, of root mean square ``rms`` (n,), for tiles computed in ``dtype``."""
    low, high = (1e-75, 1e75) if dtype == np.float64 else (1e-8, 1e8)
    incoming = np.concatenate([rms[None], trace.rms])
    with np.errstate(all="ignore"):
        weight, bias = (np.nan_to_num(part / trace.deviation) for part in _scaled_parts(architecture, incoming))
        sizes = np.concatenate([trace.deviation, trace.rms])
        slopes = trace.slope * max(architecture.weight_std, 1.0)
        extreme = ((sizes < low) | (sizes > high)).any(axis=0) | (slopes > high).any(axis=0)
        extreme |= architecture.weight_std > high
        if not isinstance(dual, Homogeneous):
            extreme |= (trace.deviation[1:-1] > _LARGEST_HIDDEN).any(axis=0) | _contracted(trace, architecture)
            extreme |= _magnified(trace, dual, architecture, dtype)
        moments = trace.rms, trace.slope, trace.coefficients
        parts = jax.tree.map(lambda part: part.astype(dtype), (trace.deviation, weight, bias, moments))
        deviation, weight, bias, moments = parts
        return Block(directions.astype(dtype), extreme, deviation, weight, bias, Moments(*moments))


def type_of_tiles(
    result: np.dtype[Any], traces: tuple[Trace, ...], dual: Homogeneous | Smooth, architecture: Architecture
) -> np.dtype[Any]:
    """Return the type in which to compute: float64 also for a float32 ``result`` whose layers magnify rounding."""
    if result == np.float64 or isinstance(dual, Homogeneous):
        return result
    magnified = any(_magnified(trace, dual, architecture, result).any() for trace in traces)
    return np.dtype(np.float64 if magnified else result)


def _contracted(trace: Trace, architecture: Architecture) -> NDArray[np.bool_]:
    """Return where layers bring points so close that rounding loses their distance before later layers separate them.

    A layer multiplies small squared angles by about weight_std^2 E[phi'^2] K / K'.
    """
    gains = np.nan_to_num((architecture.weight_std * trace.slope * trace.deviation[:-1] / trace.deviation[1:]) ** 2)
    together, lost = np.ones(gains.shape[1]), np.zeros(gains.shape[1], dtype=bool)
    for layer, gain in enumerate(gains):
        together = np.minimum(together, 1.0) * gain  # no angle is large
        lost |= (together < 1 / _LOST) & (np.prod(gains[layer + 1 :], axis=0) > _LOST)
    return lost


def _magnified(
    trace: Trace, dual: Smooth, architecture: Architecture, dtype: np.dtype[Any]
) -> NDArray[np.bool_] | np.bool_:
    """Return where layers magnify rounding too far; one layer does not, |cos| being below ``PARALLEL`` before it."""
    if architecture.depth < 2 or isinstance(dual, Polar):  # all pairs of polar duals get high precision
        return np.False_
    return ~(growth(trace, dual, architecture) <= _LARGEST_GROWTH[dtype.name])


def _scaled_parts(architecture: Architecture, incoming: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    return architecture.weight_std * incoming, architecture.bias_std


def tile_program(
    dual: Homogeneous | Smooth, architecture: Architecture, dtype: np.dtype[Any], place: Any, fixed_layers: int = 0
) -> Callable[[Block, Block], Tile]:
    """Return a program that computes both kernels of the points of two blocks on ``place``."""
    program = _homogeneous if isinstance(dual, Homogeneous) else _smooth
    few = architecture.depth <= _UNROLLED
    unrolled, depth = (architecture.depth, None) if few else (None, np.int32(architecture.depth))
    with np.errstate(over="ignore", under="ignore"):  # extreme points, in that case
        scales = np.asarray([architecture.weight_std, architecture.bias_std]).astype(dtype)
    fixed = np.int32(fixed_layers) if fixed_layers else None
    arguments = jax.device_put((*scales, depth, fixed), place)

    def tile(rows: Block, columns: Block) -> Tile:
        found: Tile = program(dual, unrolled, architecture.global_rate, rows, columns, *arguments)
        return found

    return tile


@partial(compiled, static_argnums=(0, 1, 2))
def _homogeneous(
    dual: Homogeneous,
    unrolled: int | None,
    global_rate: bool,
    rows: Block,
    columns: Block,
    weight_std: jax.Array,
    bias_std: jax.Array,
    depth: jax.Array | None,
    fixed: jax.Array | None,
) -> Tile:
    """Carry 1 - cos and Theta; the angle between (weight h, bias) of two points is that of their pre-activations."""
    cosine = cosines(rows, columns)
    first = _input_covariance(rows, columns, cosine, bias_std)

    def step(layer: Any, state: jax.Array) -> jax.Array:
        inner, response = dual.dual_cosine(jnp.real(state))
        distance = _affine(rows, columns, layer + 1, inner)
        own = _covariance(rows, columns, layer + 1, distance)
        if global_rate:
            own = _outer(rows.moments.rms[layer], columns.moments.rms[layer]) * (1 - inner)
        own = _trained(own, layer + 1, fixed)
        slopes = _outer(weight_std * rows.moments.slope[layer], weight_std * columns.moments.slope[layer])
        return jax.lax.complex(distance, own + slopes * response * jnp.imag(state))

    tangent = jnp.zeros_like(first) if global_rate else _trained(first, 0, fixed)
    last = _repeat(step, unrolled, depth, jax.lax.complex(_affine(rows, columns, 0, 1 - cosine), tangent))
    nngp = first if unrolled == 0 else _covariance(rows, columns, -1, jnp.real(last))
    return Tile(jax.lax.complex(nngp, jnp.imag(last)), _needs_high_precision(jnp.abs(cosine) > PARALLEL, rows, columns))


def _affine(rows: Block, columns: Block, layer: Any, distance: jax.Array) -> jax.Array:
    """Return 1 - cos after an affine layer from 1 - cos before it."""
    weight1, weight2 = rows.weight[layer], columns.weight[layer]
    bias1, bias2 = rows.bias[layer], columns.bias[layer]
    apart: jax.Array = ((weight1[:, None] - weight2) ** 2 + (bias1[:, None] - bias2) ** 2) / 2
    return _outer(weight1, weight2) * distance + apart


def _covariance(rows: Block, columns: Block, layer: Any, distance: jax.Array) -> jax.Array:
    return _outer(rows.deviation[layer], columns.deviation[layer]) * (1 - distance)


@partial(compiled, static_argnums=(0, 1, 2))
def _smooth(
    dual: Smooth,
    unrolled: int | None,
    global_rate: bool,
    rows: Block,
    columns: Block,
    weight_std: jax.Array,
    bias_std: jax.Array,
    depth: jax.Array | None,
    fixed: jax.Array | None,
) -> Tile:
    """Carry K and Theta."""
    first = _input_covariance(rows, columns, cosines(rows, columns), bias_std)
    parallel = jnp.abs(first) > PARALLEL * _outer(rows.deviation[0], columns.deviation[0])

    def step(layer: Any, state: jax.Array) -> jax.Array:
        one = jax.tree.map(lambda part: part[layer][..., :, None], rows.moments)
        other = jax.tree.map(lambda part: part[layer][..., None, :], columns.moments)
        values, slopes = dual.products(one, other, jnp.real(state))
        covariance = weight_std**2 * values + bias_std**2
        own = _trained(values if global_rate else covariance, layer + 1, fixed)
        return jax.lax.complex(covariance, own + weight_std**2 * slopes * jnp.imag(state))

    tangent = jnp.zeros_like(first) if global_rate else _trained(first, 0, fixed)
    last = _repeat(step, unrolled, depth, jax.lax.complex(first, tangent))
    return Tile(last, _needs_high_precision(parallel, rows, columns))


def _repeat(
    step: Callable[[Any, jax.Array], jax.Array], unrolled: int | None, depth: jax.Array | None, state: jax.Array
) -> jax.Array:
    if unrolled is None:
        last: jax.Array = jax.lax.fori_loop(0, depth, step, state)
        return last
    for layer in range(unrolled):
        state = step(layer, state)
    return state


def _trained(own: jax.Array, layer: Any, fixed: jax.Array | None) -> jax.Array:
    """Return the contribution of a layer's own parameters to Theta: none for the first ``fixed`` layers."""
    return own if fixed is None else jnp.where(layer >= fixed, own, 0)


def _outer(first: jax.Array, second: jax.Array) -> jax.Array:
    return first[:, None] * second


def cosines(rows: Block, columns: Block) -> jax.Array:
    """Return the cosines of the angles of all pairs (n, m)."""
    return jnp.matmul(rows.direction, columns.direction.T, precision=jax.lax.Precision.HIGHEST)


def _input_covariance(rows: Block, columns: Block, cosine: jax.Array, bias_std: jax.Array) -> jax.Array:
    """Return K_1, for terms of any size."""
    lengths = _outer(rows.weight[0] * rows.deviation[0], columns.weight[0] * columns.deviation[0])
    covariance: jax.Array = lengths * cosine + bias_std**2
    return covariance


def _needs_high_precision(parallel: jax.Array, rows: Block, columns: Block) -> jax.Array:
    needs_high_precision: jax.Array = parallel | rows.extreme[:, None] | columns.extreme
    return needs_high_precision
