"""The network's function against its own linearization, and against the kernels' predictions (C6, C7, C9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ntkbench.dynamics import Spectrum, kernel_dynamics, precision_of

from ..empirical_ntk.tangent_product import tangent_product
from ..training.losses import differentiate
from .linearization import numpy64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.dynamics import TimeSpec
    from ntkbench.plugin import Float, Measurement, Solution

    from .observation import Observation

_SPACES = 16  # leading eigenspaces
_DEGENERATE = 1e-9  # of the largest eigenvalue: closer ones share an eigenspace


def linearization_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the RMS distance, over points and outputs, between each network and its own linearization (C6)."""
    for split, network, linear in _functions(observation):
        yield from observation.rows("linearization_distance", _rms(network - linear), unit="target", split=split)


def linearization_split(observation: Observation) -> Iterator[Measurement]:
    """Yield the two parts of network - prediction, the RMS of each, per reference (C7).

    ``linearization_split_network``: network - linearization; ``linearization_split_kernel``: linearization - the
    kernel's prediction from the same initial function.
    """
    for label, law in observation.view.references.items():
        predicted = _predictions(observation, law)
        if predicted is None:
            continue
        for (split, network, linear), kernel in zip(_functions(observation), predicted, strict=True):
            parts = {"network": network - linear, "kernel": linear - kernel}
            for name, part in parts.items():
                metric = f"linearization_split_{name}"
                yield from observation.rows(metric, _rms(part), unit="target", split=split, reference=label)


def kernel_residuals(observation: Observation) -> Iterator[Measurement]:
    """Yield what is left to learn along the leading eigenspaces of each reference's kernel (C9).

    ``|P (y - f(X))| / sqrt(N O)``, P the projection onto an eigenspace, whose ``component`` is the index of its first
    eigenvector, from 0: with all of them, squares add up to the mean squared error. Eigenvalues closer to each other
    than 1e-9 of the largest share a space.
    """
    view = observation.view
    residual = numpy64(view.y) - numpy64(view.outputs)
    for label, law in view.references.items():
        if law.eigenvalues is None or law.eigenvectors is None:
            continue
        for first, end in _eigenspaces(law.eigenvalues):
            along = law.eigenvectors[:, first:end].T @ residual
            values = np.sqrt(np.square(along).sum(axis=(1, 2)) / view.y.numel())
            metric = "kernel_residual"
            yield from observation.rows(metric, values, unit="target", split="train", reference=label, component=first)


def cost_rate(observation: Observation) -> Iterator[Measurement]:
    """Yield ``|d|^2 = d^T Theta d / N^2``, d the derivatives of l by the outputs: -dC/dt of gradient flow (C12).

    Under each network's own kernel of the moment, by one product, and under each reference's (x) Id.
    """
    view, now = observation.view, observation.now
    direction = differentiate(view.loss, view.outputs.clone(), view.y)
    moved = tangent_product(view.form, now.layers, now.space, now.space, direction)
    points = len(view.y)
    own = (moved.double() * direction.double()).sum(dim=(1, 2)) / (now.scale * points**2)
    yield from observation.rows("cost_rate", own, unit="cost_per_time", split="train")
    numbers = numpy64(direction)
    for label, law in view.references.items():
        if law.kernel_train is not None:
            limit = np.einsum("gno,nm,gmo->g", numbers, law.kernel_train, numbers, optimize=True) / points**2
            yield from observation.rows("cost_rate", limit, unit="cost_per_time", split="train", reference=label)


def _functions(observation: Observation) -> Iterator[tuple[Literal["train", "test"], Float, Float]]:
    """Yield each split with the networks' outputs and their linearizations'."""
    train, test = observation.linearization
    yield "train", numpy64(observation.view.outputs), train
    yield "test", numpy64(observation.view.outputs_test), test


def _predictions(observation: Observation, law: Solution) -> tuple[Float, Float] | None:
    """Return the kernel's predictions on both splits (G, N or M, O); None for a law without kernels."""
    view = observation.view
    if law.kernel_train is None or law.kernel_test is None or law.eigenvalues is None or law.eigenvectors is None:
        return None
    when: TimeSpec = {"times": [law.time_scale * view.time / (1 - view.momentum)]}
    if law.steps is not None:
        when = {"steps": [view.step], "learning_rate": law.time_scale * view.learning_rate}
        when |= {"optimizer": view.optimizer, "momentum": view.momentum}
    start, start_test = observation.start
    spectrum = Spectrum(law.eigenvalues, law.eigenvectors, precision=precision_of(law.kernel_train))
    found = kernel_dynamics(
        law.kernel_train,
        law.kernel_test,
        numpy64(view.y),
        f0_train=start,
        f0_test=start_test,
        rho=law.rho,
        spectrum=spectrum,
        **when,
    )
    return found.train[:, 0], found.test[:, 0]


def _eigenspaces(eigenvalues: Float) -> list[tuple[int, int]]:
    """Return (first, end) of the leading eigenspaces of descending eigenvalues."""
    apart = -np.diff(eigenvalues) > _DEGENERATE * abs(float(eigenvalues[0]))
    ends = [*(np.flatnonzero(apart) + 1).tolist(), len(eigenvalues)]
    return list(zip([0, *ends[:-1]], ends, strict=True))[:_SPACES]


def _rms(values: Float) -> Float:
    return np.sqrt(np.mean(np.square(values), axis=(1, 2)))
