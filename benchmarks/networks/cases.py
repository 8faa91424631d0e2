"""The cases measured: sizes and data. The driver and all workers import it, so it needs only numpy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES, WEIGHT_STD, BIAS_STD, RATE = 8, 2**0.5, 0.1, 0.1


@dataclass(frozen=True)
class Case:
    """Networks of ``depth`` hidden ReLU layers on ``points`` points, and how long they are trained."""

    width: int
    points: int = 128
    outputs: int = 1
    members: int = 1
    depth: int = 2
    steps: int = 1
    dtype: str = "float32"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def layers(self) -> tuple[int, ...]:
        return (FEATURES, *[self.width] * self.depth, self.outputs)

    @property
    def training_flops(self) -> float:
        """2 per weight and point for the forward pass, the backward pass (not of the first layer), and the update.

        The last step is followed by one more forward pass, which is recorded.
        """
        weights = [(a + 1) * b for a, b in zip(self.layers[:-1], self.layers[1:], strict=True)]
        step = 3 * sum(weights) - weights[0]
        return 2.0 * self.points * (self.steps * step + sum(weights)) * self.members

    def data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points (N, F) and targets (N, O), N(0, 1) each."""
        rng = np.random.default_rng(0)
        return rng.standard_normal((self.points, FEATURES)), rng.standard_normal((self.points, self.outputs))
