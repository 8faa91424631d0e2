"""Early stopping."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When a network stops training before the last step; its parameters then stay as they are.

    It stops once its loss is at most ``loss``, or once ``patience`` steps have not brought the loss below
    ``1 - tolerance`` times the best before them. The loss is checked before every step, with mini-batches only at
    recorded steps.
    """

    loss: float | None = None
    patience: int | None = None
    tolerance: float = 1e-3

    @property
    def ever(self) -> bool:
        """Whether anything can stop a network early."""
        return self.loss is not None or self.patience is not None
