"""What gradient descent on the squared error does to a function, told from kernel matrices alone (numpy and scipy).

Per output and eigenvalue lambda of ``T = Theta(X, X)``, with the cost ``C + rho / (2N) |theta - theta_0|^2``:

    f_t(x) = f_0(x) + Theta(x, X) g_t(T) (y - f_0(X))        g_t(lambda) = (1 - decay_t) / (lambda + rho)
    decay  = exp(-t (lambda + rho) / N)                      gradient flow at time t
    decay  = (1 - learning_rate (lambda + rho) / N)^k        gradient descent after k steps, exactly

(Jacot et al. 2018; Lee et al. 2019, eqs. 8-16.) One eigendecomposition serves every time, member and output.
Shapes: N training points, M test points, O outputs, T times, ``*B`` any leading axes, such as members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from .errors import DataError

Array = NDArray[np.float64]
_ASYMMETRY_ALLOWED = 1e-5  # of the largest entry: what float32 leaves; a wrong matrix is far beyond it
_LARGEST_EXPONENT = 300.0  # beyond exp(300) factors are carried with a separate power of two
_LARGEST_POWER = 1e9  # what ldexp takes; an overflow long before
_SMALLEST_RATE = 1e-290  # below it (1 - decay) / rate has lost digits to underflow, and its limit is exact


@dataclass(frozen=True, eq=False)
class Spectrum:
    """``eigenvalues`` (N,) of a symmetric kernel matrix, descending, and ``eigenvectors`` (N, N), in columns."""

    eigenvalues: Array
    eigenvectors: Array


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Predictions at T times: ``train`` (*B, T, N, O) and ``test`` (*B, T, M, O).

    ``residual_train`` is ``y - f_t(X)``, from the eigenbasis: small ones keep the digits that ``y - train`` has lost.
    Where a time is inf, ``rank`` counts the eigenvalues of ``T + rho I`` above ``cutoff``, the ones the pseudo-inverse
    inverts; both are None where no time is.
    """

    train: Array
    test: Array
    residual_train: Array
    rank: int | None = None
    cutoff: float | None = None


class EnsembleVariance(NamedTuple):
    """Variance over an infinite ensemble, of any one output: ``train`` (T, N), ``test`` (T, M)."""

    train: Array
    test: Array


def decompose(kernel_train: ArrayLike) -> Spectrum:
    """Diagonalise a symmetric kernel matrix (N, N), in float64, with each eigenvector's largest entry positive.

    :raises DataError: where it is not square, finite and symmetric (to the rounding of float32, which is averaged out).
    """
    kernel = _matrix("kernel_train", kernel_train)
    if kernel.shape[0] != kernel.shape[1] or kernel.size == 0:
        raise DataError(f"dynamics: kernel_train has shape {kernel.shape}, expected a square matrix (N, N)")
    halved = 0.5 * kernel
    asymmetry, scale = np.abs(halved - halved.T).max(), np.abs(halved).max()
    if asymmetry > _ASYMMETRY_ALLOWED * scale:
        raise DataError(
            f"dynamics: kernel_train is not symmetric: entries differ by up to {2 * asymmetry:.3g} "
            f"where the largest is {2 * scale:.3g}"
        )
    eigenvalues, vectors = scipy.linalg.eigh(halved + halved.T, check_finite=False)
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))]
    return Spectrum(eigenvalues[::-1].copy(), (vectors * np.where(largest < 0, -1.0, 1.0))[:, ::-1].copy())


def stable_learning_rate(eigenvalues: ArrayLike, n_train: int, rho: float = 0.0) -> float:
    """Return ``2 N / (lambda_max + rho)``, below which gradient descent converges; inf for a kernel that is zero."""
    largest = float(np.max(np.asarray(eigenvalues, dtype=np.float64))) + rho
    return 2 * n_train / largest if largest > 0 else np.inf


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
    rho: float = 0.0,
    spectrum: Spectrum | None = None,
) -> Dynamics:
    """Predict training from ``f_0`` (zero where None): theory C7, Lee et al. 2019, eqs. 8-9 and 14.

    Either ``steps`` (T,) of gradient descent at ``learning_rate``, exactly, diverging where descent does (an overflow
    is inf), or ``times`` (T,) of gradient flow, inf included: there the pseudo-inverse is used, and what ``f_0`` has in
    the kernel's null space stays.

    :param kernel_train: (N, N), and ``kernel_test`` (M, N) between test and training points.
    :param y_train: (N, O); ``f0_train`` (*B, N, O) and ``f0_test`` (*B, M, O) come together.
    :param rho: the absolute ridge, added to every eigenvalue.
    :param spectrum: ``decompose(kernel_train)``, if at hand.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    between, targets = _matrix("kernel_test", kernel_test), _matrix("y_train", y_train)
    spectrum = decompose(kernel_train) if spectrum is None else spectrum
    n = _check_kernels(spectrum, (np.shape(kernel_train), between.shape), ("kernel_train", "kernel_test"))
    if targets.shape[0] != n:
        raise DataError(f"dynamics: y_train has shape {targets.shape}, expected ({n}, O): one row per training point")
    start_train, start_test = _initial_function(f0_train, f0_test, targets, len(between))
    filters = _filters(spectrum, _schedule(learning_rate, steps, times), rho, _epsilon(kernel_train))
    residual = targets - start_train
    modes = np.moveaxis(spectrum.eigenvectors.T @ residual, -2, 0)  # (N, *B, O)
    learned = _synthesise(between @ spectrum.eigenvectors, filters.gain, modes)
    remaining = _synthesise(spectrum.eigenvectors, filters.retained, modes)
    power = filters.power[:, None, None]
    with np.errstate(over="ignore"):
        test = np.ldexp(np.ldexp(start_test[..., None, :, :], -power) + learned, power)
        remaining = np.ldexp(remaining, power)
    untrained = (filters.elapsed == 0)[:, None, None]
    remaining = np.where(untrained, residual[..., None, :, :], remaining)
    train = np.where(untrained, start_train[..., None, :, :], targets - remaining)
    return Dynamics(train, test, remaining, filters.rank, filters.cutoff)


def ensemble_law(
    spectrum: Spectrum,
    kernel_test: ArrayLike,
    nngp_train: ArrayLike,
    nngp_test: ArrayLike,
    nngp_test_diagonal: ArrayLike,
    *,
    learning_rate: float | None = None,
    steps: ArrayLike | None = None,
    times: ArrayLike | None = None,
    rho: float = 0.0,
) -> EnsembleVariance:
    """Return the variance over infinitely wide networks trained from ``f_0 ~ N(0, K)`` (theory C8; L19, eqs. 14-16).

    ``K(x,x) + A K(X,X) A^T - A K(X,x) - K(x,X) A^T`` with ``A = Theta(x,X) g_t(T)``, negative rounding cut to zero.

    :param spectrum: of ``Theta(X, X)``, the kernel that drives training; ``kernel_test`` (M, N) is ``Theta(x, X)``.
    :param nngp_train: (N, N), ``nngp_test`` (M, N) and ``nngp_test_diagonal`` (M,): the law K of ``f_0``.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    law = _Law.prepare(spectrum, kernel_test, nngp_train, nngp_test)
    diagonal = np.asarray(nngp_test_diagonal, dtype=np.float64)
    if diagonal.shape != (len(law.driven),):
        raise DataError(f"dynamics: nngp_test_diagonal has shape {diagonal.shape}, expected ({len(law.driven)},)")
    filters = _filters(spectrum, _schedule(learning_rate, steps, times), rho, _epsilon(kernel_test))
    train = np.empty((len(filters.elapsed), len(spectrum.eigenvalues)))
    test = np.empty((len(filters.elapsed), len(diagonal)))
    for t, (gain, retained, power) in enumerate(zip(filters.gain, filters.retained, filters.power, strict=True)):
        weights, left = law.driven * gain, spectrum.eigenvectors * retained
        change = np.sum((weights @ law.modes - 2 * np.ldexp(law.start, -power)) * weights, axis=1)
        with np.errstate(over="ignore"):
            train[t] = np.ldexp(np.sum((left @ law.modes) * left, axis=1), 2 * power)
            test[t] = np.ldexp(np.ldexp(diagonal, -2 * power) + change, 2 * power)
    return EnsembleVariance(np.maximum(train, 0.0), np.maximum(test, 0.0))


def ensemble_covariance(
    spectrum: Spectrum,
    kernel_test: ArrayLike,
    nngp_train: ArrayLike,
    nngp_test: ArrayLike,
    nngp_test_test: ArrayLike,
    *,
    learning_rate: float | None = None,
    steps: ArrayLike | None = None,
    times: ArrayLike | None = None,
    rho: float = 0.0,
) -> Array:
    """Return the covariance (T, M, M) between test points of which :func:`ensemble_law` gives the diagonal.

    :param nngp_test_test: (M, M), the law K of ``f_0`` between test points; the rest as there.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    law, start = _Law.prepare(spectrum, kernel_test, nngp_train, nngp_test), _matrix("nngp_test_test", nngp_test_test)
    if start.shape != (len(law.driven), len(law.driven)):
        raise DataError(f"dynamics: nngp_test_test has shape {start.shape}, expected {(len(law.driven),) * 2}")
    filters = _filters(spectrum, _schedule(learning_rate, steps, times), rho, _epsilon(kernel_test))
    result = np.empty((len(filters.elapsed), *start.shape))
    for t, (gain, power) in enumerate(zip(filters.gain, filters.power, strict=True)):
        weights = law.driven * gain
        half = (0.5 * weights @ law.modes - np.ldexp(law.start, -power)) @ weights.T
        with np.errstate(over="ignore"):
            result[t] = np.ldexp(np.ldexp(start, -2 * power) + (half + half.T), 2 * power)
    return result


class _Law(NamedTuple):
    """The ensemble's ingredients in the eigenbasis V of T: Theta(x,X) V, V^T K(X,X) V and K(x,X) V."""

    driven: Array
    modes: Array
    start: Array

    @classmethod
    def prepare(cls, spectrum: Spectrum, kernel_test: ArrayLike, train: ArrayLike, test: ArrayLike) -> _Law:
        between, nngp_train = _matrix("kernel_test", kernel_test), _matrix("nngp_train", train)
        nngp_test, vectors = _matrix("nngp_test", test), spectrum.eigenvectors
        shapes = (nngp_train.shape, between.shape, nngp_test.shape)
        _check_kernels(spectrum, shapes, ("nngp_train", "kernel_test", "nngp_test"))
        if between.shape != nngp_test.shape:
            raise DataError(f"dynamics: kernel_test is {between.shape} but nngp_test is {nngp_test.shape}")
        return cls(between @ vectors, vectors.T @ nngp_train @ vectors, nngp_test @ vectors)


class _Schedule(NamedTuple):
    """``elapsed`` (T,) stretches of training of length ``unit``: times and 1, or steps and their learning rate."""

    unit: float
    elapsed: Array
    discrete: bool


class _Filters(NamedTuple):
    """Functions of the eigenvalues (T, N), to be multiplied by ``2**power`` (T,), which is 1 unless descent diverges.

    ``gain`` is g_t(lambda); ``retained`` is ``1 - lambda g_t(lambda)``, what is left of a residual.
    """

    elapsed: Array
    gain: Array
    retained: Array
    power: NDArray[np.int64]
    rank: int | None
    cutoff: float | None


def _filters(spectrum: Spectrum, schedule: _Schedule, rho: float, epsilon: float) -> _Filters:
    if not (np.isfinite(rho) and rho >= 0):
        raise DataError(f"dynamics: rho is {rho}; a ridge is finite and not negative")
    n, raw = len(spectrum.eigenvalues), spectrum.eigenvalues
    rounding = n * epsilon * float(np.abs(raw).max())
    eigenvalues = np.where((raw < 0) & (raw >= -rounding), 0.0, raw)
    rate, elapsed = schedule.unit * (eigenvalues + rho) / n, schedule.elapsed[:, None]
    cutoff = max(rounding, -float(eigenvalues.min()))
    null = np.isinf(elapsed) & (eigenvalues + rho <= cutoff)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_decay, sign = _log_decay(rate, elapsed, schedule.discrete)
        log_decay = np.where(null | (elapsed == 0), 0.0, log_decay)
        decay, grown, power = _exponentials(log_decay, sign)
        limit = np.ldexp(np.where(np.isinf(elapsed), 0.0, elapsed), -power[:, None])
        gain = np.where(null, 0.0, np.where(np.abs(rate) < _SMALLEST_RATE, limit, grown / rate)) * (schedule.unit / n)
        ridged = (np.ldexp(rho, -power[:, None]) + eigenvalues * decay) / (eigenvalues + rho)
    retained = np.where(null, 1.0, ridged) if rho > 0 else decay
    if not np.isinf(elapsed).any():
        return _Filters(schedule.elapsed, gain, retained, power, None, None)
    return _Filters(schedule.elapsed, gain, retained, power, int(np.sum(eigenvalues + rho > cutoff)), cutoff)


def _log_decay(rate: Array, elapsed: Array, discrete: bool) -> tuple[Array, Array]:
    """Return log|decay| and the sign of decay, (T, N); rate - 2 is exact where |1 - rate| is close to 1."""
    if not discrete:
        return -elapsed * rate, np.ones_like(elapsed * rate)
    magnitude = elapsed * np.log1p(np.where(rate < 1, -rate, rate - 2))
    return magnitude, np.where((rate > 1) & (elapsed % 2 == 1), -1.0, 1.0)


def _exponentials(log_decay: Array, sign: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return decay and 1 - decay, (T, N), both divided by 2**power (T,)."""
    excess = np.ceil(np.maximum(log_decay.max(axis=1) - _LARGEST_EXPONENT, 0.0) / np.log(2))
    power = np.minimum(excess, _LARGEST_POWER).astype(np.int64)
    decay = sign * np.exp(log_decay - excess[:, None] * np.log(2))
    stable = np.where(sign > 0, -np.expm1(log_decay), 1 - decay)
    return decay, np.where(power[:, None] > 0, np.ldexp(1.0, -power)[:, None] - decay, stable), power


def _synthesise(basis: Array, factors: Array, modes: Array) -> Array:
    """Return ``basis @ (factors * modes)`` as (*B, T, points, O), by one matrix product."""
    scaled = factors.T.reshape(len(modes), *(1,) * (modes.ndim - 2), -1, 1) * modes[..., None, :]  # (N, *B, T, O)
    product = (basis @ scaled.reshape(len(modes), -1)).reshape(-1, *scaled.shape[1:])
    return np.ascontiguousarray(np.moveaxis(product, 0, -2))


def _schedule(learning_rate: float | None, steps: ArrayLike | None, times: ArrayLike | None) -> _Schedule:
    if (steps is None) == (times is None):
        raise DataError("dynamics: give steps with a learning_rate (gradient descent), or times (gradient flow)")
    if (steps is None) != (learning_rate is None):
        raise DataError("dynamics: learning_rate belongs to steps: give both, or times alone")
    name, count = ("steps", np.asarray(steps)) if times is None else ("times", np.asarray(times))
    if count.ndim != 1 or count.size == 0 or count.dtype.kind not in ("iu" if times is None else "iuf"):
        kind = "integers" if times is None else "numbers"
        raise DataError(f"dynamics: {name} has shape {count.shape} and type {count.dtype}, expected (T,) {kind}")
    if not (count >= 0).all():
        raise DataError(f"dynamics: {name} holds {count[~(count >= 0)][0]}; none may be negative or nan")
    if learning_rate is not None and not (np.isfinite(learning_rate) and learning_rate > 0):
        raise DataError(f"dynamics: learning_rate is {learning_rate}; it must be finite and positive")
    return _Schedule(1.0 if learning_rate is None else learning_rate, count.astype(np.float64), times is None)


def _initial_function(train: ArrayLike | None, test: ArrayLike | None, y: Array, m: int) -> tuple[Array, Array]:
    if (train is None) != (test is None):
        raise DataError("dynamics: f0_train and f0_test are the same function: give both or neither")
    if train is None or test is None:
        return np.zeros_like(y), np.zeros((m, y.shape[1]))
    at_train, at_test = np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)
    leading = at_train.shape[:-2]
    for name, array, shape in (("f0_train", at_train, y.shape), ("f0_test", at_test, (m, y.shape[1]))):
        if array.shape != (*leading, *shape):
            raise DataError(f"dynamics: {name} has shape {array.shape}, expected {(*leading, *shape)}")
    return at_train, at_test


def _matrix(name: str, value: ArrayLike) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise DataError(f"dynamics: {name} has {array.ndim} axes, expected 2")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"dynamics: {name}[{row}, {column}] is {array[row, column]}; it must be finite")
    return array


def _check_kernels(spectrum: Spectrum, shapes: tuple[Any, ...], names: tuple[str, ...]) -> int:
    n = len(spectrum.eigenvalues)
    for shape, name in zip(shapes, names, strict=True):
        if len(shape) != 2 or shape[1] != n or (name.endswith("_train") and shape[0] != n):
            wanted = f"({n}, {n})" if name.endswith("_train") else f"(M, {n})"
            raise DataError(f"dynamics: {name} has shape {shape}, expected {wanted} for {n} training points")
    return n


def _epsilon(kernel: ArrayLike) -> float:
    """Return the relative precision of the numbers a kernel came in."""
    dtype = np.asarray(kernel).dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
