"""Moments over an ensemble's members at initialization (docs/theory.md, C1 and C2).

They need all members together: each group leaves its kernels and outputs, and the rows are computed once at the end.
Standard errors are jackknives over members, in closed form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ntkbench.plugin import Measurement, jackknife_error

from .catalogue import OBSERVABLE_OF_ALL
from .network_state import NetworkState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from ntkbench.plugin import Float, Solution

    from .snapshot import Snapshot

OBSERVABLE = OBSERVABLE_OF_ALL
_KERNEL_FLOATS = 2**23  # in the kernels of the members computed in one pass


class InitialKernels(NamedTuple):
    """Kernels ``nngp`` (G, N, N), ``ntk`` (G, O N, O N), and ``outputs`` (G, N, O), of G members at initialization."""

    nngp: Tensor
    ntk: Tensor
    outputs: Tensor


def initial_kernels(snapshot: Snapshot) -> InitialKernels:
    """Return the kernels and outputs of a snapshot's members, on the CPU."""
    rows = snapshot.y.numel()
    at_once, parts = max(1, _KERNEL_FLOATS // rows**2), []
    for first in range(0, len(snapshot.layers[0]), at_once):
        layers = [layer[first : first + at_once] for layer in snapshot.layers]
        state = NetworkState(snapshot.scales, layers, snapshot.x, forms_kernel=True)
        parts.append((state.nngp.cpu(), state.kernel.cpu()))
    nngp, ntk = (torch.cat(part) for part in zip(*parts, strict=True))
    return InitialKernels(nngp, ntk, snapshot.outputs.double().cpu())


def moment_rows(found: Sequence[InitialKernels], references: Mapping[str, Solution]) -> Iterator[Measurement]:
    """Yield the moments of all members; nothing for fewer than three.

    * ``nngp_bias``, per reference: ``|mean Khat - K|_F / |K|_F``. Its ``_floor`` is the value expected from sampling
      noise alone.
    * ``nngp_slope``, per reference: ``<mean Khat, K> / <K, K>``, 1 in the limit.
    * ``output_kurtosis``: the mean over points of ``3 Var Khat(x, x) / (mean Khat(x, x))^2``, an output's excess
      kurtosis, since an output is exactly Gaussian given the last hidden layer.
    * ``output_kurtosis_raw``: the excess kurtosis of the outputs themselves, whose mean is zero.
    * ``ntk_variance``: ``sum Var That / |mean That|_F^2``.
    """
    nngp, ntk, outputs = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    if len(nngp) < 3:
        return
    for label, reference in references.items():
        if reference.kernel_train is not None:
            yield from _bias(nngp, np.asarray(reference.kernel_train), label)
            yield from _slope(nngp, np.asarray(reference.kernel_train), label)
    diagonal = np.diagonal(nngp, axis1=1, axis2=2)
    yield from _with_error("output_kurtosis", *_conditional_kurtosis(diagonal))
    if np.any(outputs):
        yield from _with_error("output_kurtosis_raw", *_raw_kurtosis(outputs.reshape(len(outputs), -1)))
    yield from _with_error("ntk_variance", *_relative_variance(ntk.reshape(len(ntk), -1)))


def _bias(kernels: Float, limit: Float, label: str) -> Iterator[Measurement]:
    members, size = len(kernels), float(np.linalg.norm(limit))
    difference = ((kernels - limit) / size).reshape(members, -1)
    mean = difference.mean(axis=0)
    square, along, own = float(mean @ mean), difference @ mean, np.einsum("ki,ki->k", difference, difference)
    without = np.sqrt(np.maximum(members**2 * square - 2 * members * along + own, 0.0)) / (members - 1)
    variance = (float(own.sum()) - members * square) / (members - 1)
    yield from _with_error("nngp_bias", square**0.5, without, label)
    yield _row("nngp_bias_floor", (variance / members) ** 0.5, label)


def _slope(kernels: Float, limit: Float, label: str) -> Iterator[Measurement]:
    own = np.einsum("kij,ij->k", kernels, limit) / np.sum(limit**2)
    without = (own.sum() - own) / (len(own) - 1)
    yield from _with_error("nngp_slope", float(own.mean()), without, label)


def _conditional_kurtosis(kernel: Float) -> tuple[float, Float]:
    """Return the statistic of kernel diagonals (E, N), and its leave-one-out values (E,)."""
    count, mean = len(kernel), kernel.mean(axis=0)
    squares = np.square(kernel - mean)
    total = squares.sum(axis=0)
    without = (total - squares * count / (count - 1)) / (count - 2)
    means = (count * mean - kernel) / (count - 1)
    value = float(np.mean(3 * total / (count - 1) / mean**2))
    return value, np.asarray((3 * without / means**2).mean(axis=1))


def _raw_kurtosis(outputs: Float) -> tuple[float, Float]:
    """Return the excess kurtosis of zero-mean numbers (E, columns), averaged over columns, and leave-one-out values."""
    second, fourth, less = outputs**2, outputs**4, len(outputs) - 1
    value = float(np.mean(fourth.mean(axis=0) / second.mean(axis=0) ** 2)) - 3
    without = (fourth.sum(axis=0) - fourth) / less / ((second.sum(axis=0) - second) / less) ** 2
    return value, without.mean(axis=1) - 3


def _relative_variance(kernels: Float) -> tuple[float, Float]:
    """Return the relative variance of kernels (E, entries), and its leave-one-out values (E,)."""
    count, mean = len(kernels), kernels.mean(axis=0)
    spread = np.array([float(np.sum(np.square(kernel - mean))) for kernel in kernels])  # one by one: E are too large
    square = float(mean @ mean)
    own = np.einsum("ki,ki->k", kernels, kernels)
    squares = (count**2 * square - 2 * count * kernels @ mean + own) / (count - 1) ** 2
    without = (spread.sum() - spread * count / (count - 1)) / (count - 2)
    return float(spread.sum()) / (count - 1) / square, np.asarray(without / squares)


def _with_error(metric: str, value: float, without: Float, label: str | None = None) -> Iterator[Measurement]:
    yield _row(metric, value, label)
    yield _row(f"{metric}_standard_error", float(jackknife_error(without)), label)


def _row(metric: str, value: float, label: str | None) -> Measurement:
    return Measurement(metric=metric, value=value, unit="1", reference=label, split="train", step=0, time=0.0)
