"""Kernel gradient flow on any convex cost (C12); only the squared error has a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ntkbench.dynamics import decompose
from ntkbench.plugin import DataError

from ..kernels.analytic import find_device
from ..x64 import enable_x64
from .losses import find_cost, targets_of
from .ode import Basis, Solver, Statistics, integrate, make_basis, padded_length, total

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ntkbench.dynamics import Spectrum

    from .losses import Array, Cost
    from .ode import Solve

__all__ = ["CostFlow", "Statistics", "cost_flow"]
_CONTRAST = 100  # ratio of the tolerances of two successive solves: their difference is the error of the coarser one
_SMALLEST_RTOL = 1e-13
_TIGHTEST = 1e-15  # relative tolerance of a step; below it rounding dominates


@dataclass(frozen=True, eq=False)
class CostFlow:
    """Kernel gradient flow at T times, for any leading axes *B of the initial function.

    ``train`` (*B, T, N, O) and ``test`` (*B, T, M, O) are outputs, ``cost`` (*B, T) is C. ``gradient_norm_squared``
    (*B, T) is ``|d|_K^2 = sum over outputs of dC/df(X)^T T dC/df(X) = -dC/dt`` (C12). ``error`` estimates the largest
    error of an output over all times, conservatively: it is the difference between the returned solve and one at a
    hundred times its tolerance.
    """

    times: Array
    train: Array
    test: Array
    cost: Array
    gradient_norm_squared: Array
    error: float
    statistics: Statistics


def cost_flow(
    kernel_train: ArrayLike,
    kernel_test: ArrayLike,
    y_train: ArrayLike,
    *,
    cost: str | Cost,
    times: ArrayLike,
    delta: float | None = None,
    f0_train: ArrayLike | None = None,
    f0_test: ArrayLike | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    solver: Solver = "auto",
    spectrum: Spectrum | None = None,
    device: str = "cpu",
) -> CostFlow:
    """Integrate ``d f_t(x) / dt = -T(x, X) dC/df(X)`` from ``f_0`` in float64 (C12; Jacot et al. 2018).

    The estimated error of every output is at most ``atol + rtol max|f|``, the maximum over points, outputs and times.

    :param kernel_train: T, (N, N), positive semidefinite; ``kernel_test`` (M, N) between test and training points.
    :param y_train: (N, O). Cross-entropy takes class probabilities (N, O) or labels (N,) from 0; logistic takes labels
        0 and 1, or -1 and 1, (N,) or (N, 1).
    :param cost: ``squared-error``, ``cross-entropy``, ``logistic``, ``huber``, or a JAX function ``cost(f, y)`` of two
        arrays (N, O) to one number, convex in f; each function object is compiled once.
    :param times: (T,) in units of ``learning_rate * steps``, finite, in any order.
    :param delta: the residual beyond which the Huber cost is linear; 1 by default.
    :param f0_train: (*B, N, O), with ``f0_test`` (*B, M, O); None means zero.
    :param solver: see :func:`~ntkbench_jax.gradient_flow.ode.integrate`; ``spectrum``: ``decompose(kernel_train)``.
    :param device: a JAX platform, such as ``cpu`` or ``cuda:1``.
    :raises DataError: for invalid arguments, or a tolerance that is not reached.
    :raises UnavailableError: if diffrax or the device is missing.
    """
    function = find_cost(cost, delta)
    _check_options(rtol, atol, solver)
    spectrum = decompose(kernel_train) if spectrum is None else spectrum
    between = _matrix("kernel_test", kernel_test, len(spectrum.eigenvalues))
    start_train, start_test, targets = _functions(function, y_train, f0_train, f0_test, between)
    finite_times, basis = _finite_times(times), make_basis(spectrum, between)
    with enable_x64(True), jax.default_device(find_device(device)):
        _check_cost(function, start_train, targets)
        flow = _Flow(function, basis, jax.tree.map(jnp.asarray, basis), targets, finite_times, rtol, atol, solver)
        members = zip(*(f.reshape(-1, *f.shape[-2:]) for f in (start_train, start_test)), strict=True)
        return flow.collected([flow.path(*member) for member in members], start_train.shape[:-2])


def _check_options(rtol: float, atol: float, solver: Solver) -> None:
    if not (_SMALLEST_RTOL <= rtol < 1 and 0 < atol < np.inf) or solver not in get_args(Solver):
        raise DataError(
            f"cost_flow: rtol is {rtol}, atol {atol}, solver {solver!r}: expected rtol from {_SMALLEST_RTOL} to 1, a "
            f"positive finite atol, and one of {', '.join(get_args(Solver))}"
        )


@dataclass(frozen=True)
class _Path:
    """One member's outputs (T, N, O) and (T, M, O), the error estimate, and the solves it took."""

    train: Array
    test: Array
    error: float
    solves: list[Solve]


@dataclass(frozen=True)
class _Flow:
    """The data that the members of a flow share; ``placed`` is the basis on the device."""

    cost: Cost
    basis: Basis
    placed: Basis
    targets: Array
    times: Array
    rtol: float
    atol: float
    solver: Solver

    def path(self, start_train: Array, start_test: Array) -> _Path:
        """Solve at ever tighter tolerances until two successive solves agree to the requested one."""
        ascending, index = np.unique(self.times, return_inverse=True)
        rtol, atol, solver = self.rtol, self.atol / self.basis.output_scale(), self.solver
        start, targets = jnp.asarray(start_train), jnp.asarray(self.targets)
        solve = partial(integrate, self.cost, self.placed, start, targets, ascending)
        solves: list[Solve] = []
        outputs: list[tuple[Array, Array]] = []
        while True:
            solves.append(solve(rtol=rtol, atol=atol, solver=solver, halvings=len(solves)))
            state = solves[-1].state[index]
            outputs.append((start_train + self.basis.to_train @ state, start_test + self.basis.to_test @ state))
            if len(outputs) > 1:
                error = max(_largest(fine - coarse) for coarse, fine in zip(*outputs[-2:], strict=True))
                wanted = self.atol + self.rtol * max(map(_largest, outputs[-1]))
                if error <= wanted:
                    return _Path(*outputs[-1], error, solves)
                if rtol < _TIGHTEST:
                    raise DataError(
                        f"cost_flow: solves at tolerances {_CONTRAST * rtol:.0e} and {rtol:.0e} differ by {error:.1g}, "
                        f"more than the {wanted:.1g} requested; raise rtol or atol"
                    )
            rtol, atol, solver = rtol / _CONTRAST, atol / _CONTRAST, solves[-1].solver

    def collected(self, paths: list[_Path], leading: tuple[int, ...]) -> CostFlow:
        """Return the flow of all members, with axes ``leading`` in front, its cost and its gradient's norm."""
        train, test = (np.stack([getattr(path, name) for path in paths]) for name in ("train", "test"))
        values, gradients = _costs(self.cost, train.reshape(-1, *self.targets.shape), self.targets)
        gradients = gradients.reshape(train.shape)
        norms = np.sum((self.basis.gradient @ gradients) * (self.basis.to_train.T @ gradients), axis=(-2, -1))
        return CostFlow(
            times=self.times,
            train=train.reshape(*leading, *train.shape[1:]),
            test=test.reshape(*leading, *test.shape[1:]),
            cost=values.reshape(*leading, -1),
            gradient_norm_squared=norms.reshape(*leading, -1),
            error=max(path.error for path in paths),
            statistics=total([solve for path in paths for solve in path.solves]),
        )


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def _costs(cost: Cost, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return C (K,) of outputs (K, N, O), and its gradient (K, N, O)."""
    count = len(outputs)
    padded = np.pad(outputs, [(0, padded_length(count) - count), (0, 0), (0, 0)], mode="edge")
    values, gradients = jax.device_get(_costs_of_all(cost, padded, targets))
    return values[:count], gradients[:count]


@partial(jax.jit, static_argnums=0)
def _costs_of_all(cost: Cost, outputs: Any, targets: Any) -> Any:
    return jax.vmap(jax.value_and_grad(cost), in_axes=(0, None))(outputs, targets)


def _check_cost(cost: Cost, outputs: Array, targets: Array) -> None:
    """Check that a cost is differentiable at f_0 (*B, N, O) and returns one number in float64.

    :raises DataError: if not.
    """
    try:
        shape, _ = jax.eval_shape(jax.value_and_grad(cost), targets, targets)
    except Exception as error:
        raise DataError(
            f"cost_flow: the cost is not a JAX function from outputs and targets {targets.shape} to one number: {error}"
        ) from error
    if shape.dtype != np.float64:
        raise DataError(f"cost_flow: the cost computes in {shape.dtype}; it must keep float64: remove the cast")
    values, gradients = _costs(cost, outputs.reshape(-1, *targets.shape), targets)
    if not (np.isfinite(values).all() and np.isfinite(gradients).all()):
        raise DataError("cost_flow: the cost or its gradient is not finite at the initial function")


def _functions(
    cost: Cost, y_train: ArrayLike, f0_train: ArrayLike | None, f0_test: ArrayLike | None, kernel_test: Array
) -> tuple[Array, Array, Array]:
    """Return f_0 on training points (*B, N, O) and test points (*B, M, O), and the targets (N, O)."""
    m, n = kernel_test.shape
    if (f0_train is None) != (f0_test is None):
        raise DataError("cost_flow: f0_train and f0_test are values of one function: give both or neither")
    if f0_train is None or f0_test is None:
        targets = targets_of(cost, y_train, n, None)
        return np.zeros_like(targets), np.zeros((m, targets.shape[1])), targets
    train, test = np.asarray(f0_train, dtype=np.float64), np.asarray(f0_test, dtype=np.float64)
    targets = targets_of(cost, y_train, n, train.shape[-1] if train.ndim > 1 else None)
    leading, outputs = train.shape[:-2], targets.shape[1]
    for name, array, points in (("f0_train", train, n), ("f0_test", test, m)):
        if array.shape != (*leading, points, outputs) or 0 in leading:
            raise DataError(f"cost_flow: {name} has shape {array.shape}, expected {(*leading, points, outputs)}")
        if not np.isfinite(array).all():
            raise DataError(f"cost_flow: {name} holds {array[~np.isfinite(array)][0]}; it must be finite")
    return train, test, targets


def _finite_times(times: ArrayLike) -> Array:
    found = np.asarray(times)
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iuf":
        raise DataError(f"cost_flow: times has shape {found.shape} and type {found.dtype}, expected (T,) numbers")
    if not (found >= 0).all():
        raise DataError(f"cost_flow: times holds {found[~(found >= 0)][0]}; none may be negative or nan")
    if np.isinf(found).any():
        raise DataError(
            "cost_flow: times holds inf, which integration cannot reach; for the squared error "
            "ntkbench.kernel_dynamics has the limit in closed form; for other costs choose a long finite time"
        )
    return found.astype(np.float64)


def _matrix(name: str, value: ArrayLike, columns: int) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != columns:
        raise DataError(f"cost_flow: {name} has shape {array.shape}, expected (M, {columns})")
    if not np.isfinite(array).all():
        raise DataError(f"cost_flow: {name} holds {array[~np.isfinite(array)][0]}; it must be finite")
    return array
