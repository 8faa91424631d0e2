"""The state of some members at one recorded step, which training passes to the observables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ntkbench.plugin import Solution
    from ntkbench.theory.losses import Loss
    from ntkbench.theory.optimizers import Optimizer

    from ..networks.network import LayerScales


@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshot:
    """G members of one group at one recorded step.

    ``layers``, now, and ``initial``, as drawn: (G, n_l + 1, n_{l+1}) each. ``x`` (N, F), ``y`` (N, O), ``x_test``
    (M, F). ``outputs`` (G, N, O) and ``outputs_test`` (G, M, O), minus the initial function if ``subtract_init``.
    ``last`` marks the last recorded step.
    """

    scales: LayerScales
    layers: list[Tensor]
    initial: list[Tensor]
    x: Tensor
    y: Tensor
    x_test: Tensor
    outputs: Tensor
    outputs_test: Tensor
    first_member: int
    step: int
    time: float
    learning_rate: float
    last: bool
    optimizer: Optimizer = "gradient-descent"
    momentum: float = 0.0
    loss: Loss = "squared-error"
    batch_size: int | None = None
    subtract_init: bool = False
    slice_at: int = 0
    references: Mapping[str, Solution]

    def select(self, members: slice) -> Snapshot:
        """Return the snapshot of some of the members."""
        return replace(
            self,
            layers=[layer[members] for layer in self.layers],
            initial=[layer[members] for layer in self.initial],
            outputs=self.outputs[members],
            outputs_test=self.outputs_test[members],
            first_member=self.first_member + members.start,
        )
