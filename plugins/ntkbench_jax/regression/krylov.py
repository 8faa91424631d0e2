"""Training at finite times without an eigendecomposition: functions of T, applied to a few vectors.

``f_t(x) = f_0(x) + Theta(x, X) c_t`` with ``c_t = g_t(T) b``, ``b = y - f_0(X)``. In the Krylov space of b, with basis
V (k, N) and ``T V^T = V^T H + h v e_k^T``, take ``c_t = V^T u``, ``u = |b| g_t(H) e_1``: the same training for a matrix
of k rows, at every requested time. The last weight u_k bounds the error. For gradient flow the error ``e``
of ``c_t`` obeys ``e' = -(T + rho) e / N + h u_k(t) v / N`` (up to sign), where ``u_k`` keeps its sign and only grows,
since H has positive entries beside its diagonal. Integrated by parts,

    |(T + rho) e| <= h |u_k(t)|                                        the error on the training points
    |T^1/2 e|     <= h |u_k(t)| min(sqrt(2 t / (e N)), 1 / (2 sqrt(rho)))  times sqrt(Theta(x, x)): that at any x

(here e = 2.718..). By summation by parts the same holds for gradient descent with
``learning_rate <= N / (lambda_max + rho)``. Above that, up to the stable rate, steps overshoot and u_k need not be
monotone; twice the same is then an estimate, not a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.dynamics import kernel_dynamics, stable_learning_rate
from ntkbench.dynamics.schedule import StepSchedule, make_schedule
from ntkbench.plugin import DataError

from .conjugate import column_scale
from .lanczos import KrylovSpace
from .source import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ntkbench.dynamics import TimeSpec

    from .source import Array, Float

_ROUNDINGS = 4 * float(
    np.finfo(np.float64).eps
)  # roundings that accumulate in the recurrence and in the sum of a prediction
_FIRST_LOOK = 8  # steps before the first check, which costs k^3, little compared with the products
_GROWTH = 1.15  # growth of the dimension between checks


@dataclass(frozen=True, eq=False)
class KrylovDynamics:
    """The result of :func:`krylov_dynamics`, for T times, N training points and O right-hand sides.

    ``coefficients`` (T, N, O) are c_t; ``residual_train`` (T, N, O) is ``y - f_t(X)``. ``error`` (T, O) bounds the
    2-norm of the error of f_t(X), relative to that of b; at any x the prediction is within ``error_at_points`` (T, O)
    times ``sqrt(Theta(x, x))`` (inf without a bound: at t = inf without a ridge). Both include an estimate of the
    float64 rounding, given the products. ``dimensions`` (O,) are those of the spaces; ``largest_eigenvalue`` is a
    lower bound on that of T.
    """

    coefficients: Array
    residual_train: Array
    error: Array
    error_at_points: Array
    dimensions: tuple[int, ...]
    largest_eigenvalue: float


def krylov_dynamics(
    product: Callable[[Array], Float],
    residual: Array,
    *,
    learning_rate: float | None = None,
    steps: ArrayLike | None = None,
    times: ArrayLike | None = None,
    rho: float = 0.0,
    tolerance: float = 1e-10,
    max_dimension: int = 2000,
    group: int = 8,
) -> KrylovDynamics:
    """Train from ``residual = y - f_0(X)`` (N, O) with a kernel given by its products (C7; L19, eqs. 8-9).

    The space of each column grows until ``error`` is at most ``tolerance`` at every time, or until float64 or
    ``max_dimension`` stops it. That takes about ``sqrt(t lambda_max / N)`` products and as many vectors of memory.

    :param product: maps (N, K) to ``T`` times it; T is symmetric positive semidefinite.
    :param steps: (T,) of gradient descent at a ``learning_rate``, or ``times`` (T,) of gradient flow.
    :param rho: the absolute ridge.
    :param group: number of columns that share products, and must fit into memory together.
    :raises DataError: for an ambiguous schedule, values that are not finite, or a rate at which descent diverges.
    """
    if residual.ndim != 2 or not np.isfinite(residual).all():
        raise DataError(f"dynamics: residual has shape {residual.shape}, expected finite values of shape (N, O)")
    if not (np.isfinite(rho) and rho >= 0):
        raise DataError(f"dynamics: rho is {rho}; a ridge must be finite and not negative")
    training = _Training(make_schedule(learning_rate, steps, times), float(rho), len(residual))
    columns: list[_Solved] = []
    scale = column_scale(residual)
    for some in blocks(residual.shape[1], group):
        columns += _grow(product, residual[:, some] / scale[some], training, tolerance, max_dimension)
    return KrylovDynamics(
        coefficients=np.stack([column.coefficients for column in columns], axis=-1) * scale,
        residual_train=np.stack([column.left for column in columns], axis=-1) * scale,
        error=np.stack([column.error for column in columns], axis=-1),
        error_at_points=np.stack([column.error_at_points for column in columns], axis=-1) * scale,
        dimensions=tuple(column.dimension for column in columns),
        largest_eigenvalue=max(column.largest for column in columns),
    )


class _Solved(NamedTuple):
    """One column of :class:`KrylovDynamics`."""

    coefficients: Array
    left: Array
    error: Array
    error_at_points: Array
    dimension: int
    largest: float


class _Small(NamedTuple):
    """Training within a space: ``weights`` u and ``left`` (T, k), truncation and rounding errors of f_t(X) (T,)."""

    weights: Array
    left: Array
    truncation: Array
    rounding: Array
    largest: float

    def settled(self, allowed: float) -> bool:
        """Whether the truncation error is within tolerance, or below rounding."""
        return bool((self.truncation <= np.maximum(allowed - self.rounding, self.rounding)).all())


class _Training(NamedTuple):
    """A schedule and a ridge, for a matrix of ``size`` rows."""

    schedule: StepSchedule
    rho: float
    size: int

    def within(self, space: KrylovSpace) -> _Small:
        """Train in the space: a mean over N points is one over k points at k / N of the speed."""
        k, spectrum, schedule = space.dimension, space.spectrum(), self.schedule
        speed, largest = k / self.size, max(float(spectrum.eigenvalues[0]), 0.0)
        self._check_rate(largest)
        when: TimeSpec = {"times": schedule.elapsed * speed}
        if schedule.steps is not None:
            when = {"steps": schedule.steps, "learning_rate": schedule.unit * speed}
        target = np.zeros((k, 1))
        target[0] = space.norm
        small = kernel_dynamics(space.projected(), np.eye(k), target, spectrum=spectrum, rho=self.rho, **when)
        weights, left = small.test[..., 0], small.residual_train[..., 0]
        tail = space.remainder * np.abs(weights[:, -1])
        rounding = _ROUNDINGS * (largest * np.linalg.norm(weights, axis=1) + space.norm * (schedule.elapsed > 0))
        return _Small(weights, left, self._truncation(tail, weights, left, largest), rounding, largest)

    def error_at_points(self, small: _Small) -> Array:
        """Return the factor (T,) that, times sqrt(Theta(x, x)), bounds the error of f_t(x)."""
        schedule = self.schedule
        factor = np.sqrt(2 * schedule.unit * schedule.elapsed / (np.e * self.size))
        if schedule.steps is not None:  # the sum over steps exceeds the integral by no more than its first term
            factor = np.sqrt(schedule.unit / self.size) + factor
        factor = np.minimum(factor, 0.5 / np.sqrt(self.rho) if self.rho > 0 else np.inf)
        with np.errstate(invalid="ignore"):
            truncation = np.where(small.truncation == 0, 0.0, small.truncation * factor)
        rounding = _ROUNDINGS * np.sqrt(small.largest) * np.linalg.norm(small.weights, axis=1)
        return np.asarray(truncation + rounding)

    def _truncation(self, tail: Array, weights: Array, left: Array, largest: float) -> Array:
        schedule = self.schedule
        if schedule.steps is not None:
            return tail * (1 if schedule.unit * (largest + self.rho) <= self.size else 2)
        at_rest = np.linalg.norm(left - self.rho * weights, axis=1)  # residual of (H + rho) u = |b| e_1, for t = inf
        return np.where(np.isinf(schedule.elapsed), np.hypot(tail, at_rest), tail)

    def _check_rate(self, largest: float) -> None:
        rate, limit = self.schedule.unit, stable_learning_rate(np.array([largest]), self.size, self.rho)
        if self.schedule.steps is not None and rate >= limit:
            raise DataError(
                f"dynamics: at learning_rate {rate} gradient descent diverges, and a Krylov space cannot follow it; "
                f"it is stable below {limit:.6g}"
            )


def _grow(
    product: Callable[[Array], Float], starts: Array, training: _Training, tolerance: float, largest: int
) -> list[_Solved]:
    spaces = [KrylovSpace(column, largest) for column in starts.T]
    smalls: dict[KrylovSpace, _Small] = {}
    look, active = _FIRST_LOOK, spaces
    while active:
        images = np.asarray(product(np.stack([space.last for space in active], axis=1)), dtype=np.float64)
        for space, image in zip(active, images.T, strict=True):
            space.extend(image)
        for space in active:
            if space.complete or space.dimension >= look:
                smalls[space] = training.within(space)
        if active[0].dimension >= look:
            look = int(look * _GROWTH) + 1
        active = [s for s in active if not s.complete and not (s in smalls and _done(s, smalls[s], tolerance))]
    return [_solved(space, smalls[space], training) for space in spaces]


def _done(space: KrylovSpace, small: _Small, tolerance: float) -> bool:
    return small.weights.shape[1] == space.dimension and small.settled(tolerance * space.norm)


def _solved(space: KrylovSpace, small: _Small, training: _Training) -> _Solved:
    return _Solved(
        coefficients=small.weights @ space.basis,
        left=small.left @ space.basis,
        error=(small.truncation + small.rounding) / (space.norm or 1.0),
        error_at_points=training.error_at_points(small),
        dimension=space.dimension,
        largest=small.largest,
    )
