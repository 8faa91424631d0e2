"""The backend's entry point: draw each member's functions, look at their kernel, and train in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import norm

from ntkbench.dynamics import kernel_dynamics
from ntkbench.plugin import DataError, Measurement, Solution

from .draw import Draw, draw_functions, factor
from .sources import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ntkbench.plugin import Float, Int, Request

    from .draw import Matrix
    from .parameters import Parameters


def solve(request: Request) -> Solution:
    """Train ``request.members`` linear models in random functions: theory C11, Jacot et al. 2018, section 3.1.

    Each starts at its own ``F_lin`` with theta_0 ~ N(0, Id), or at its network's outputs, and follows the training step
    for step by the kernel K~ of its functions. Member k depends on (seed, width, k) alone, but that functions of a
    kernel are drawn on training and test points jointly.

    :raises UnavailableError: where the package that supplies the functions, or their kernel, is missing.
    :raises DataError: without members, an absolute learning rate, or a number of functions.
    """
    training, parameters = request.training, request.parameters
    if request.members < 1 or training.learning_rate is None:
        raise DataError("backend features: expected at least one member and an absolute learning rate")
    require(parameters.functions, request.architecture)
    draw = _network(request) if parameters.functions == "tangent" else _functions(request)
    paths: list[tuple[Float, Float]] = []
    measurements: list[Measurement] = []
    for member in range(request.members):
        found = draw(member)
        if "ntk_distance" in request.observe:
            measurements += kernel_distance(found.kernel_train, request.references, member)
        paths.append(_trained(request, training.learning_rate, found))
        request.progress(member + 1, request.members)
    train, test = (np.stack(part) for part in zip(*paths, strict=True))
    return Solution(
        times=training.times,
        steps=training.steps,
        training=training,
        members_train=train,
        members_test=test,
        diverged_at=mark_divergence(train, test, training.steps),
        measurements=tuple(measurements),
        parameters=found.parameters,
    )


def _functions(request: Request) -> Callable[[int], Draw]:
    """Return what draws a member's P = width functions of the architecture's analytic kernel."""
    from ntkbench_jax import analytic_kernels

    parameters: Parameters = request.parameters
    count, problem = request.width, request.problem
    if count is None or count < 1:
        raise DataError(
            f"backend features: hidden widths are {request.hidden_widths}; expected one positive number of functions"
        )
    points = np.concatenate([problem.x_train, problem.x_test])
    kernels = analytic_kernels(points, architecture=request.architecture, dtype="float64", device=request.device)
    kernel = getattr(kernels, parameters.kernel)
    if not np.isfinite(kernel).all():
        raise DataError(f"backend features: the kernel of {request.architecture!r} is beyond the range of float64")
    root, (n, outputs) = factor(kernel), problem.y_train.shape
    options: dict[str, Any] = {"seed": request.seed, "dtype": request.dtype}
    return lambda member: draw_functions(root, n, outputs, count, member=member, **options)


def _network(request: Request) -> Callable[[int], Draw]:
    """Return what draws a member's network, for its P derivatives by its parameters."""
    from ntkbench_torch import NetworkEnsemble

    x_train, x_test = request.problem.x_train, request.problem.x_test
    sizes: dict[str, Any] = {
        "in_features": x_train.shape[1],
        "out_features": request.problem.y_train.shape[1],
        "width": request.hidden_widths,
        "seed": request.seed,
        "device": request.device,
        "dtype": request.dtype,
    }

    def draw(member: int) -> Draw:
        ensemble = NetworkEnsemble(request.architecture, members=1, first_member=member, **sizes)
        kernels = (ensemble.ntk(x_train, outputs="all"), ensemble.ntk(x_test, x_train, outputs="all"))
        train, test = (theta[0].permute(0, 2, 1, 3).flatten(2, 3).flatten(0, 1).cpu().numpy() for theta in kernels)
        at_train, at_test = (ensemble.outputs(x)[0].double().cpu().numpy() for x in (x_train, x_test))
        return Draw(train, test, at_train, at_test, ensemble.parameters)

    return draw


def _trained(request: Request, learning_rate: float, drawn: Draw) -> tuple[Float, Float]:
    """Return a member's outputs (T, N, O) and (T, M, O) at the recorded steps.

    The kernel of all outputs has N O rows where the cost divides by N: so the rate is O times as large.
    """
    training, y = request.training, request.problem.y_train
    with np.errstate(invalid="ignore"):  # a member on its way to infinity
        found = kernel_dynamics(
            drawn.kernel_train,
            drawn.kernel_test,
            y.reshape(-1, 1),
            f0_train=drawn.f0_train.reshape(-1, 1),
            f0_test=drawn.f0_test.reshape(-1, 1),
            learning_rate=learning_rate * y.shape[1],
            steps=training.steps,
            optimizer=training.optimizer,
            momentum=training.momentum,
        )
    records = len(training.steps)
    return found.train.reshape(records, *y.shape), found.test.reshape(records, -1, y.shape[1])


def kernel_distance(kernel: Matrix, references: Mapping[str, Solution], member: int) -> Iterator[Measurement]:
    """Yield the relative distances of K~ (N O, N O) to each reference's kernel, as the backend ``torch`` defines them.

    ``|K~ - K (x) Id|_F / |K (x) Id|_F``, and the largest absolute eigenvalue of the difference over the largest of K.
    A reference without ``kernel_train`` is passed over.
    """
    from ntkbench_torch import operator_norm

    for label, law in references.items():
        if law.kernel_train is None:
            continue
        outputs = len(kernel) // len(law.kernel_train)
        limit = np.kron(law.kernel_train, np.eye(outputs))
        values = {
            "ntk_distance_frobenius": norm(kernel - limit) / norm(limit),
            "ntk_distance_operator": operator_norm(kernel - limit) / operator_norm(np.asarray(law.kernel_train)),
        }
        for metric, value in values.items():
            yield Measurement(
                metric=metric, value=float(value), unit="1", reference=label, split="train", member=member, step=0,
                time=0.0,
            )  # fmt: skip


def mark_divergence(train: Float, test: Float, steps: Int) -> Int:
    """Return (E,) the first recorded step at which a member's outputs (E, T, n, O) are not finite, -1 for never.

    From there on they are made nan, in place.
    """
    finite = np.isfinite(train).all(axis=(2, 3)) & np.isfinite(test).all(axis=(2, 3))
    alive = np.logical_and.accumulate(finite, axis=1)
    for outputs in (train, test):
        outputs[~alive] = np.nan
    return np.where(alive.all(axis=1), -1, steps[alive.argmin(axis=1)])
