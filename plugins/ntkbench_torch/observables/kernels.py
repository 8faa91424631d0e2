"""Empirical kernels against their limits and their initial values, and their spectra (docs/theory.md, C1 to C5; C13).

Distances compare the kernel of all outputs with Theta (x) Id, whatever the number of outputs.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch

from ntkbench.dynamics import smallest_eigenvalue as bounded_smallest
from ntkbench.plugin import DataError

from ..empirical_ntk.tangent_kernel import select_members, tangent_kernel
from ..empirical_ntk.tangent_product import tangent_product
from .norms import frobenius, operator_norm
from .norms import largest_eigenvalue as lanczos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntkbench.plugin import Float, Measurement

    from .observation import Observation

_ROUNDOFFS = 64
_FORMED = 1024  # rows up to which forming the kernel beats Lanczos with products alone


def ntk_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the relative distance to each reference's kernel (x) Id, in Frobenius and in operator norm (C2).

    ``|That - T (x) Id|_F / |T (x) Id|_F``, and the largest absolute eigenvalue of the difference over the largest of T.
    """
    if _reference_kernels(observation):
        n_outputs = observation.snapshot.scales.layers[-1]
        yield from _distances("ntk_distance", observation, observation.now.kernel, n_outputs)


def nngp_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the same for the NNGP kernel of the last hidden layer, (N, N) for any number of outputs (C1)."""
    if _reference_kernels(observation):
        yield from _distances("nngp_distance", observation, observation.now.nngp, 1)


def ntk_change(observation: Observation) -> Iterator[Measurement]:
    """Yield the change of each network's kernel since initialization (C4).

    ``|That_t - That_0|_F / |That_0|_F``, and the signed relative change of the mean of the diagonal.
    """
    now, before = observation.now.kernel, observation.initial.kernel
    yield from observation.rows("ntk_change_frobenius", frobenius(now - before) / frobenius(before), split="train")
    signed = observation.now.traces.sum(dim=1) / observation.initial.traces.sum(dim=1) - 1
    yield from observation.rows("ntk_change_mean_diagonal", signed, split="train")


def output_blocks(observation: Observation) -> Iterator[Measurement]:
    """Yield the Frobenius norm of the blocks between different outputs, relative to the kernel's (C3); O > 1 only."""
    if observation.snapshot.scales.layers[-1] == 1:
        return
    kernel = observation.now.kernel
    between = kernel.clone()
    observation.now.blocks(between).diagonal(dim1=1, dim2=3).zero_()
    yield from observation.rows("output_blocks", frobenius(between) / frobenius(kernel), split="train")


def alignment(observation: Observation) -> Iterator[Measurement]:
    """Yield the alignment of the kernel, averaged over outputs, with other kernels (C4).

    ``ntk_cka_initial``: centred kernel alignment (CKA) ``<H K H, H K' H> / (|H K H| |H K' H|)`` with the network's
    initial kernel, where H subtracts the mean (Cortes et al. 2012; Kornblith et al. 2019). ``ntk_cka_targets``: CKA
    with ``y y^T``. ``ntk_target_alignment``: the same without H (Cristianini et al. 2001).
    """
    kernel = observation.now.mean_kernel
    targets = observation.snapshot.y.double()
    outer = (targets @ targets.mT).expand_as(kernel)
    if observation.snapshot.step > 0:
        initial = _cosine(_centred(kernel), _centred(observation.initial.mean_kernel))
        yield from observation.rows("ntk_cka_initial", initial, split="train")
    yield from observation.rows("ntk_cka_targets", _cosine(_centred(kernel), _centred(outer)), split="train")
    yield from observation.rows("ntk_target_alignment", _cosine(kernel, outer), split="train")


def layer_share(observation: Observation) -> Iterator[Measurement]:
    """Yield each layer's share of the tangent kernel's trace; ``component`` is the layer, from 0 (C5)."""
    traces = observation.now.traces
    shares = traces / traces.sum(dim=1, keepdim=True)
    for index, share in enumerate(shares.T):
        yield from observation.rows("layer_share", share, split="train", component=index)


def largest_eigenvalue(observation: Observation) -> Iterator[Measurement]:
    """Yield the largest eigenvalue of the tangent kernel's Gram matrix, by Lanczos where it is large (C14)."""
    now, (points, outputs) = observation.now, observation.snapshot.y.shape
    formed = now.forms_kernel or points * outputs <= _FORMED
    values = [nan] * len(now.layers[0])
    for k in observation.finite:
        found = None if formed else _matrix_free(observation, k)
        values[k] = _operator_norm(now.kernel[k]) if found is None else found
    yield from observation.rows("ntk_largest_eigenvalue", values, split="train")


def smallest_eigenvalue(observation: Observation) -> Iterator[Measurement]:
    """Yield the smallest eigenvalue of each Gram matrix, and a bound on its error (C13).

    The bound is :func:`ntkbench.dynamics.smallest_eigenvalue`'s for entries within 64 roundoffs of the networks' dtype.
    """
    entry_error = _ROUNDOFFS * float(torch.finfo(observation.snapshot.x.dtype).eps)
    values, errors = [nan] * len(observation.now.layers[0]), [nan] * len(observation.now.layers[0])
    for k in observation.finite:
        kernel = observation.now.kernel[k]
        if bool(torch.isfinite(kernel).all()):
            found = bounded_smallest(kernel.cpu().numpy(), observation.now.spectrum(k), entry_error)
            values[k], errors[k] = found.value, found.error
    yield from observation.rows("ntk_smallest_eigenvalue", values, split="train")
    yield from observation.rows("ntk_smallest_eigenvalue_error", errors, split="train")


def ntk_slice(observation: Observation) -> Iterator[Measurement]:
    """Yield the tangent kernel, averaged over outputs, between test point ``slice_at`` and all test points.

    ``component`` is the other point's index (J18 Fig. 1).

    :raises DataError: for an index beyond the test points.
    """
    snapshot = observation.snapshot
    points = len(snapshot.x_test)
    if snapshot.slice_at >= points:
        raise DataError(f"slice_at is {snapshot.slice_at}: expected less than the number of test points, {points}")
    one = snapshot.x_test[snapshot.slice_at : snapshot.slice_at + 1]
    kernel = tangent_kernel(snapshot.scales, observation.now.layers, snapshot.x_test, one, full=False)[:, :, 0]
    kernel = kernel / observation.now.kernel_scale
    for point in range(points):
        yield from observation.rows("ntk_slice", kernel[:, point], split="test", component=point)


def _matrix_free(observation: Observation, member: int) -> float | None:
    """Return one network's largest eigenvalue without forming its kernel, or None if Lanczos has not converged."""
    scales, one = observation.snapshot.scales, slice(member, member + 1)
    layers = [layer[one] for layer in observation.now.layers]
    space = select_members(observation.now.space, one)
    found = lanczos(lambda v: tangent_product(scales, layers, space, space, v), space.outputs)
    return None if found is None else found / observation.now.kernel_scale


def _reference_kernels(observation: Observation) -> dict[str, Float]:
    references = observation.snapshot.references.items()
    return {label: reference.kernel_train for label, reference in references if reference.kernel_train is not None}


def _distances(metric: str, observation: Observation, kernels: Tensor, outputs: int) -> Iterator[Measurement]:
    """Yield the distances of kernels (G, O N, O N) to each reference's kernel (x) Id, O being ``outputs``."""
    for label, kernel in _reference_kernels(observation).items():
        limit = torch.tensor(np.asarray(kernel), dtype=torch.float64, device=observation.snapshot.x.device)
        difference = kernels.clone()
        points = len(limit)
        difference.view(-1, outputs, points, outputs, points).diagonal(dim1=1, dim2=3).sub_(limit[..., None])
        size = float(torch.linalg.matrix_norm(limit)) * outputs**0.5
        yield from observation.rows(f"{metric}_frobenius", frobenius(difference) / size, split="train", reference=label)
        values, largest = [nan] * len(difference), operator_norm(kernel)
        for k in observation.finite:
            values[k] = _operator_norm(difference[k]) / largest
        yield from observation.rows(f"{metric}_operator", values, split="train", reference=label)


def _operator_norm(matrix: Tensor) -> float:
    numbers = matrix.cpu().numpy()
    return operator_norm(numbers) if np.isfinite(numbers).all() else nan


def _centred(kernel: Tensor) -> Tensor:
    rows = kernel.mean(dim=1, keepdim=True)
    return kernel - rows - kernel.mean(dim=2, keepdim=True) + rows.mean(dim=2, keepdim=True)


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).flatten(1).sum(dim=1) / (frobenius(one) * frobenius(other))
