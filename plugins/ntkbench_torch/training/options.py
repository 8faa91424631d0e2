"""Keyword options of :meth:`.GroupedEnsemble.train`, with their defaults and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from ntkbench.plugin import DataError

from .losses import check_loss
from .stop import Stop
from .updates import find_update

if TYPE_CHECKING:
    from collections.abc import Callable

    from .checkpoint import Checkpoint
    from .trajectory import GroupRecord


def _ignore(*_: Any) -> None:
    return None


class TrainingKeywords(TypedDict, total=False):
    """The fields of :class:`TrainingOptions`, as keywords of a call."""

    loss: str
    optimizer: str
    momentum: float
    batch_size: int | None
    non_gradient: float
    stop: Stop
    precision: str
    on_record: Callable[[GroupRecord], None]
    on_step: Callable[[], None]
    checkpoint: Checkpoint | None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How an ensemble is trained, with callbacks.

    :param loss: a name in :mod:`.losses`.
    :param optimizer: a name in :mod:`.updates`; heavy-ball and nesterov have a ``momentum`` in [0, 1).
    :param batch_size: points per step, the same for all members, drawn epoch by epoch by the ensemble's seed; None for
        all points.
    :param non_gradient: s of the direction ``(1 + s S) dC/df`` (:func:`.losses.non_gradient_direction`).
    :param stop: when a member stops before the last step.
    :param precision: of float32 matrix products: ``float32``, or the faster ``tf32`` and ``bfloat16``.
    :param on_record: called with a :class:`.GroupRecord` whenever a group has been recorded.
    :param on_step: called after every step of every group.
    :param checkpoint: where to save the state of the ensemble's one group, and to resume from.
    :raises DataError: for an unknown name, a momentum that the optimizer does not allow, or a batch size below 1.
    """

    loss: str = "squared-error"
    optimizer: str = "gradient-descent"
    momentum: float = 0.0
    batch_size: int | None = None
    non_gradient: float = 0.0
    stop: Stop = field(default_factory=Stop)
    precision: str = "float32"
    on_record: Callable[[GroupRecord], None] = _ignore
    on_step: Callable[[], None] = _ignore
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        check_loss(self.loss)
        find_update(self.optimizer)
        has_momentum = self.optimizer in ("heavy-ball", "nesterov")
        if not 0 <= self.momentum < 1 or (self.momentum and not has_momentum):
            raise DataError(
                f"momentum is {self.momentum} for {self.optimizer}: only heavy-ball and nesterov have one, in [0, 1)"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise DataError(f"batch_size is {self.batch_size}: expected at least one point")
