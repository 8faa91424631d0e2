"""Ordinary pairs, tile by tile: one compiled program takes two blocks of points through all layers.

What depends on one point alone is known beforehand (:mod:`.trace`), so a pair costs a dozen operations a layer.
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

PARALLEL = 0.98  # |cos| beyond which a pair is left to :mod:`.pairs`
_LARGEST_HIDDEN = 30.0  # deviation behind the first activation up to which smooth laws keep their digits here
_LOST = 10.0  # of squared angles, that a tile may lose
# roundings that layers may magnify rounding to; a law makes up to 7 where growth() counts one: 7 * 120 * 2^-53 < 1e-13
_LARGEST_GROWTH = {"float64": 120.0, "float32": 60.0}
_UNROLLED = 4  # layers up to which a program is compiled for its very depth
# vectors of 64 bytes where the CPU has them, which XLA by default halves; a fifth faster
compiled = partial(jax.jit, compiler_options={"xla_cpu_prefer_vector_width": 512})


class Block(NamedTuple):
    """What a program wants to know of n points, for L = depth + 1 affine layers.

    ``direction`` (n, F) are unit vectors; ``extreme`` (n,) says whether a point's pairs are left to :mod:`.pairs`;
    ``deviation`` (L, n) is sqrt(K_l(x,x)), ``weight`` and ``bias`` (L, n) the shares in it of what comes in, weighted,
    and of the bias: weight^2 + bias^2 = 1; ``moments`` (depth, ..., n) are of the activations.
    """

    direction: Any
    extreme: Any
    deviation: Any
    weight: Any
    bias: Any
    moments: Moments

    def take(self, start: int, count: int) -> Block:
        """Return ``count`` points, zeros in place of those that are missing."""
        missing = max(start + count - len(self.direction), 0)

        def cut(array: Any) -> Any:
            part = array[..., start : start + count]
            return np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, missing)]) if missing else part

        return Block(cut(self.direction.T).T, *jax.tree.map(cut, tuple(self[1:])))


class Tile(NamedTuple):
    """``nngp + i ntk`` (n, m), and ``careful`` (n, m), which pairs are to be done again with care.

    One complex array and not two real ones, since XLA on the CPU fuses all layers into one loop for one result, and
    computes them again for another.
    """

    kernels: Any
    careful: Any


def block(
    directions: NDArray[np.float64],
    rms: NDArray[np.float64],
    trace: Trace,
    law: Homogeneous | Smooth,
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
        if not isinstance(law, Homogeneous):
            extreme |= (trace.deviation[1:-1] > _LARGEST_HIDDEN).any(axis=0) | _contracted(trace, architecture)
            extreme |= _magnified(trace, law, architecture, dtype)
        moments = Moments(trace.rms, trace.slope, trace.coefficients)
        parts = jax.tree.map(lambda part: part.astype(dtype), (trace.deviation, weight, bias, moments))
        return Block(directions.astype(dtype), extreme, *parts)


def _contracted(trace: Trace, architecture: Architecture) -> NDArray[np.bool_]:
    """Return where layers bring points together so far that what is left is lost to rounding before others part them.

    A layer multiplies small squared angles by about weight_std^2 E[phi'^2] K / K'.
    """
    gains = np.nan_to_num((architecture.weight_std * trace.slope * trace.deviation[:-1] / trace.deviation[1:]) ** 2)
    together, lost = np.ones(gains.shape[1]), np.zeros(gains.shape[1], dtype=bool)
    for layer, gain in enumerate(gains):
        together = np.minimum(together, 1.0) * gain  # no angle is large
        lost |= (together < 1 / _LOST) & (np.prod(gains[layer + 1 :], axis=0) > _LOST)
    return lost


def _magnified(
    trace: Trace, law: Smooth, architecture: Architecture, dtype: np.dtype[Any]
) -> NDArray[np.bool_] | np.bool_:
    """Return where layers magnify rounding too far; one layer does not, |cos| being below ``PARALLEL`` before it."""
    if architecture.depth < 2 or isinstance(law, Polar):  # polar laws' pairs all get care
        return np.False_
    return ~(growth(trace, law, architecture) <= _LARGEST_GROWTH[dtype.name])


def _scaled_parts(architecture: Architecture, incoming: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    return architecture.weight_std * incoming, architecture.bias_std


def tile_program(
    law: Homogeneous | Smooth, architecture: Architecture, dtype: np.dtype[Any], place: Any, fixed_layers: int = 0
) -> Callable[[Block, Block], Tile]:
    """Return what computes both kernels of the points of two blocks that are on ``place``."""
    program = _homogeneous if isinstance(law, Homogeneous) else _smooth
    few = architecture.depth <= _UNROLLED
    unrolled, depth = (architecture.depth, None) if few else (None, np.int32(architecture.depth))
    with np.errstate(over="ignore", under="ignore"):  # points are extreme then
        scales = np.asarray([architecture.weight_std, architecture.bias_std]).astype(dtype)
    fixed = np.int32(fixed_layers) if fixed_layers else None
    arguments = jax.device_put((*scales, depth, fixed), place)

    def tile(rows: Block, columns: Block) -> Tile:
        return program(law, unrolled, architecture.global_rate, rows, columns, *arguments)

    return tile


@partial(compiled, static_argnums=(0, 1, 2))
def _homogeneous(
    law: Homogeneous,
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

    def affine(layer: Any, distance: jax.Array) -> jax.Array:
        weight1, weight2, bias1, bias2 = (
            rows.weight[layer],
            columns.weight[layer],
            rows.bias[layer],
            columns.bias[layer],
        )
        apart = ((weight1[:, None] - weight2) ** 2 + (bias1[:, None] - bias2) ** 2) / 2
        return _outer(weight1, weight2) * distance + apart

    def covariance(layer: Any, distance: jax.Array) -> jax.Array:
        return _outer(rows.deviation[layer], columns.deviation[layer]) * (1 - distance)

    def step(layer: Any, state: jax.Array) -> jax.Array:
        inner, response = law.turn(jnp.real(state))
        distance = affine(layer + 1, inner)
        own = covariance(layer + 1, distance)
        if global_rate:
            own = _outer(rows.moments.rms[layer], columns.moments.rms[layer]) * (1 - inner)
        own = _trained(own, layer + 1, fixed)
        slopes = _outer(weight_std * rows.moments.slope[layer], weight_std * columns.moments.slope[layer])
        return jax.lax.complex(distance, own + slopes * response * jnp.imag(state))

    tangent = jnp.zeros_like(first) if global_rate else _trained(first, 0, fixed)
    last = _repeat(step, unrolled, depth, jax.lax.complex(affine(0, 1 - cosine), tangent))
    nngp = first if unrolled == 0 else covariance(-1, jnp.real(last))
    return Tile(jax.lax.complex(nngp, jnp.imag(last)), _careful(jnp.abs(cosine) > PARALLEL, rows, columns))


@partial(compiled, static_argnums=(0, 1, 2))
def _smooth(
    law: Smooth,
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
        values, slopes = law.products(one, other, jnp.real(state))
        covariance = weight_std**2 * values + bias_std**2
        own = _trained(values if global_rate else covariance, layer + 1, fixed)
        return jax.lax.complex(covariance, own + weight_std**2 * slopes * jnp.imag(state))

    tangent = jnp.zeros_like(first) if global_rate else _trained(first, 0, fixed)
    last = _repeat(step, unrolled, depth, jax.lax.complex(first, tangent))
    return Tile(last, _careful(parallel, rows, columns))


def _repeat(
    step: Callable[[Any, jax.Array], jax.Array], unrolled: int | None, depth: jax.Array | None, state: jax.Array
) -> jax.Array:
    if unrolled is None:
        return jax.lax.fori_loop(0, depth, step, state)
    for layer in range(unrolled):
        state = step(layer, state)
    return state


def _trained(own: jax.Array, layer: Any, fixed: jax.Array | None) -> jax.Array:
    """Return what a layer's own parameters add to Theta: nothing while it is one of the first, ``fixed`` ones."""
    return own if fixed is None else jnp.where(layer >= fixed, own, 0)


def _outer(first: jax.Array, second: jax.Array) -> jax.Array:
    return first[:, None] * second


def cosines(rows: Block, columns: Block) -> jax.Array:
    """Return those of the angles of all pairs (n, m)."""
    return jnp.matmul(rows.direction, columns.direction.T, precision=jax.lax.Precision.HIGHEST)


def _input_covariance(rows: Block, columns: Block, cosine: jax.Array, bias_std: jax.Array) -> jax.Array:
    """Return K_1, whose terms may be of any sizes."""
    lengths = _outer(rows.weight[0] * rows.deviation[0], columns.weight[0] * columns.deviation[0])
    return lengths * cosine + bias_std**2


def _careful(parallel: jax.Array, rows: Block, columns: Block) -> jax.Array:
    return parallel | rows.extreme[:, None] | columns.extreme
