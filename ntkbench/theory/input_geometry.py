"""The geometry of inputs that decides a kernel's definiteness: distinct points, norm, antipodal pairs (C13)."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Float = NDArray[np.float64]

_ROUNDING = 1e-13  # of the norms: cosines and sines of one angle, or of two that differ by pi, agree to less


class InputGeometry(NamedTuple):
    """The geometry of points (N, F).

    :param distinct_inputs: the number of distinct points.
    :param input_norm: the norm that all share, to 1e-13; None if norms differ or are 0.
    :param antipodal_pairs: pairs {x, -x} of distinct points, to 1e-13 of their norm.
    """

    distinct_inputs: int
    input_norm: float | None
    antipodal_pairs: int


def input_geometry(inputs: ArrayLike) -> InputGeometry:
    """Return the geometry of points (N, F)."""
    points = _distinct(np.asarray(inputs, dtype=np.float64))
    exponent = int(np.frexp(np.abs(points).max())[1])
    points = np.ldexp(points, -exponent)  # so that no square overflows
    norms = np.sqrt(np.einsum("nf,nf->n", points, points))
    largest = float(norms.max())
    shared = largest > 0 and largest - norms.min() <= _ROUNDING * largest
    norm = float(np.ldexp(largest, exponent)) if shared else None
    return InputGeometry(len(points), norm, _antipodal_pairs(points, norms))


def _distinct(points: Float) -> Float:
    """Return the distinct rows, found by their hashes, since there may be many long ones."""
    rows = {blake2b(point + 0.0, digest_size=16).digest(): row for row, point in enumerate(points)}  # -0.0 is 0.0
    return points if len(rows) == len(points) else points[list(rows.values())]


def _antipodal_pairs(points: Float, norms: Float) -> int:
    """Count pairs of distinct points (N, F) whose sum is at most 1e-13 of their norms (N,).

    Compares projections on one direction first: those of an antipodal pair cancel.
    """
    direction = np.random.default_rng(0).standard_normal(points.shape[1])
    projections = points @ direction
    order = np.argsort(projections)
    reach = 10 * _ROUNDING * norms * float(np.linalg.norm(direction))  # with the rounding of the projections
    first = np.searchsorted(projections[order], -projections - reach)
    last = np.searchsorted(projections[order], -projections + reach, side="right")
    ordered_pairs = 0
    for step in range(int((last - first).max())):
        (left,) = np.nonzero(first + step < last)
        right = order[first[left] + step]
        opposite = np.linalg.norm(points[left] + points[right], axis=1) <= _ROUNDING * norms[left]
        ordered_pairs += int((opposite & (left != right)).sum())
    return ordered_pairs // 2
