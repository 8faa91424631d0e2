"""The empirical kernels: against their limits, against themselves, and what their spectrum says (C2 to C5, C14).

Distances are between full output blocks and Theta (x) Id: one definition for any number of outputs.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch

from ntkbench.dynamics import smallest_eigenvalue as bounded_smallest
from ntkbench.plugin import DataError

from ..empirical_ntk.tangent_kernel import of_members, tangent_kernel
from ..empirical_ntk.tangent_product import tangent_product
from .norms import largest_eigenvalue as lanczos
from .norms import operator_norm
from .observation import frobenius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntkbench.plugin import Float, Measurement

    from .observation import Observation

_ROUNDOFFS = 64
_FORMED = 1024  # rows of a kernel that is worth forming for its largest eigenvalue alone


def ntk_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the relative distance to each reference's kernel (x) Id, in Frobenius and in operator norm (C2).

    ``|That - T (x) Id|_F / |T (x) Id|_F``, and the largest absolute eigenvalue of the difference over the largest of T.
    """
    if _known(observation):
        yield from _distances("ntk_distance", observation, observation.now.kernel, observation.view.form.layers[-1])


def nngp_distance(observation: Observation) -> Iterator[Measurement]:
    """Yield the same for the NNGP kernel of the last hidden layer, (N, N) whatever the number of outputs (C1)."""
    if _known(observation):
        yield from _distances("nngp_distance", observation, observation.now.nngp, 1)


def ntk_change(observation: Observation) -> Iterator[Measurement]:
    """Yield how far each kernel is from the one the network was drawn with (C4).

    ``|That_t - That_0|_F / |That_0|_F``, and the signed relative change of the mean of the diagonal.
    """
    now, before = observation.now.kernel, observation.initial.kernel
    yield from observation.rows("ntk_change_frobenius", frobenius(now - before) / frobenius(before), split="train")
    signed = observation.now.traces.sum(dim=1) / observation.initial.traces.sum(dim=1) - 1
    yield from observation.rows("ntk_change_mean_diagonal", signed, split="train")


def output_blocks(observation: Observation) -> Iterator[Measurement]:
    """Yield the Frobenius norm of the blocks between different outputs over that of the kernel (C3); O > 1 only."""
    if observation.view.form.layers[-1] == 1:
        return
    kernel = observation.now.kernel
    between = kernel.clone()
    observation.now.blocks(between).diagonal(dim1=1, dim2=3).zero_()
    yield from observation.rows("output_blocks", frobenius(between) / frobenius(kernel), split="train")


def alignment(observation: Observation) -> Iterator[Measurement]:
    """Yield how well the kernel, in the mean over outputs, points where another one does (C4).

    ``ntk_cka_initial``: centred kernel alignment (CKA) ``<H K H, H K' H> / (|H K H| |H K' H|)`` with the network's own
    initial kernel, H taking the mean off (Cortes et al. 2012; Kornblith et al. 2019); ``ntk_cka_targets``: with
    ``y y^T``; ``ntk_target_alignment``: the same without H (Cristianini et al. 2001).
    """
    kernel = observation.now.mean_kernel
    targets = observation.view.y.double()
    outer = (targets @ targets.mT).expand_as(kernel)
    if observation.view.step > 0:
        initial = _cosine(_centred(kernel), _centred(observation.initial.mean_kernel))
        yield from observation.rows("ntk_cka_initial", initial, split="train")
    yield from observation.rows("ntk_cka_targets", _cosine(_centred(kernel), _centred(outer)), split="train")
    yield from observation.rows("ntk_target_alignment", _cosine(kernel, outer), split="train")


def layer_share(observation: Observation) -> Iterator[Measurement]:
    """Yield each layer's share of the tangent kernel's trace, layer l from 0 as ``component`` (C5)."""
    traces = observation.now.traces
    shares = traces / traces.sum(dim=1, keepdim=True)
    for index, share in enumerate(shares.T):
        yield from observation.rows("layer_share", share, split="train", component=index)


def largest_eigenvalue(observation: Observation) -> Iterator[Measurement]:
    """Yield the largest eigenvalue of the tangent kernel's Gram matrix T, by products alone where T is large (C14)."""
    now, (points, outputs) = observation.now, observation.view.y.shape
    formed = now.forms_kernel or points * outputs <= _FORMED
    values = [nan] * len(now.layers[0])
    for k in observation.alive:
        found = None if formed else _matrix_free(observation, k)
        values[k] = _operator_norm(now.kernel[k]) if found is None else found
    yield from observation.rows("ntk_largest_eigenvalue", values, split="train")


def smallest_eigenvalue(observation: Observation) -> Iterator[Measurement]:
    """Yield the smallest eigenvalue of each Gram matrix, and a bound on its error (C13).

    The bound is that of :func:`ntkbench.dynamics.smallest_eigenvalue`, entries being off by no more than 64 roundoffs
    of the networks' type.
    """
    entry_error = _ROUNDOFFS * float(torch.finfo(observation.view.x.dtype).eps)
    values, errors = [nan] * len(observation.now.layers[0]), [nan] * len(observation.now.layers[0])
    for k in observation.alive:
        found = bounded_smallest(observation.now.kernel[k].cpu().numpy(), observation.now.spectra[k], entry_error)
        values[k], errors[k] = found.value, found.error
    yield from observation.rows("ntk_smallest_eigenvalue", values, split="train")
    yield from observation.rows("ntk_smallest_eigenvalue_error", errors, split="train")


def ntk_slice(observation: Observation) -> Iterator[Measurement]:
    """Yield the tangent kernel, mean over outputs, between one test point and every other, by point as ``component``.

    :raises DataError: where there is no such point.
    """
    view = observation.view
    if view.slice_at >= len(view.x_test):
        raise DataError(f"slice_at is {view.slice_at}: there are {len(view.x_test)} test points, counted from 0")
    one = view.x_test[view.slice_at : view.slice_at + 1]
    kernel = (
        tangent_kernel(view.form, observation.now.layers, view.x_test, one, full=False)[:, :, 0] / observation.now.scale
    )
    for point in range(len(view.x_test)):
        yield from observation.rows("ntk_slice", kernel[:, point], split="test", component=point)


def _matrix_free(observation: Observation, member: int) -> float | None:
    """Return one network's largest eigenvalue without its kernel, or None where Lanczos has not found it."""
    form, one = observation.view.form, slice(member, member + 1)
    layers = [layer[one] for layer in observation.now.layers]
    space = of_members(observation.now.space, one)
    found = lanczos(lambda v: tangent_product(form, layers, space, space, v), space.outputs)
    return None if found is None else found / observation.now.scale


def _known(observation: Observation) -> dict[str, Float]:
    references = observation.view.references.items()
    return {label: law.kernel_train for label, law in references if law.kernel_train is not None}


def _distances(metric: str, observation: Observation, kernels: Tensor, outputs: int) -> Iterator[Measurement]:
    """Yield distances of kernels (G, n N, n N) to each reference's (x) Id of size n, ``outputs``."""
    for label, kernel in _known(observation).items():
        limit = torch.tensor(np.asarray(kernel), dtype=torch.float64, device=observation.view.x.device)
        difference = kernels.clone()
        points = len(limit)
        difference.view(-1, outputs, points, outputs, points).diagonal(dim1=1, dim2=3).sub_(limit[..., None])
        size = float(torch.linalg.matrix_norm(limit)) * outputs**0.5
        yield from observation.rows(f"{metric}_frobenius", frobenius(difference) / size, split="train", reference=label)
        values, largest = [nan] * len(difference), operator_norm(kernel)
        for k in observation.alive:
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
