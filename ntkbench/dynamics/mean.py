"""The function after training from an initial one: on points, and along the kernel's eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np

from ..errors import DataError
from .checks import Array, initial_values, matrix, of_training_points, targets
from .filters import make_filters
from .schedule import TimeSpec, make_schedule
from .spectrum import Spectrum, decompose

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..theory.optimizers import Optimizer


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Predictions at T times: ``train`` (*B, T, N, O) and ``test`` (*B, T, M, O).

    ``residual_train`` is ``y - f_t(X)``, computed in the eigenbasis: small values keep digits that ``y - train`` loses.
    If a time is inf, ``rank`` counts the eigenvalues of ``T + rho I`` above ``cutoff``, which the pseudo-inverse
    inverts; otherwise both are None.
    """

    train: Array
    test: Array
    residual_train: Array
    rank: int | None = None
    cutoff: float | None = None


def kernel_dynamics(
    kernel_train: ArrayLike,
    kernel_test: ArrayLike,
    y_train: ArrayLike,
    *,
    f0_train: ArrayLike | None = None,
    f0_test: ArrayLike | None = None,
    learning_rate: float | None = None,
    steps: ArrayLike | None = None,
    times: ArrayLike | None = None,
    optimizer: Optimizer = "gradient-descent",
    momentum: float = 0.0,
    rho: float = 0.0,
    spectrum: Spectrum | None = None,
) -> Dynamics:
    """Predict training from ``f_0`` (None: zero): C7 in docs/theory.md; Lee et al. 2019, eqs. 8-9 and 14.

    Give either ``steps`` (T,) of an optimizer at ``learning_rate``, computed exactly even if training diverges
    (an overflow is inf), or ``times`` (T,) of gradient flow, which may include inf: this uses the pseudo-inverse, and
    the part of ``f_0`` in the kernel's null space stays.

    :param kernel_train: (N, N), and ``kernel_test`` (M, N) between test and training points.
    :param y_train: (N, O); ``f0_train`` (*B, N, O) and ``f0_test`` (*B, M, O) come together.
    :param optimizer: the optimizer of the steps, with ``momentum`` in [0, 1); see :mod:`ntkbench.theory.optimizers`.
    :param rho: the absolute ridge, added to every eigenvalue.
    :param spectrum: ``decompose(kernel_train)``, if already computed.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    between, y = matrix("kernel_test", kernel_test), matrix("y_train", y_train)
    spectrum = decompose(kernel_train) if spectrum is None else spectrum
    n = len(spectrum.eigenvalues)
    of_training_points("kernel_train", np.shape(kernel_train), n)
    of_training_points("kernel_test", between.shape, n)
    start_train, start_test = _initial_function(f0_train, f0_test, targets(y, n), len(between))
    filters = make_filters(spectrum, make_schedule(learning_rate, steps, times, optimizer, momentum), rho)
    residual = y - start_train
    modes = np.moveaxis(spectrum.eigenvectors.T @ residual, -2, 0)  # (N, *B, O)
    learned = _synthesise((between, spectrum.eigenvectors), filters.gain, modes)
    remaining = _synthesise((spectrum.eigenvectors,), filters.retained, modes)
    power = filters.power[:, None, None]
    with np.errstate(over="ignore"):
        test = np.ldexp(np.ldexp(start_test[..., None, :, :], -power) + learned, power)
        remaining = np.ldexp(remaining, power)
    untrained = (filters.elapsed == 0)[:, None, None]
    remaining = np.where(untrained, residual[..., None, :, :], remaining)
    train = np.where(untrained, start_train[..., None, :, :], y - remaining)
    return Dynamics(train, test, remaining, filters.rank, filters.cutoff)


def mode_residuals(
    spectrum: Spectrum,
    y_train: ArrayLike,
    *,
    f0_train: ArrayLike | None = None,
    rho: float = 0.0,
    **when: Unpack[TimeSpec],
) -> Array:
    """Return ``V^T (y - f_t(X))`` (*B, T, N, O), the residuals along the eigenvectors (C9, C10).

    Small residuals keep their digits. Keywords as in :func:`kernel_dynamics`; None means a zero initial function.

    :param y_train: (N, O); ``f0_train`` (*B, N, O).
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    y = targets(y_train, len(spectrum.eigenvalues))
    residual = y if f0_train is None else y - initial_values("f0_train", f0_train, (len(y), y.shape[1]))
    filters = make_filters(spectrum, make_schedule(**when), rho)
    modes = (spectrum.eigenvectors.T @ residual)[..., None, :, :]
    with np.errstate(over="ignore"):
        return np.ldexp(filters.retained[:, :, None] * modes, filters.power[:, None, None])


def _synthesise(basis: tuple[Array, ...], factors: Array, modes: Array) -> Array:
    """Return the product of ``basis`` with ``factors * modes``, as (*B, T, points, O), in the cheapest order."""
    scaled = factors.T.reshape(len(modes), *(1,) * (modes.ndim - 2), -1, 1) * modes[..., None, :]  # (N, *B, T, O)
    product = np.linalg.multi_dot([*basis, scaled.reshape(len(modes), -1)])
    return np.ascontiguousarray(np.moveaxis(product.reshape(-1, *scaled.shape[1:]), 0, -2))


def _initial_function(train: ArrayLike | None, test: ArrayLike | None, y: Array, m: int) -> tuple[Array, Array]:
    if (train is None) != (test is None):
        raise DataError("dynamics: f0_train and f0_test are values of one function: give both or neither")
    if train is None or test is None:
        return np.zeros_like(y), np.zeros((m, y.shape[1]))
    at_train = initial_values("f0_train", train, (len(y), y.shape[1]))
    at_test = initial_values("f0_test", test, (m, y.shape[1]))
    if at_train.shape[:-2] != at_test.shape[:-2]:
        expected = (*at_train.shape[:-2], *at_test.shape[-2:])
        raise DataError(f"dynamics: f0_test has shape {at_test.shape}, expected {expected}")
    return at_train, at_test
