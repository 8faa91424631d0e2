"""Kernel gradient flow on any convex cost: theory C12, where the squared error alone has a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ntkbench.dynamics import decompose
from ntkbench.plugin import DataError

from ..kernels.analytic import enable_x64, find_device
from .losses import find_cost, targets_of
from .ode import Basis, Solver, Statistics, integrate, make_basis, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ntkbench.dynamics import Spectrum

    from .losses import Array, Cost
    from .ode import Solve

__all__ = ["CostFlow", "Statistics", "cost_flow"]
_CONTRAST = 100  # of the tolerances of two solves in succession: their difference is the coarser one's error
_SMALLEST_RTOL = 1e-13
_TIGHTEST = 1e-15  # relative tolerance of a step, below which there is only rounding


@dataclass(frozen=True, eq=False)
class CostFlow:
    """Kernel gradient flow at T times, for any leading axes *B of the initial function.

    ``train`` (*B, T, N, O), ``test`` (*B, T, M, O); ``cost`` (*B, T) and ``gradient_norm_squared`` (*B, T), which is
    ``|d|_K^2 = sum over outputs of dC/df(X)^T T dC/df(X) = -dC/dt`` (C12). ``error``: the largest difference, over
    outputs and times, between what is returned and a solve at a hundred times its tolerance with fewer steps: an
    estimate of the error of that coarser solve, and so on the safe side.
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
    """Integrate ``d f_t(x) / dt = -T(x, X) dC/df(X)`` from ``f_0`` (zero where None): theory C12, Jacot et al. 2018.

    In float64, whatever JAX is set to. The estimated error of an output is at most ``atol + rtol max|f|``, the largest
    over points, outputs and times.

    :param kernel_train: T, (N, N), positive semidefinite; ``kernel_test`` (M, N) between test and training points.
    :param y_train: (N, O); for cross-entropy class probabilities (N, O), such as one-hot rows, or labels (N,) from 0
        (as many classes as ``f_0`` has outputs, else up to the largest label);
        for logistic labels 0 and 1, or -1 and 1, (N,) or (N, 1).
    :param cost: ``squared-error``, ``cross-entropy``, ``logistic`` or ``huber``, each a mean over points of a sum over
        outputs; or a JAX function ``cost(f, y)`` of two arrays (N, O) to one number, convex in f (compiled once per
        function object).
    :param times: (T,) of ``learning_rate * steps``, finite, in any order.
    :param delta: of the Huber cost: the residual beyond which it is linear; 1 by default.
    :param f0_train: (*B, N, O) and ``f0_test`` (*B, M, O), together.
    :param solver: ``explicit``, ``implicit``, or ``auto``: see :func:`~ntkbench_jax.gradient_flow.ode.integrate`.
    :param spectrum: ``decompose(kernel_train)``, if at hand.
    :param device: as of :func:`~ntkbench_jax.kernels.analytic.analytic_kernels`.
    :raises DataError: for shapes, targets, times, tolerances or costs that make no sense, a kernel with a negative
        eigenvalue, or a tolerance that integration does not attain.
    :raises UnavailableError: where diffrax is missing, or the device.
    """
    function = find_cost(cost, delta)
    if not (_SMALLEST_RTOL <= rtol < 1 and 0 < atol < np.inf) or solver not in get_args(Solver):
        raise DataError(
            f"cost_flow: rtol is {rtol}, atol {atol}, solver {solver!r}: expected rtol from {_SMALLEST_RTOL} to 1, a "
            f"positive finite atol, and one of {', '.join(get_args(Solver))}"
        )
    spectrum = decompose(kernel_train) if spectrum is None else spectrum
    between = _matrix("kernel_test", kernel_test, len(spectrum.eigenvalues))
    start_train, start_test, targets = _functions(function, y_train, f0_train, f0_test, between)
    moments, basis = _moments(times), make_basis(spectrum, between)
    with enable_x64(True), jax.default_device(find_device(device)):
        _check_cost(function, start_train, targets)
        flow = _Flow(function, basis, jax.tree.map(jnp.asarray, basis), targets, moments, rtol, atol, solver)
        members = zip(*(f.reshape(-1, *f.shape[-2:]) for f in (start_train, start_test)), strict=True)
        paths = [flow.path(*member) for member in members]
        train, test = (np.stack([getattr(path, name) for path in paths]) for name in ("train", "test"))
        values, gradients = jax.device_get(_costs(function, train, targets))
    norms = np.sum((basis.gradient @ gradients) * (basis.to_train.T @ gradients), axis=(-2, -1))
    leading = start_train.shape[:-2]
    return CostFlow(
        times=moments,
        train=train.reshape(*leading, *train.shape[1:]),
        test=test.reshape(*leading, *test.shape[1:]),
        cost=values.reshape(*leading, -1),
        gradient_norm_squared=norms.reshape(*leading, -1),
        error=max(path.error for path in paths),
        statistics=total([solve for path in paths for solve in path.solves]),
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
    """What the members of a flow share; ``placed`` is the basis on the device."""

    cost: Cost
    basis: Basis
    placed: Basis
    targets: Array
    times: Array
    rtol: float
    atol: float
    solver: Solver

    def path(self, start_train: Array, start_test: Array) -> _Path:
        """Solve at tighter and tighter tolerances until two solves in succession agree to the wanted one."""
        moments, index = np.unique(self.times, return_inverse=True)
        rtol, atol, solver = self.rtol, self.atol / self.basis.output_scale(), self.solver
        ask = partial(integrate, self.cost, self.placed, jnp.asarray(start_train), jnp.asarray(self.targets), moments)
        solves: list[Solve] = []
        outputs: list[tuple[Array, Array]] = []
        while True:
            solves.append(ask(rtol=rtol, atol=atol, solver=solver, halvings=len(solves)))
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
                        f"more than the {wanted:.1g} asked for; raise rtol or atol"
                    )
            rtol, atol, solver = rtol / _CONTRAST, atol / _CONTRAST, solves[-1].solver


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


@partial(jax.jit, static_argnums=0)
def _costs(cost: Cost, outputs: Any, targets: Any) -> Any:
    """Return C (E, T) of outputs (E, T, N, O), and its gradient, of their shape."""
    one: Callable[..., Any] = jax.value_and_grad(cost)
    return jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(0, None))(outputs, targets)


def _check_cost(cost: Cost, outputs: Array, targets: Array) -> None:
    """Hold a user's function against what a cost is: differentiable at f_0 (*B, N, O), one number, in float64.

    :raises DataError: saying what it did instead.
    """
    try:
        shape, _ = jax.eval_shape(jax.value_and_grad(cost), targets, targets)
    except Exception as error:
        raise DataError(
            f"cost_flow: the cost is no JAX function of outputs and targets {targets.shape} to one number: {error}"
        ) from error
    if shape.dtype != np.float64:
        raise DataError(f"cost_flow: the cost computes in {shape.dtype}; leave out what casts it from float64")
    values, gradients = jax.device_get(_costs(cost, outputs.reshape(1, -1, *targets.shape), targets))
    if not (np.isfinite(values).all() and np.isfinite(gradients).all()):
        raise DataError("cost_flow: the cost or its gradient is not finite at the initial function")


def _functions(
    cost: Cost, y_train: ArrayLike, f0_train: ArrayLike | None, f0_test: ArrayLike | None, kernel_test: Array
) -> tuple[Array, Array, Array]:
    """Return f_0 on training points (*B, N, O) and test points (*B, M, O), and the targets (N, O)."""
    m, n = kernel_test.shape
    if (f0_train is None) != (f0_test is None):
        raise DataError("cost_flow: f0_train and f0_test are the same function: give both or neither")
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


def _moments(times: ArrayLike) -> Array:
    moments = np.asarray(times)
    if moments.ndim != 1 or moments.size == 0 or moments.dtype.kind not in "iuf":
        raise DataError(f"cost_flow: times has shape {moments.shape} and type {moments.dtype}, expected (T,) numbers")
    if not (moments >= 0).all():
        raise DataError(f"cost_flow: times holds {moments[~(moments >= 0)][0]}; none may be negative or nan")
    if np.isinf(moments).any():
        raise DataError(
            "cost_flow: times holds inf, which no integration reaches; of the squared error ntkbench.kernel_dynamics "
            "has the limit in closed form, of other costs take a long finite time"
        )
    return moments.astype(np.float64)


def _matrix(name: str, value: ArrayLike, columns: int) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != columns:
        raise DataError(f"cost_flow: {name} has shape {array.shape}, expected (M, {columns})")
    if not np.isfinite(array).all():
        raise DataError(f"cost_flow: {name} holds {array[~np.isfinite(array)][0]}; it must be finite")
    return array
