"""``synthetic/harmonic``: zonal spherical harmonics, the eigenfunctions of every rotation-invariant kernel."""

from __future__ import annotations

from math import comb, sqrt
from typing import TYPE_CHECKING

import numpy as np

from .sampling import evaluation_cloud, generator, noisy_problem, sphere_points

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Problem

    from .parameters import Harmonic


def load(parameters: Harmonic, split_index: int, seed: int) -> Problem:
    """Return points uniform on S^{d-1} (N, d) and ``f(x) = m^-1/2 sum_k Z_k(<x, axis>)`` (N, 1) over the m degrees.

    Every Z_k has unit mean square over the sphere and different degrees are orthogonal, so f has unit mean square.
    All splits share the axis, which ``axis_seed`` or, without it, ``seed`` chooses. Test points are uniform draws, or
    in dimension 2 an even grid of angles.
    """
    d = parameters.dimension
    axis_seed = seed if parameters.axis_seed is None else parameters.axis_seed
    axis = sphere_points(1, d, generator("synthetic/harmonic/axis", axis_seed))[0]
    rng = generator("synthetic/harmonic/test-inputs", seed, split_index)

    def target(x: Float) -> Float:
        t = x @ axis
        terms = np.stack([zonal(k, d, t) for k in parameters.degrees])
        total: Float = terms.sum(axis=0)[:, None]
        return total / sqrt(len(terms))

    return noisy_problem(
        sphere_points(parameters.n_train, d, generator("synthetic/harmonic/inputs", seed, split_index)),
        evaluation_cloud("sphere", parameters.n_test, d, rng),
        target,
        parameters.noise,
        generator("synthetic/harmonic/noise", seed, split_index),
    )


def zonal(degree: int, dimension: int, t: Float) -> Float:
    """Return the zonal harmonic of a degree at ``t = <x, axis>``, of unit mean square over S^{dimension-1}.

    It is ``sqrt(N_k) P_k(t)``: P_k the Legendre polynomial of the dimension with P_k(1) = 1, a multiple of the
    Gegenbauer polynomial of index (d - 2) / 2 (Chebyshev for d = 2), and N_k the number of independent harmonics.
    The recurrence ``(k + d - 2) P_{k+1} = (2k + d - 2) t P_k - k P_{k-1}`` is stable on [-1, 1].
    """
    previous, current = np.ones_like(t), t
    if degree == 0:
        return previous
    for k in range(1, degree):
        step = (2 * k + dimension - 2) * t * current - k * previous
        previous, current = current, step / (k + dimension - 2)
    return sqrt(harmonics(degree, dimension)) * current


def harmonics(degree: int, dimension: int) -> int:
    """Return N_k, the dimension of the space of spherical harmonics of a degree on S^{dimension-1}."""
    if degree < 2:
        return 1 if degree == 0 else dimension
    return comb(degree + dimension - 1, degree) - comb(degree + dimension - 3, degree - 2)
