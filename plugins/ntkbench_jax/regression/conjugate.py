"""Conjugate gradients for many right-hand sides at once, preconditioned by an inexact solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .source import Array, Float

_PATIENCE = 20  # iterations without a better residual, after which rounding must be the limit


@dataclass(frozen=True, eq=False)
class Iterated:
    """``solution`` (N, O), the best iterate of each column, and the number of ``iterations``.

    ``residual`` (O,) is |b - A x| / |b| in the 2-norm.
    """

    solution: Array
    residual: Array
    iterations: int


def conjugate_gradients(
    product: Callable[[Array], Float],
    precondition: Callable[[Array], Float],
    right: Array,
    *,
    tolerance: float,
    max_iterations: int = 100,
) -> Iterated:
    """Solve ``A x = right`` (N, O) for a symmetric positive definite A; columns share products.

    Flexible conjugate gradients (Notay 2000), so the preconditioner may round; each product also covers the current
    solution, so the residual is ``b - A x`` itself.

    :param product: maps (N, K) to ``A`` times it, in float64.
    :param precondition: maps (N, O), with columns of unit norm, to approximately ``A^-1`` times it.
    """
    right = right / (scale := column_scale(right))
    norms = _norms(right)
    x, best = np.zeros_like(right), np.zeros_like(right)
    lowest = np.where(norms > 0, 1.0, 0.0)
    residual, direction, image = right.copy(), None, None
    alive = np.ones(len(lowest), dtype=bool)  # a column that has overflowed is not continued
    iterations = last_gain = 0
    while (alive & (lowest > tolerance)).any() and iterations < min(max_iterations, last_gain + _PATIENCE):
        iterations += 1
        search = _preconditioned(precondition, residual)
        if direction is not None and image is not None:
            search -= _ratio(_inner(search, image), _inner(direction, image)) * direction
        direction = search
        products = np.asarray(product(np.hstack([direction, x])), dtype=np.float64)
        image, current = np.split(products, 2, axis=1)
        residual = right - current
        step = _ratio(_inner(direction, residual), _inner(direction, image))
        x = x + step * direction
        residual -= step * image
        relative = _ratio(_norms(residual), norms)
        better, alive = relative < lowest, np.isfinite(relative)
        if better.any():
            last_gain = iterations
        best[:, better], lowest = x[:, better], np.where(better, relative, lowest)
    return Iterated(best * scale, lowest, iterations)


def column_scale(right: Array) -> Array:
    """Return the power of two (O,) that scales each column of (N, O) to order 1, so that no square overflows."""
    scale: Array = np.ldexp(1.0, np.frexp(np.abs(right).max(axis=0, initial=0.0))[1] - 1)
    return scale


def _preconditioned(precondition: Callable[[Array], Float], residual: Array) -> Array:
    scale = _norms(residual)
    return np.asarray(precondition(_ratio(residual, scale)), dtype=np.float64) * scale


def _inner(a: Array, b: Array) -> Array:
    products: Array = np.einsum("no,no->o", a, b)
    return products


def _norms(a: Array) -> Array:
    return np.asarray(np.linalg.norm(a, axis=0))


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, or 0 where the denominator is not positive: a column that is solved or has failed."""
    quotient: Array = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return quotient
