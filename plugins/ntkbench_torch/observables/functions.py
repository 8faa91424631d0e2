"""The networks' outputs against their linearizations and against kernel predictions (docs/theory.md, C6 to C12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ntkbench.dynamics import Spectrum, kernel_dynamics, precision_of

from ..devices import float64_array
from ..empirical_ntk.tangent_product import tangent_product
from ..training.losses import differentiate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.dynamics import TimeSpec
    from ntkbench.plugin import Float, Measurement, Solution

    from .observation import Observation

_SPACES = 16  # leading eigenspaces measured
DEGENERATE = 1e-9  # in units of the largest eigenvalue: closer ones share an eigenspace


def linearization_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the RMS distance over points and outputs between each network and its own linearization (C6)."""
    for split, network, linear in _functions(observation):
        yield from observation.rows("linearization_distance", _rms(network - linear), unit="target", split=split)


def linearization_split(observation: Observation) -> Iterator[Measurement]:
    """Yield the RMS of the two parts of network minus prediction, per reference (C7).

    ``linearization_split_network``: network minus linearization. ``linearization_split_kernel``: linearization minus
    the kernel's prediction from the same initial function.
    """
    for label, reference in observation.snapshot.references.items():
        predicted = _predictions(observation, reference)
        if predicted is None:
            continue
        for (split, network, linear), kernel in zip(_functions(observation), predicted, strict=True):
            parts = {"network": network - linear, "kernel": linear - kernel}
            for name, part in parts.items():
                metric = f"linearization_split_{name}"
                yield from observation.rows(metric, _rms(part), unit="target", split=split, reference=label)


def kernel_residuals(observation: Observation) -> Iterator[Measurement]:
    """Yield the residual along the leading eigenspaces of each reference's kernel (C9).

    ``|P (y - f(X))| / sqrt(N O)`` with P the projection onto an eigenspace; ``component`` is the index of its first
    eigenvector, from 0. Over all eigenspaces the squares add up to the mean squared error. Neighbouring eigenvalues
    closer than 1e-9 of the largest share an eigenspace.
    """
    snapshot = observation.snapshot
    residual = float64_array(snapshot.y) - float64_array(snapshot.outputs)
    for label, reference in snapshot.references.items():
        if reference.eigenvalues is None or reference.eigenvectors is None:
            continue
        for first, end in eigenspaces(reference.eigenvalues):
            along = reference.eigenvectors[:, first:end].T @ residual
            values = np.sqrt(np.square(along).sum(axis=(1, 2)) / snapshot.y.numel())
            metric = "kernel_residual"
            yield from observation.rows(metric, values, unit="target", split="train", reference=label, component=first)


def cost_rate(observation: Observation) -> Iterator[Measurement]:
    """Yield ``d^T Theta d / N^2``, d the derivatives of l by the outputs: -dC/dt under gradient flow (C12).

    Theta is each network's current kernel, applied by one product, and each reference's kernel (x) Id.
    """
    snapshot, now = observation.snapshot, observation.now
    direction = differentiate(snapshot.loss, snapshot.outputs.clone(), snapshot.y)
    moved = tangent_product(snapshot.scales, now.layers, now.space, now.space, direction)
    points = len(snapshot.y)
    own = (moved.double() * direction.double()).sum(dim=(1, 2)) / (now.kernel_scale * points**2)
    yield from observation.rows("cost_rate", own, unit="cost_per_time", split="train")
    numbers = float64_array(direction)
    for label, reference in snapshot.references.items():
        if reference.kernel_train is not None:
            limit = np.einsum("gno,nm,gmo->g", numbers, reference.kernel_train, numbers, optimize=True) / points**2
            yield from observation.rows("cost_rate", limit, unit="cost_per_time", split="train", reference=label)


def _functions(observation: Observation) -> Iterator[tuple[Literal["train", "test"], Float, Float]]:
    """Yield each split with the outputs of the networks and of their linearizations, (G, n, O) each."""
    train, test = observation.linearization
    yield "train", float64_array(observation.snapshot.outputs), train
    yield "test", float64_array(observation.snapshot.outputs_test), test


def _predictions(observation: Observation, reference: Solution) -> tuple[Float, Float] | None:
    """Return the kernel's predictions (G, N, O) and (G, M, O); None for a reference without kernels."""
    snapshot = observation.snapshot
    if reference.kernel_train is None or reference.kernel_test is None:
        return None
    if reference.eigenvalues is None or reference.eigenvectors is None:
        return None
    when: TimeSpec = {"times": [reference.time_scale * snapshot.time / (1 - snapshot.momentum)]}
    if reference.steps is not None:
        when = {"steps": [snapshot.step], "learning_rate": reference.time_scale * snapshot.learning_rate}
        when |= {"optimizer": snapshot.optimizer, "momentum": snapshot.momentum}
    start, start_test = observation.start
    spectrum = Spectrum(reference.eigenvalues, reference.eigenvectors, precision=precision_of(reference.kernel_train))
    found = kernel_dynamics(
        reference.kernel_train,
        reference.kernel_test,
        float64_array(snapshot.y),
        f0_train=start,
        f0_test=start_test,
        rho=reference.rho,
        spectrum=spectrum,
        **when,
    )
    return found.train[:, 0], found.test[:, 0]


def eigenspaces(eigenvalues: Float) -> list[tuple[int, int]]:
    """Return the index ranges (first, end) of the leading eigenspaces of descending eigenvalues."""
    apart = -np.diff(eigenvalues) > DEGENERATE * abs(float(eigenvalues[0]))
    ends = [*(np.flatnonzero(apart) + 1).tolist(), len(eigenvalues)]
    return list(zip([0, *ends[:-1]], ends, strict=True))[:_SPACES]


def _rms(values: Float) -> Float:
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=(1, 2))))
