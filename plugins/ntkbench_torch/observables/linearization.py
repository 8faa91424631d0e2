"""Each network's linearization ``f_0 + J (theta_t - theta_0)``, trained in the same way (docs/theory.md, C6).

This is kernel dynamics with the network's own initial kernel of all outputs. The coefficients at any step have a closed
form; outputs on test points take a product with a kernel, which is never formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ntkbench.dynamics import kernel_dynamics

from ..devices import float64_array
from ..empirical_ntk.tangent_kernel import propagate
from ..empirical_ntk.tangent_product import tangent_product

if TYPE_CHECKING:
    from ntkbench.plugin import Float

    from .network_state import NetworkState
    from .snapshot import Snapshot

_BLOCK = 4096  # test points per block


def linearize(snapshot: Snapshot, initial: NetworkState, start: tuple[Float, Float]) -> tuple[Float, Float]:
    """Return the linearizations' outputs on training points (G, N, O) and test points (G, M, O), float64.

    :param start: the initial function on both. The outputs are stacked into one column of N O targets; the mean over
        these divides by O too, so the learning rate is multiplied by O.
    """
    (points, n_outputs), y = snapshot.y.shape, _stacked(float64_array(snapshot.y))
    train, coefficients = np.empty_like(start[0]), np.empty_like(start[0])
    for k in range(len(train)):
        found = kernel_dynamics(
            initial.kernel[k].cpu().numpy(),
            np.eye(y.size),
            y,
            f0_train=_stacked(start[0][k]),
            f0_test=np.zeros_like(y),
            learning_rate=snapshot.learning_rate * n_outputs,
            steps=[snapshot.step],
            optimizer=snapshot.optimizer,
            momentum=snapshot.momentum,
            spectrum=initial.spectrum(k),
        )
        train[k] = found.train.reshape(n_outputs, points).T
        coefficients[k] = found.test.reshape(n_outputs, points).T
    return train, start[1] + _on_test(snapshot, initial, coefficients)


def _on_test(snapshot: Snapshot, initial: NetworkState, coefficients: Float) -> Float:
    """Return the tangent kernel between test and training points times coefficients (G, N, O)."""
    vector, parts = torch.from_numpy(coefficients).to(snapshot.x), []
    for block in torch.split(snapshot.x_test, _BLOCK):
        there = propagate(snapshot.scales, initial.layers, block)
        parts.append(float64_array(tangent_product(snapshot.scales, initial.layers, there, initial.space, vector)))
    return np.concatenate(parts, axis=1) / initial.kernel_scale


def _stacked(values: Float) -> Float:
    """Return values (N, O) as one column, output after output."""
    return values.T.reshape(-1, 1)
