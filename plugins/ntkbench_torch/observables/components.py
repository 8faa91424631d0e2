"""The 2nd kernel component: networks and their own linearizations along it, and their kernel's growth (C15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..devices import float64_array
from ..empirical_ntk.tangent_product import tangent_product
from .functions import DEGENERATE, eigenspaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.plugin import Float, Measurement, Solution

    from .observation import Observation

_COMPONENT = 1  # from 0: the 2nd, as in J18 Fig. 3


def component_learning(observation: Observation) -> Iterator[Measurement]:
    """Yield, per reference, what each network has left to learn along component 2 of its kernel, and the kernel there.

    d (N, O) is the initial residual's unit direction along the reference's 2nd eigenvector v: v_i c_o / |c| with
    c = v' (y - f_0). ``component_share_network`` is ``<d, y - f_t> / <d, y - f_0>``: 1 at first, signed;
    ``component_share_linearization`` is that of the network's own linearization, trained in the same way.
    ``component_growth`` is ``d' Theta_t d / lambda_2``, Theta_t being the network's current kernel. A reference whose
    2nd eigenvalue is not simple has no such component; a network without an initial residual there has no rows.
    """
    snapshot, y = observation.snapshot, float64_array(observation.snapshot.y)
    start = y - observation.start[0]
    now, linear = y - float64_array(snapshot.outputs), y - observation.linearization[0]
    for label, reference in snapshot.references.items():
        if (found := _simple(reference)) is None:
            continue
        eigenvalue, v = found
        along = np.einsum("n,gno->go", v, start)  # (G, O)
        squares = np.square(along).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # networks without an initial residual
            direction = along / np.sqrt(squares)[:, None]
            shares = {
                name: np.einsum("n,gno,go->g", v, residual, along) / squares
                for name, residual in (("network", now), ("linearization", linear))
            }
        for name, share in shares.items():
            yield from observation.rows(
                f"component_share_{name}", share, split="train", reference=label, component=_COMPONENT
            )
        growth = _own_kernel(observation, v[None, :, None] * direction[:, None, :]) / eigenvalue
        yield from observation.rows("component_growth", growth, split="train", reference=label, component=_COMPONENT)


def _simple(reference: Solution) -> tuple[float, Float] | None:
    """Return lambda_2 and its eigenvector (N,), or None without a positive, simple 2nd eigenvalue."""
    eigenvalues, vectors = reference.eigenvalues, reference.eigenvectors
    if eigenvalues is None or vectors is None or (_COMPONENT, _COMPONENT + 1) not in eigenspaces(eigenvalues):
        return None
    own = float(eigenvalues[_COMPONENT])
    return (own, vectors[:, _COMPONENT]) if own > DEGENERATE * float(eigenvalues[0]) else None


def _own_kernel(observation: Observation, direction: Float) -> Float:
    """Return ``d' Theta_t d`` (G,) of every network's current kernel along ``direction`` (G, N, O), by one product."""
    now, scales = observation.now, observation.snapshot.scales
    vector = torch.from_numpy(direction).to(observation.snapshot.x)
    product = tangent_product(scales, now.layers, now.space, now.space, vector.clone())
    found = (product.double() * vector.double()).sum(dim=(1, 2)) / now.kernel_scale
    return float64_array(found)
