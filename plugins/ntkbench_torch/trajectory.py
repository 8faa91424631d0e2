"""What training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """Outputs along training: E members, T recorded steps, N training points, M test points, O outputs.

    ``steps`` (T,) int64 and ``times`` (T,) float64, ``learning_rate * steps``; ``outputs`` (E, T, N, O) and
    ``outputs_test`` (E, T, M, O), None without test points, on the ensemble's device; ``diverged_at`` (E,) int64, the
    first recorded step at which a member's outputs are not finite, -1 for never: from there on they are nan.
    """

    learning_rate: float
    steps: Tensor
    times: Tensor
    outputs: Tensor
    outputs_test: Tensor | None
    diverged_at: Tensor
