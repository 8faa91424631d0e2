"""The results of training, and the record of one group at one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """Outputs along training: E members, T recorded steps, N training points, M test points, O outputs.

    * ``steps`` (T,) int64; ``times``, float64: ``learning_rate * steps``, (T,), or (E, T) with one rate per member.
    * ``outputs`` (E, T, N, O) and ``outputs_test`` (E, T, M, O) or None, on the ensemble's device.
    * ``diverged_at`` (E,) int64: the first recorded step with outputs that are not finite, -1 for never. Outputs are
      nan from there on.
    * ``stopped_at`` (E,) int64: the step at which a member stopped early, -1 for never.
    """

    learning_rate: float | Sequence[float]
    steps: Tensor
    times: Tensor
    outputs: Tensor
    outputs_test: Tensor | None
    diverged_at: Tensor
    stopped_at: Tensor


class GroupRecord(NamedTuple):
    """Members from ``first_member`` on at a recorded step: layers, not copied, and outputs (G, n, O)."""

    first_member: int
    step: int
    layers: list[Tensor]
    outputs: Tensor
    outputs_test: Tensor | None
