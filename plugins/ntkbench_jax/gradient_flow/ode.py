"""Kernel gradient flow as an ordinary differential equation in N O unknowns, integrated by diffrax in float64.

The state is ``u = S V^T a`` (N, O), with ``a_t = -int_0^t dC/df(X)`` and ``T = V diag(lambda) V^T``, ``S = lambda^1/2``
(bounded below by the square root of T's rounding, so that a singular mode keeps its coefficient of T(x, X)):

    du/dt = -S V^T dC/df(X)        f_t(X) = f_0(X) + V (lambda / S) u        f_t(x) = f_0(x) + T(x, X) V S^-1 u

This is gradient flow of C in parameters, |du/dt|^2 = |d|_K^2: for a convex C errors never grow, and an error e of
u causes an error of at most ``sqrt(T(x, x)) |e|`` in f(x), at training and test points: a tolerance on u is one on f.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntkbench.plugin import DataError, UnavailableError

try:
    import diffrax
    import optimistix
except ImportError as error:
    raise UnavailableError(
        'cost_flow needs diffrax, which is missing or too old: pip install "ntkbench[jax]"'
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ntkbench.dynamics import Spectrum

    from .losses import Array, Cost

Solver = Literal["auto", "explicit", "implicit"]
_SOLVERS = {"explicit": diffrax.Dopri8, "implicit": diffrax.Kvaerno5}
_EXPLICIT_FIRST = 20_000  # steps, in time for about 10^5 N / lambda_max
_MOST_STEPS = {"explicit": 1_000_000, "implicit": 50_000}
_DENSE = 1000  # unknowns whose Jacobian is factorised once per implicit step
_SHORTEST = 64  # lengths to which lists of times are padded
_OUT_OF_STEPS = "it ran out of steps"


@dataclass(frozen=True)
class Statistics:
    """The work of integration, over all members and all solves of each; ``solvers`` are all that were used."""

    solvers: tuple[str, ...]
    solves: int
    accepted_steps: int
    rejected_steps: int


class Basis(NamedTuple):
    """The matrices between u and functions: ``to_train`` (N, N), ``to_test`` (M, N), ``gradient`` (N, N) is S V^T."""

    to_train: Array
    to_test: Array
    gradient: Array

    def output_scale(self) -> float:
        """Return the root of T's mean diagonal, by which f multiplies an error of u; 1 for the zero kernel."""
        return float(np.sqrt(np.sum(np.square(self.to_train)) / len(self.to_train))) or 1.0


class Solve(NamedTuple):
    """The state u (T, N, O) at the requested times, the solver that found it, its accepted and rejected steps."""

    state: Array
    solver: Solver
    accepted: int
    rejected: int


def make_basis(spectrum: Spectrum, kernel_test: Array) -> Basis:
    """Return the basis of u.

    :raises DataError: for a kernel with an eigenvalue below zero by more than rounding.
    """
    values, vectors = spectrum.cleaned, spectrum.eigenvectors
    if values[-1] < 0:
        raise DataError(
            f"cost_flow: kernel_train has the eigenvalue {values[-1]:.3g}, below zero by more than rounding "
            f"({spectrum.rounding:.1g}); a kernel is positive semidefinite"
        )
    scale = np.sqrt(np.maximum(values, spectrum.rounding)) if spectrum.rounding > 0 else np.ones_like(values)
    return Basis(vectors * (values / scale), (kernel_test @ vectors) / scale, (vectors * scale).T)


def total(solves: Sequence[Solve]) -> Statistics:
    """Add up the work of all solves."""
    return Statistics(
        solvers=tuple(sorted({_SOLVERS[solve.solver].__name__ for solve in solves})),
        solves=len(solves),
        accepted_steps=sum(solve.accepted for solve in solves),
        rejected_steps=sum(solve.rejected for solve in solves),
    )


def integrate(
    cost: Cost,
    basis: Basis,
    start: Any,
    targets: Any,
    times: Array,
    *,
    rtol: float,
    atol: float,
    solver: Solver,
    halvings: int = 0,
) -> Solve:
    """Return u at ascending finite ``times`` (T,) from u = 0; call it with 64-bit JAX enabled.

    ``explicit`` is Dopri8, of order 8; where the cost is curved its steps are at most about 5 N / lambda_max long.
    ``implicit`` is Kvaerno5, of order 5 and L-stable: its steps have no such limit, but each factorises a matrix of
    (N O)^2 numbers; its tolerance is at least 1e-10. ``auto`` starts with ``explicit`` and changes to ``implicit`` if
    that takes more than 20,000 steps and N O is at most 1,000.

    :param start: f_0 on the training points (N, O); ``targets`` (N, O).
    :param rtol: per step, relative to u; ``atol`` is absolute, in units of u.
    :param halvings: no step is longer than the time between outputs, halved this many times.
    :raises DataError: if the integration does not reach the last time.
    """
    if times[-1] == 0:
        return Solve(np.zeros((len(times), *start.shape)), "explicit", 0, 0)
    attempt = partial(_attempt, cost, basis, start, targets, times, _stops(times, halvings), rtol, atol)
    fallback = solver == "auto" and start.size <= _DENSE
    first = "explicit" if solver == "auto" else solver
    found, trouble = attempt(first, _EXPLICIT_FIRST if fallback else _MOST_STEPS[first])
    if fallback and trouble == _OUT_OF_STEPS:
        found, trouble = attempt("implicit", _MOST_STEPS["implicit"])
    return _reached(found, trouble, f"t = {times[-1]:g} at tolerance {rtol:.1g}")


def _reached(found: Solve, trouble: str | None, goal: str) -> Solve:
    if trouble is None and not np.isfinite(found.state).all():
        trouble = "the gradient of the cost is not finite"
    if trouble is not None:
        raise DataError(
            f"cost_flow: the {found.solver} solver did not reach {goal}: {trouble} ({found.accepted} steps)"
        )
    return found


def _attempt(
    cost: Cost,
    basis: Basis,
    start: Any,
    targets: Any,
    times: Array,
    stops: Array,
    rtol: float,
    atol: float,
    solver: Solver,
    budget: int,
) -> tuple[Solve, str | None]:
    """Integrate once; return the solve, and the problem or None."""
    padded = np.pad(times, (0, padded_length(len(times)) - len(times)), mode="edge")
    begin, saved, relative, absolute = map(jnp.asarray, (0.0, padded, rtol, atol))  # numbers would be compiled in
    controller = diffrax.PIDController(rtol=relative, atol=absolute, norm=optimistix.two_norm)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(_velocity),
        _SOLVERS[solver](),
        begin,
        saved[-1],
        None,
        jnp.zeros_like(start),
        args=(cost, basis.to_train, basis.gradient, start, targets),
        saveat=diffrax.SaveAt(ts=saved),
        stepsize_controller=diffrax.ClipStepSizeController(controller, step_ts=jnp.asarray(stops)),
        max_steps=budget,
        throw=False,
    )
    accepted, rejected = (int(solution.stats[f"num_{kind}_steps"]) for kind in ("accepted", "rejected"))
    found = Solve(np.asarray(solution.ys)[: len(times)], solver, accepted, rejected)
    if solution.result == diffrax.RESULTS.successful:
        return found, None
    if solution.result == diffrax.RESULTS.max_steps_reached:
        return found, _OUT_OF_STEPS
    return found, str(diffrax.RESULTS[solution.result]).splitlines()[0]


def _stops(times: Array, halvings: int) -> Array:
    """Return where steps must end: at the times, so that nothing is interpolated, and halfway.

    Padded by times that are never reached, so that one program serves both no halving and one.
    """
    stops = times
    for _ in range(halvings):
        stops = np.union1d(stops, (np.r_[0.0, stops[:-1]] + stops) / 2)
    length = max(2 * padded_length(len(times)), padded_length(len(stops)))
    padded: Array = np.r_[stops, times[-1] * (2.0 + np.arange(length - len(stops)))]
    return padded


def padded_length(count: int) -> int:
    """Return the length to which ``count`` things are padded: 64, or the next power of two, so few programs compile."""
    return max(_SHORTEST, 1 << (count - 1).bit_length())


def _velocity(time: Any, state: Any, args: Any) -> Any:
    """Return du/dt."""
    cost, to_train, gradient, start, targets = args
    return -(gradient @ jax.grad(cost)(start + to_train @ state, targets))
