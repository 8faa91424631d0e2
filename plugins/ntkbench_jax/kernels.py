"""NNGP and tangent kernels of infinitely wide fully-connected networks, evaluated tile by tile in JAX.

The geometry of the inputs is measured in numpy (:mod:`.geometry`), the layers are applied in float64 on the device
(:mod:`.layers`), and float32 results are rounded from those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkbench.errors import DataError, UnavailableError

from . import geometry, layers
from .activations import unsupported

try:
    from jax import enable_x64
except ImportError:  # JAX before 0.8
    from jax.experimental import enable_x64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.architecture import Architecture

Float = NDArray[np.floating[Any]]
_SMALL_EDGE = 64  # of a tile: only two shapes, so that few programs are compiled
_LARGE_EDGE = {"cpu": 512}  # sized to the cache
_ACCELERATOR_EDGE = 1024


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
) -> Kernels:
    """Return both kernels between the rows of ``x1`` (n1, F) and ``x2`` (n2, F); ``x1`` with itself where None.

    ``K_1 = weight_std^2 x.x' / F + bias_std^2``, ``K_{l+1} = weight_std^2 E[phi(u) phi(v)] + bias_std^2``,
    ``Theta_{l+1} = K_{l+1} + weight_std^2 Theta_l E[phi'(u) phi'(v)]`` (Jacot et al. 2018, section 4; theory.md). The
    error is a few roundings of ``sqrt(k(x,x) k(x',x'))`` per layer, also for coincident and antipodal points; of ``x1``
    with itself the result is symmetric to the bit. Beyond the range of the type it is inf or 0 (as subnormals are).

    :param dtype: float32 or float64; by default float32 if all inputs are, else float64. Either is computed in float64.
    :param device: a JAX platform, such as cpu or cuda, with an index if need be: cuda:1.
    :raises DataError: for inputs that are not finite matrices of as many features.
    :raises UnavailableError: for an architecture without analytic kernels, or a device that is not there.
    """
    first, second = _inputs(x1, architecture), None if x2 is None else _inputs(x2, architecture)
    if second is not None and first.shape[1] != second.shape[1]:
        raise DataError(f"kernels: x1 has {first.shape[1]} features, x2 has {second.shape[1]}")
    result_type = _result_type(dtype, *(x for x in (x1, x2) if x is not None))
    place = find_device(device)
    columns = first if second is None else second
    result = Kernels(*(np.empty((len(first), len(columns)), result_type) for _ in Kernels._fields))
    edge = _edge(max(result.nngp.shape), place.platform)
    for i, j in _tiles(len(first), len(columns), edge, symmetric=second is None):
        tiles = _on_device(_input_pairs(first[i], columns[j], edge), architecture, place)
        for whole, tile in zip(result, tiles, strict=True):
            _fill(whole, i, j, tile, symmetric=second is None)
    return result


def analytic_kernel(
    x1: ArrayLike,
    x2: ArrayLike | None = None,
    *,
    architecture: Architecture,
    kernel: Literal["ntk", "nngp"] = "ntk",
    dtype: Any = None,
    device: str = "cpu",
    out: Float | None = None,
) -> Float:
    """Return one of the kernels of :func:`analytic_kernels`, (n1, n2), written into ``out`` if given."""
    result: Float = getattr(analytic_kernels(x1, x2, architecture=architecture, dtype=dtype, device=device), kernel)
    if out is None:
        return result
    out[...] = result
    return out


def kernel_diagonal(x: ArrayLike, *, architecture: Architecture, dtype: Any = None, device: str = "cpu") -> Kernels:
    """Return k(x, x) of each row of ``x`` (n, F), (n,); otherwise as :func:`analytic_kernels`."""
    points, place = _inputs(x, architecture), find_device(device)
    result = Kernels(*(np.empty(len(points), _result_type(dtype, x)) for _ in Kernels._fields))
    for start in range(0, len(points), _SMALL_EDGE):
        part = points[start : start + _SMALL_EDGE]
        tiles = _on_device(_input_pairs(part, part, _SMALL_EDGE), architecture, place)
        for whole, tile in zip(result, tiles, strict=True):
            whole[start : start + len(part)] = _rounded(np.diagonal(tile)[: len(part)], whole.dtype)
    return result


def find_device(name: str) -> Any:
    """Return the JAX device called ``name``: a platform, with an index if need be.

    :raises UnavailableError: where JAX has no such device.
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
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise DataError(f"kernels: dtype {np.dtype(dtype)} is not float32 or float64")
    return np.dtype(dtype)


def _tiles(rows: int, columns: int, edge: int, *, symmetric: bool) -> Iterator[tuple[slice, slice]]:
    for i in range(0, rows, edge):
        for j in range(i if symmetric else 0, columns, edge):
            yield slice(i, min(i + edge, rows)), slice(j, min(j + edge, columns))


def _fill(whole: Float, i: slice, j: slice, tile: geometry.Array, *, symmetric: bool) -> None:
    """Round a padded tile into its place, and into its mirror image's."""
    part = _rounded(tile[: i.stop - i.start, : j.stop - j.start], whole.dtype)
    if symmetric and i == j:
        part = np.where(np.tri(len(part), k=-1, dtype=bool), part.T, part)
    whole[i, j] = part
    if symmetric and i != j:
        whole[j, i] = part.T


def _rounded(values: geometry.Array, dtype: np.dtype[Any]) -> Float:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype)


def _edge(points: int, platform: str) -> int:
    return _SMALL_EDGE if points <= 4 * _SMALL_EDGE else _LARGE_EDGE.get(platform, _ACCELERATOR_EDGE)


def _input_pairs(x1: geometry.Array, x2: geometry.Array, edge: int) -> layers.Features:
    """Measure pairs of inputs, padded by zero vectors to a tile."""
    first, second = (geometry.points(np.pad(x, ((0, edge - len(x)), (0, 0)))) for x in (x1, x2))
    angles = geometry.angles(first, second)
    unused = np.zeros_like(angles.gap)
    return layers.Features(
        first.rms()[:, None], second.rms()[None], angles.gap, angles.cosine, angles.sine, response=unused
    )


def _on_device(
    pairs: layers.Features, architecture: Architecture, place: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run the layers on ``place`` in float64 and bring both kernels back."""
    scales = np.float64(architecture.weight_std), np.float64(architecture.bias_std), np.int64(architecture.depth)
    with enable_x64(True):
        arguments = jax.device_put((pairs, *scales), place)
        nngp, ntk = jax.device_get(layers.network(architecture.activation)(*arguments))
    return nngp, ntk
