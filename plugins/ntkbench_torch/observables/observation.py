"""Shared by all observables: a snapshot with its networks now and at initialization, and quantities of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.plugin import Measurement

from ..devices import float64_array
from ..networks.network import evaluate
from .linearization import linearize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from ntkbench.plugin import Float

    from .network_state import NetworkState
    from .snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Observation:
    """A snapshot with its networks ``now`` and at ``initial``; at step 0 both are the same object."""

    snapshot: Snapshot
    now: NetworkState
    initial: NetworkState

    @cached_property
    def finite(self) -> list[int]:
        """The positions of members whose outputs are all finite."""
        snapshot = self.snapshot
        finite = torch.isfinite(snapshot.outputs).flatten(1).all(dim=1)
        finite &= torch.isfinite(snapshot.outputs_test).flatten(1).all(dim=1)
        return [k for k, ok in enumerate(finite.tolist()) if ok]

    @cached_property
    def start(self) -> tuple[Float, Float]:
        """The initial function on training points (G, N, O) and test points (G, M, O), float64."""
        snapshot = self.snapshot
        if snapshot.subtract_init:
            return np.zeros(snapshot.outputs.shape), np.zeros(snapshot.outputs_test.shape)
        test = evaluate(snapshot.scales, snapshot.initial, snapshot.x_test)
        return float64_array(self.initial.space.outputs), float64_array(test)

    @cached_property
    def linearization(self) -> tuple[Float, Float]:
        """The linearizations' outputs on training points (G, N, O) and test points (G, M, O), float64."""
        return linearize(self.snapshot, self.initial, self.start)

    def rows(
        self,
        metric: str,
        values: Sequence[float] | Float | Tensor,
        *,
        unit: str = "1",
        split: Literal["train", "test"] | None = None,
        reference: str | None = None,
        component: int | None = None,
    ) -> Iterator[Measurement]:
        """Yield one row for every finite member from ``values`` (G,), leaving out values that are not finite."""
        numbers = values.tolist() if isinstance(values, torch.Tensor) else [float(value) for value in values]
        for k in self.finite:
            if np.isfinite(numbers[k]):
                yield Measurement(
                    metric=metric,
                    value=numbers[k],
                    unit=unit,
                    reference=reference,
                    split=split,
                    member=self.snapshot.first_member + k,
                    step=self.snapshot.step,
                    time=self.snapshot.time,
                    component=component,
                )
