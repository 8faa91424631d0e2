"""Training of one group of networks, recording outputs at given steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from ntkbench.theory.minibatches import mini_batches

from .losses import differentiate, loss_value, non_gradient_direction
from .stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ntkbench.theory.losses import Loss
    from ntkbench.theory.optimizers import Optimizer

    from .checkpoint import Checkpoint
    from .updates import Update

_STATUS_FIELDS = (
    "diverged",
    "stopped_at",
    "best_loss",
    "best_step",
    "all_done",
)  # saved in checkpoints


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingConfig:
    """How a group is trained and when it is recorded: ``x`` (N, ...), ``y`` (N, O), ``x_test`` (M, ...) or None.

    ``learning_rate`` (G,) has one value per network. ``batch_size`` None means all points at every step; otherwise
    batches are drawn without replacement, epoch by epoch, from ``batch_seed`` alone. With ``subtract_init`` the trained
    function is ``f - f_0``. ``non_gradient``: see :func:`.losses.non_gradient_direction`.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor | None
    learning_rate: Tensor
    steps: int
    record_at: tuple[int, ...]
    loss: Loss = "squared-error"
    optimizer: Optimizer = "gradient-descent"
    momentum: float = 0.0
    batch_size: int | None = None
    batch_seed: int = 0
    subtract_init: bool = False
    non_gradient: float = 0.0
    stop: Stop = field(default_factory=Stop)


class Trainable(Protocol):
    """G networks that can be trained; ``tensors``, their parameters (G, rows, columns), are updated in place."""

    tensors: list[Tensor]

    def load(self, x: Tensor) -> None:
        """Set the N training points."""

    def forward(self) -> Tensor:
        """Return the outputs (G, N, O) on the loaded points, keeping what :meth:`backward` needs."""

    def backward(self, update: Update) -> None:
        """Update the networks; the outputs must have been replaced by the derivatives of the loss."""

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the outputs (G, M, O) on other points."""

    def update(self, optimizer: str, learning_rate: Tensor, momentum: float) -> Update:
        """Return the named optimizer's update rule at learning rates (G, 1, 1)."""


class Records(NamedTuple):
    """Outputs on x (G, T, N, O) and on x_test (G, T, M, O) or None; ``stopped_at`` (G,) int64, -1 for never."""

    outputs: Tensor
    outputs_test: Tensor | None
    stopped_at: Tensor


def train_group(
    networks: Trainable,
    config: TrainingConfig,
    *,
    on_record: Callable[[int, Tensor, Tensor | None], None],
    on_step: Callable[[], None],
    checkpoint: Checkpoint | None = None,
) -> Records:
    """Train networks in place and return the recorded outputs; resume from the checkpoint if it has a state.

    ``on_record(step, outputs, outputs_test)`` is called at recorded steps, before the next update; ``on_step()`` after
    every step. Only recorded steps and checks for early stopping synchronize with the device. A network whose outputs
    are not finite at a recorded step is set to zero and no longer trained; the others do not depend on it.
    """
    return _Group(networks, config, checkpoint).train(on_record, on_step)


class _Group:
    """One group in training."""

    def __init__(self, networks: Trainable, config: TrainingConfig, checkpoint: Checkpoint | None) -> None:
        self.networks, self.config, self.checkpoint = networks, config, checkpoint
        rate = config.learning_rate.to(config.y)[:, None, None]
        self.update = networks.update(config.optimizer, rate, config.momentum)
        size = len(config.x) if config.batch_size is None else min(config.batch_size, len(config.x))
        self.outputs: list[Tensor] = []
        self.outputs_test: list[Tensor] = []
        self.batches = None if size == len(config.x) else mini_batches(len(config.x), size, config.batch_seed)
        networks.load(config.x[:size])
        self.status = _MemberStatus(config, len(config.learning_rate))
        self.offset = self.offset_test = None
        if config.subtract_init:
            self.offset = networks.evaluate(config.x)
            self.offset_test = None if config.x_test is None else networks.evaluate(config.x_test)

    def train(self, on_record: Callable[[int, Tensor, Tensor | None], None], on_step: Callable[[], None]) -> Records:
        config, recorded = self.config, frozenset(self.config.record_at)
        first = self._restore()
        for _ in range(first):
            on_step()
        for step in range(first, config.steps + 1):
            current = self._forward() if self.batches is None else None
            if step in recorded:
                now = self._outputs() if current is None else current.clone()
                test = self._outputs_test()
                self._handle_divergence(now, test)
                if self.batches is not None and config.stop.ever:
                    self._freeze(self.status.mark_stopped(step, loss_value(config.loss, now, config.y)))
                self.outputs.append(now)
                self.outputs_test += [] if test is None else [test]
                on_record(step, now, test)
            if step < config.steps:
                self._step(step, current)
                on_step()
            if self.checkpoint is not None and step < config.steps and self.checkpoint.due():
                self.checkpoint.save(self._state(step + 1))
        return Records(
            torch.stack(self.outputs, dim=1),
            torch.stack(self.outputs_test, dim=1) if self.outputs_test else None,
            self.status.stopped_at,
        )

    def _state(self, step: int) -> dict[str, Any]:
        """Return everything that training changes, as it is before ``step``."""
        status = {name: getattr(self.status, name) for name in _STATUS_FIELDS}
        update = {name: getattr(self.update, name) for name in self.update.state}
        parts = {name: getattr(self, name) for name in ("outputs", "outputs_test", "offset", "offset_test")}
        return {"step": step, "tensors": self.networks.tensors, "status": status, "update": update, **parts}

    def _restore(self) -> int:
        """Load a checkpoint's state, if there is one; return the next step."""
        state = None if self.checkpoint is None else self.checkpoint.load(self.config.x.device)
        if state is None:
            return 0
        for tensor, kept in zip(self.networks.tensors, state.pop("tensors"), strict=True):
            tensor.copy_(kept)
        for name, value in state.pop("status").items():
            setattr(self.status, name, value)
        for name, value in state.pop("update").items():
            setattr(self.update, name, value)
        step = int(state.pop("step"))
        for name, value in state.items():
            setattr(self, name, value)
        for _ in range(step if self.batches is not None else 0):
            next(self.batches)  # type: ignore[arg-type]
        return step

    def _forward(self) -> Tensor:
        current = self.networks.forward()
        return current if self.offset is None else current.sub_(self.offset)

    def _step(self, step: int, current: Tensor | None) -> None:
        if self.status.all_done:
            return
        targets = self.config.y
        if current is None:
            current, targets = self._next_batch()
        elif self.config.stop.ever:
            self._freeze(self.status.mark_stopped(step, loss_value(self.config.loss, current, targets)))
        direction = differentiate(self.config.loss, current, targets)
        self.update.scale_signal(non_gradient_direction(direction, self.config.non_gradient))
        self.networks.backward(self.update)

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        """Return the outputs on the next batch's points, and their targets."""
        if self.batches is None:
            raise RuntimeError("all points are one batch")
        rows = torch.from_numpy(next(self.batches)).to(self.config.y.device)
        self.networks.load(self.config.x[rows])
        current = self.networks.forward()
        if self.offset is not None:
            current.sub_(self.offset[:, rows])
        return current, self.config.y[rows]

    def _handle_divergence(self, now: Tensor, test: Tensor | None) -> None:
        """Set networks with non-finite outputs to zero and freeze them; their recorded outputs become nan."""
        finite = torch.isfinite(now).flatten(1).all(dim=1)
        if test is not None:
            finite &= torch.isfinite(test).flatten(1).all(dim=1)
        if not bool(finite.all()) and bool((diverged := self.status.mark_diverged(~finite)).any()):
            for tensor in self.networks.tensors:
                tensor.masked_fill_(diverged[:, None, None], 0.0)
            self._freeze(diverged)
        now.masked_fill_(self.status.diverged[:, None, None], torch.nan)
        if test is not None:
            test.masked_fill_(self.status.diverged[:, None, None], torch.nan)

    def _freeze(self, members: Tensor) -> None:
        if bool(members.any()):
            self.update.freeze(members)

    def _outputs(self) -> Tensor:
        now = self.networks.evaluate(self.config.x)
        return now if self.offset is None else now.sub_(self.offset)

    def _outputs_test(self) -> Tensor | None:
        if self.config.x_test is None:
            return None
        now = self.networks.evaluate(self.config.x_test)
        return now if self.offset_test is None else now.sub_(self.offset_test)


class _MemberStatus:
    """Which of G networks have diverged or stopped, and each one's best loss so far."""

    def __init__(self, config: TrainingConfig, members: int) -> None:
        device = config.x.device
        self.stop = config.stop
        self.diverged = torch.zeros(members, dtype=torch.bool, device=device)
        self.stopped_at = torch.full((members,), -1, dtype=torch.int64, device=device)
        self.best_loss = torch.full((members,), torch.inf, dtype=torch.float64, device=device)
        self.best_step = torch.zeros(members, dtype=torch.int64, device=device)
        self.untrained = config.learning_rate.to(device) == 0
        self.all_done = False

    def mark_diverged(self, members: Tensor) -> Tensor:
        """Mark networks as diverged; return those that were not yet."""
        new = members & ~self.diverged
        self.diverged |= new
        self._update_all_done()
        return new

    def mark_stopped(self, step: int, losses: Tensor) -> Tensor:
        """Update the best losses from the losses (G,) before a step; return the networks that stop here."""
        better = losses < self.best_loss * (1 - self.stop.tolerance)
        self.best_loss = torch.where(better, losses, self.best_loss)
        self.best_step = torch.where(better, step, self.best_step)
        stopping = torch.zeros_like(self.diverged)
        if self.stop.loss is not None:
            stopping |= losses <= self.stop.loss
        if self.stop.patience is not None:
            stopping |= step - self.best_step >= self.stop.patience
        stopping &= (self.stopped_at < 0) & ~self.diverged
        self.stopped_at = torch.where(stopping, step, self.stopped_at)
        self._update_all_done()
        return stopping

    def _update_all_done(self) -> None:
        self.all_done = bool((self.diverged | self.untrained | (self.stopped_at >= 0)).all())


def mark_divergence(outputs: Tensor, outputs_test: Tensor | None, steps: Tensor) -> Tensor:
    """Return (E,) the first recorded step at which a member has diverged, -1 for never; sets nan from there on.

    A member has diverged once any of its outputs, on training or test points, is not finite.
    """
    finite = torch.isfinite(outputs).flatten(2).all(dim=2)
    if outputs_test is not None:
        finite &= torch.isfinite(outputs_test).flatten(2).all(dim=2)
    alive = finite.to(torch.int64).cumprod(dim=1).to(torch.bool)
    for array in (outputs, outputs_test):
        if array is not None:
            array.masked_fill_(~alive[:, :, None, None], torch.nan)
    count = alive.sum(dim=1)
    steps = steps.to(outputs.device)
    return torch.where(count == len(steps), -1, steps[count.clamp(max=len(steps) - 1)])
