"""NNGP and tangent kernels of infinitely wide fully-connected networks.

Ordinary pairs are computed tile by tile (:mod:`.tiles`); nearly parallel ones, and points of extreme norm, in lists
(:mod:`.near_parallel`, :mod:`.pair_queue`) to the last digit; each point with itself by :mod:`.layer_statistics`.
Symmetric halves are computed once; results are written in place.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkbench.plugin import DataError, UnavailableError

from ..activations import unsupported
from ..dual_activations.catalogue import find_dual_activation
from ..dual_activations.hermite import Hermite
from ..dual_activations.polar import Polar
from ..x64 import enable_x64
from . import geometry
from .equal_norm import Series, angular_series, equal_norm_tile
from .layer_statistics import Trace, trace
from .near_parallel import pair_kernels
from .pair_queue import PairQueue
from .tiles import Block, Tile, block, tile_program, type_of_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ntkbench.architecture.nodes import Architecture

    from ..dual_activations.interface import Homogeneous, Smooth
    from .pair_queue import Index

Float = NDArray[np.floating[Any]]
_SMALL_EDGE = 64  # points per side of a tile: only two sizes, so that few programs are compiled
# by bytes per number, sized to the CPU's cache; not a power of two, whose columns would share cache sets
_CPU_EDGE = {4: 456, 8: 328}
_ACCELERATOR_EDGE = 2048
_SHALLOW = 8  # up to this many layers, layers cost less than a series in the angle
_SPREAD = 8  # roundings by which equal norms may differ


class Kernels(NamedTuple):
    """The covariance of an infinitely wide network's output, and its tangent kernel: K_L and Theta_L, (n1, n2)."""

    nngp: Float
    ntk: Float


def analytic_kernels(
    x1: ArrayLike,
    x2: ArrayLike | None = None,
    *,
    architecture: Architecture,
    dtype: Any = None,
    device: str = "cpu",
    fixed_layers: int = 0,
) -> Kernels:
    """Return both kernels between the rows of ``x1`` (n1, F) and ``x2`` (n2, F); ``x1`` with itself if None.

    ``K_1 = weight_std^2 x.x' / F + bias_std^2``, ``K_{l+1} = weight_std^2 E[phi(u) phi(v)] + bias_std^2``,
    ``Theta_{l+1} = K_{l+1} + weight_std^2 Theta_l E[phi'(u) phi'(v)]`` (Jacot et al. 2018, section 4; docs/theory.md).
    Every float64 entry of a closed form is within 1e-13 of ``sqrt(k(x,x) k(x',x'))`` of the exact kernel, or within
    1e-15 times the entry's condition number if that is more: the sum of |w dk/dw| + |b dk/db| over all layers, each
    with its own weight_std w and bias_std b, divided by ``sqrt(k(x,x) k(x',x'))``. For ``x1`` with itself the result
    is symmetric to the bit. Entries beyond the range of the type are inf or, like subnormal ones, 0.

    :param dtype: float32 or float64 of the result; by default float32 if all inputs are, else float64. A float32
        entry is within 4e-6 of ``sqrt(k(x,x) k(x',x'))``: what float32 would lose is computed in float64.
    :param device: a JAX platform, such as cpu or cuda, optionally with an index: cuda:1.
    :param fixed_layers: the number of first affine layers, of depth + 1, that are not trained and add nothing to Theta
        (Arora et al. 2019, arXiv:1910.01663): 0 gives the tangent kernel, ``depth`` the NNGP.
    :raises DataError: unless inputs are finite matrices with equal numbers of features, and ``fixed_layers`` is in
        0, ..., depth.
    :raises UnavailableError: for an architecture without analytic kernels, or a missing device.
    """
    return Kernels(*_evaluate(x1, x2, architecture, dtype, device, Kernels._fields, {}, fixed_layers))


def analytic_kernel(
    x1: ArrayLike,
    x2: ArrayLike | None = None,
    *,
    architecture: Architecture,
    kernel: Literal["ntk", "nngp"] = "ntk",
    dtype: Any = None,
    device: str = "cpu",
    out: Float | None = None,
    fixed_layers: int = 0,
) -> Float:
    """Return one of the kernels of :func:`analytic_kernels`, (n1, n2), written into ``out`` if given.

    :raises DataError: for an ``out`` of another shape.
    """
    given: dict[str, Float] = {} if out is None else {kernel: out}
    return _evaluate(x1, x2, architecture, dtype, device, (kernel,), given, fixed_layers)[0]


def kernel_diagonal(x: ArrayLike, *, architecture: Architecture, dtype: Any = None, device: str = "cpu") -> Kernels:
    """Return k(x, x) of each row of ``x`` (n, F), (n,); otherwise as :func:`analytic_kernels`."""
    find_device(device)
    with enable_x64(True):
        side = _Network.of(_inputs(x, architecture), None, architecture).first
    return Kernels(*(_rounded(part, _result_type(dtype, x)) for part in _diagonal(side.trace)))


def kernel_error(x1: ArrayLike, x2: ArrayLike | None = None, *, architecture: Architecture) -> float:
    """Return a bound on the truncation error of either kernel, relative to ``sqrt(k(x,x) k(x',x'))``, without rounding.

    Zero for closed forms. For an activation known only as a function it is the error of its expansion, carried through
    the layers to first order (``layer_statistics._grown`` states what this omits between different points).
    """
    first, second = _inputs(x1, architecture), None if x2 is None else _inputs(x2, architecture)
    with enable_x64(True):
        return _Network.of(first, second, architecture).error


def find_device(name: str) -> Any:
    """Return the JAX device called ``name``: a platform, optionally with an index.

    :raises UnavailableError: if JAX has no such device.
    """
    platform, _, index = name.partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, ValueError, IndexError) as error:
        known = sorted({device.platform for device in jax.devices()} | {"cpu"})
        raise UnavailableError(f"JAX has no device {name!r} here; it has {', '.join(known)}") from error


def _inputs(x: ArrayLike, architecture: Architecture) -> geometry.Array:
    if reason := unsupported(architecture):
        raise UnavailableError(reason)
    array = np.asarray(x, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"kernels: inputs have shape {array.shape}, expected (points, features) with features")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"kernels: input [{row}, {column}] is {array[row, column]}; inputs must be finite")
    return array


def _result_type(dtype: Any, *inputs: ArrayLike) -> np.dtype[Any]:
    if dtype is None:
        singles = all(np.asarray(x).dtype == np.float32 for x in inputs)
        return np.dtype(np.float32 if singles else np.float64)
    given: np.dtype[Any] = np.dtype(dtype)
    if given not in (np.float32, np.float64):
        raise DataError(f"kernels: dtype {given} is not float32 or float64")
    return given


class _Side(NamedTuple):
    """The points on one side of the kernels."""

    points: geometry.Points
    trace: Trace

    def blocks(self, edge: int, network: _Network, dtype: np.dtype[Any], place: Any) -> list[_Part]:
        """Prepare the points by ``edge`` on ``place``; the last block is padded with harmless points."""
        whole = block(
            self.points.directions(), self.points.rms(), self.trace, network.dual, network.architecture, dtype
        )
        starts = range(0, len(self.points.norm), edge)
        blocks = jax.device_put([whole.take(start, edge) for start in starts], place)
        where = [slice(start, min(start + edge, len(self.points.norm))) for start in starts]
        return [_Part(*part) for part in zip(where, blocks, strict=True)]


class _Part(NamedTuple):
    where: slice
    block: Block


class _Network(NamedTuple):
    """The points on both sides, and the dual activation that was fitted to them."""

    first: _Side
    second: _Side
    symmetric: bool
    dual: Homogeneous | Smooth
    error: float
    architecture: Architecture
    fixed_layers: int

    @classmethod
    def of(
        cls, x1: geometry.Array, x2: geometry.Array | None, architecture: Architecture, fixed_layers: int = 0
    ) -> _Network:
        dual = find_dual_activation(architecture.activation)
        points = geometry.points(x1 if x2 is None else np.concatenate([x1, x2]))
        traced, fitted, error = trace(points.rms(), dual, architecture, fixed_layers)
        n = len(x1)
        first, second = (
            _Side(points.take(part), traced.take(part))
            for part in (slice(0, n), slice(0, n) if x2 is None else slice(n, None))
        )
        return cls(first, second, x2 is None, fitted, error, architecture, fixed_layers)


def _evaluate(
    x1: ArrayLike,
    x2: ArrayLike | None,
    architecture: Architecture,
    dtype: Any,
    device: str,
    names: tuple[str, ...],
    out: dict[str, Float],
    fixed_layers: int,
) -> list[Float]:
    """Return the kernels ``names``, written into the arrays of ``out`` if it has them."""
    fixed_layers = _fixed_layers(fixed_layers, architecture)
    first, second = _inputs(x1, architecture), None if x2 is None else _inputs(x2, architecture)
    if second is not None and first.shape[1] != second.shape[1]:
        raise DataError(f"kernels: x1 has {first.shape[1]} features, x2 has {second.shape[1]}")
    place = find_device(device)
    given = [out[name].dtype for name in names if name in out]
    result_type = _result_type(given[0] if dtype is None and given else dtype, *(x for x in (x1, x2) if x is not None))
    shape = len(first), len(first if second is None else second)
    results = {name: _array(out.get(name), shape, result_type) for name in names}
    with enable_x64(True):
        network = _Network.of(first, second, architecture, fixed_layers)
        traces = network.first.trace, network.second.trace
        computed = type_of_tiles(result_type, traces, network.dual, architecture)
        _fill(results, network, computed, place)
    return list(results.values())


def _fixed_layers(count: int, architecture: Architecture) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 0 <= count <= architecture.depth:
        raise DataError(
            f"kernels: fixed_layers is {count!r}, expected an integer from 0 to {architecture.depth}, the depth"
        )
    return int(count)


def _array(out: Float | None, shape: tuple[int, int], dtype: np.dtype[Any]) -> Float:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise DataError(f"kernels: out is {out.dtype} {out.shape}, expected {dtype} {shape}")
    return out


def _fill(results: dict[str, Float], network: _Network, dtype: np.dtype[Any], place: Any) -> None:
    """Compute all tiles in ``dtype``; the thread that computes a tile also writes it, while it is in the cache."""
    compute = _program(network, dtype, place)

    queue = PairQueue()

    def fill(rows: _Part, columns: _Part) -> None:
        with enable_x64(True):  # the setting applies to one thread only
            tile = compute(rows.block, columns.block)
            uncertain = _write(results, network.symmetric, rows.where, columns.where, tile)
            for pairs in queue.add(*uncertain):
                _write_pairs(results, network, *pairs, place)

    def fill_pairs(rows: Index, columns: Index) -> None:
        with enable_x64(True):
            _write_pairs(results, network, rows, columns, place)

    with ThreadPoolExecutor(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)) as pool:
        try:
            for part in [pool.submit(fill, *parts) for parts in _tiles(network, dtype, place)]:
                part.result()
            for part in [pool.submit(fill_pairs, *pairs) for pairs in queue.rest()]:
                part.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if network.symmetric:
        for name, values in _diagonal(network.first.trace)._asdict().items():
            if name in results:
                np.fill_diagonal(results[name], _rounded(values, results[name].dtype))


def _tiles(network: _Network, dtype: np.dtype[Any], place: Any) -> Iterator[tuple[_Part, _Part]]:
    """Yield the tiles of one triangle, or all of them."""
    edge = _edge(max(len(side.points.norm) for side in (network.first, network.second)), dtype, place.platform)
    rows = network.first.blocks(edge, network, dtype, place)
    columns = rows if network.symmetric else network.second.blocks(edge, network, dtype, place)
    for i, one in enumerate(rows):
        for other in columns[i:] if network.symmetric else columns:
            yield one, other


def _program(network: _Network, dtype: np.dtype[Any], place: Any) -> Callable[[Block, Block], Tile]:
    series = _series(network, dtype, place)
    if series is None and isinstance(network.dual, Polar):
        return _left_to_pairs
    if series is None:
        return tile_program(network.dual, network.architecture, dtype, place, network.fixed_layers)
    return partial(equal_norm_tile, jax.device_put(series, place))


def _left_to_pairs(rows: Block, columns: Block) -> Tile:
    """Compute nothing: leave every pair to the list, since a rough value costs as much as an accurate one."""
    shape = len(rows.extreme), len(columns.extreme)
    return Tile(np.zeros(shape, np.complex128), np.ones(shape, dtype=bool))


def _series(network: _Network, dtype: np.dtype[Any], place: Any) -> Series | None:
    """Return both kernels as a series in the angle, if all points have one norm and it costs less than the layers."""
    rms = np.concatenate([side.points.rms() for side in (network.first, network.second)])
    low, high = float(rms.min(initial=np.inf)), float(rms.max(initial=0.0))
    shallow = network.architecture.depth <= (0 if isinstance(network.dual, Hermite | Polar) else _SHALLOW)
    if shallow or not 0 < high - _SPREAD * float(np.finfo(dtype).eps) * high <= low:
        return None
    return angular_series((low + high) / 2, network.dual, network.architecture, dtype, place, network.fixed_layers)


def _write(results: dict[str, Float], symmetric: bool, i: slice, j: slice, computed: Tile) -> tuple[Index, Index]:
    """Round a padded tile into its place, and into its mirror image's; return the pairs that need high precision."""
    inside = slice(0, i.stop - i.start), slice(0, j.stop - j.start)
    packed, uncertain = (np.asarray(part)[inside] for part in (computed.kernels, computed.needs_high_precision))
    diagonal = symmetric and i == j
    for name, computed_part in zip(Kernels._fields, (packed.real, packed.imag), strict=True):
        if name not in results:
            continue
        whole = results[name]
        part = _rounded(computed_part, whole.dtype)
        whole[i, j] = np.where(np.tri(len(part), k=-1, dtype=bool), part.T, part) if diagonal else part
        if symmetric and not diagonal:
            whole[j, i] = part.T
    rows, columns = np.divmod(np.flatnonzero(np.triu(uncertain, 1) if diagonal else uncertain), uncertain.shape[1])
    return rows + i.start, columns + j.start


def _write_pairs(results: dict[str, Float], network: _Network, i: Index, j: Index, place: Any) -> None:
    first, second = network.first.points.take(i), network.second.points.take(j)
    kernels = Kernels(*pair_kernels(first, second, network.dual, network.architecture, place, network.fixed_layers))
    for name, whole in results.items():
        whole[i, j] = _rounded(getattr(kernels, name), whole.dtype)
        if network.symmetric:
            whole[j, i] = whole[i, j]


def _diagonal(trace: Trace) -> Kernels:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        deviation = trace.deviation[-1]
        return Kernels(deviation**2, np.where(deviation == 0, 0.0, deviation * trace.root) ** 2)


def _rounded(values: Float, dtype: np.dtype[Any]) -> Float:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype, copy=False)


def _edge(points: int, dtype: np.dtype[Any], platform: str) -> int:
    if points <= 4 * _SMALL_EDGE:
        return _SMALL_EDGE
    return _CPU_EDGE[dtype.itemsize] if platform == "cpu" else _ACCELERATOR_EDGE
