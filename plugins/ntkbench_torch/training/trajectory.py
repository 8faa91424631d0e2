"""What training leaves behind, and what can be seen of it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """Outputs along training: E members, T recorded steps, N training points, M test points, O outputs.

    ``steps`` (T,) int64 and ``times`` (T,) float64, ``learning_rate * steps``, or (E, T) where members have rates of
    their own; ``outputs`` (E, T, N, O) and ``outputs_test`` (E, T, M, O), None without test points, on the ensemble's
    device; ``diverged_at`` (E,) int64, the first recorded step at which a member's outputs are not finite, -1 for
    never: from there on they are nan; ``stopped_at`` (E,) int64, the step at which a member was done, -1 for never.
    """

    learning_rate: float | Sequence[float]
    steps: Tensor
    times: Tensor
    outputs: Tensor
    outputs_test: Tensor | None
    diverged_at: Tensor
    stopped_at: Tensor


class GroupRecord(NamedTuple):
    """Members from ``first_member`` on at a recorded step: their layers, not copied, and outputs (G, N or M, O)."""

    first_member: int
    step: int
    layers: list[Tensor]
    outputs: Tensor
    outputs_test: Tensor | None
