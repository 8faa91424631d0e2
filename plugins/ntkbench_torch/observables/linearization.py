"""Networks' own linearizations ``f_0 + J (theta_t - theta_0)``, trained the same way (C6).

That is kernel dynamics with the network's kernel at initialization, for every pair of outputs: its coefficients are
known in closed form at every step, and its values on test points are a product with a kernel that is never formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ntkbench.dynamics import kernel_dynamics

from ..empirical_ntk.tangent_kernel import look
from ..empirical_ntk.tangent_product import tangent_product

if TYPE_CHECKING:
    from torch import Tensor

    from ntkbench.plugin import Float

    from .observation import NetworkState, Snapshot

_BLOCK = 4096  # test points at a time


def linearize(view: Snapshot, initial: NetworkState, start: tuple[Float, Float]) -> tuple[Float, Float]:
    """Return the linearizations' outputs on training points (G, N, O) and test points (G, M, O), float64.

    ``start`` is the initial function on both. Outputs are stacked into one column of N O targets, whose mean is over O
    times as many: so is the learning rate.
    """
    (points, n_outputs), y = view.y.shape, _stacked(numpy64(view.y))
    train, coefficients = np.empty_like(start[0]), np.empty_like(start[0])
    for k in range(len(train)):
        found = kernel_dynamics(
            initial.kernel[k].cpu().numpy(),
            np.eye(y.size),
            y,
            f0_train=_stacked(start[0][k]),
            f0_test=np.zeros_like(y),
            learning_rate=view.learning_rate * n_outputs,
            steps=[view.step],
            optimizer=view.optimizer,
            momentum=view.momentum,
            spectrum=initial.spectra[k],
        )
        train[k] = found.train.reshape(n_outputs, points).T
        coefficients[k] = found.test.reshape(n_outputs, points).T
    return train, start[1] + _on_test(view, initial, coefficients)


def _on_test(view: Snapshot, initial: NetworkState, coefficients: Float) -> Float:
    """Return the tangent kernel between test and training points times coefficients (G, N, O)."""
    vector, parts = torch.from_numpy(coefficients).to(view.x), []
    for block in view.x_test.split(_BLOCK):
        there = look(view.form, initial.layers, block)
        parts.append(numpy64(tangent_product(view.form, initial.layers, there, initial.space, vector)))
    return np.concatenate(parts, axis=1) / initial.scale


def _stacked(values: Float) -> Float:
    """Return values (N, O) as one column, output after output."""
    return values.T.reshape(-1, 1)


def numpy64(tensor: Tensor) -> Float:
    """Return a tensor's numbers in float64."""
    numbers: Float = tensor.double().cpu().numpy()
    return numbers
