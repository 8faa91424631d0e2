"""Training of one group of networks, with outputs recorded at given steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from ntkbench.theory.minibatches import mini_batches

from .losses import cost, differentiate, non_gradient_direction

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ntkbench.theory.losses import Loss
    from ntkbench.theory.optimizers import Optimizer

    from .checkpoint import Checkpoint
    from .updates import Update

_WATCHED = ("lost", "stopped_at", "best", "best_at", "all_done")  # what of a watch changes


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When a network is done before its last step; it then stays as it is.

    As soon as its cost is at most ``loss``; or once ``patience`` steps have not brought it below ``1 - tolerance``
    times the best before them. The cost is looked at before every step, of mini-batches at recorded steps alone.
    """

    loss: float | None = None
    patience: int | None = None
    tolerance: float = 1e-3

    @property
    def ever(self) -> bool:
        """Whether anything can stop a network early."""
        return self.loss is not None or self.patience is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingConfig:
    """What a group is trained on and when it is looked at: ``x`` (N, ...), ``y`` (N, O), ``x_test`` (M, ...) or None.

    ``learning_rate`` (G,) has one per network; ``batch_size`` None for all points at every step, and else batches drawn
    without replacement, epoch by epoch, by ``batch_seed`` alone; ``centred`` networks have their initial function
    taken off; ``non_gradient`` makes the direction one that is no gradient.
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
    """G networks in training: ``tensors``, their parameters as (G, rows, columns) each, are changed in place."""

    tensors: list[Tensor]

    def load(self, x: Tensor) -> None:
        """Take the N points to train on."""

    def forward(self) -> Tensor:
        """Return the outputs (G, N, O) on the loaded points, and keep what :meth:`backward` needs."""

    def backward(self, update: Update) -> None:
        """Train, after the derivatives of the cost by the outputs have been written where the outputs were."""

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the outputs (G, M, O) on other points."""

    def update(self, optimizer: str, learning_rate: Tensor, momentum: float) -> Update:
        """Return the way of training that has a name, at learning rates (G, 1, 1)."""


class Records(NamedTuple):
    """Outputs on x (G, T, N, O) and on x_test (G, T, M, O), or None; ``stopped_at`` (G,) int64, -1 for never."""

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
    """Train networks in place and return what was recorded; from where a checkpoint left it, if there is one.

    ``on_record(step, outputs, outputs_test)`` is called at recorded steps, before the networks move on; ``on_step()``
    after every step. Only recorded steps, and stops where they are asked for, wait for the device. A network whose
    outputs are not finite at a recorded step is put to zero and left alone; the others' numbers do not depend on it.
    """
    return _Group(networks, config, checkpoint).trained(on_record, on_step)


class _Group:
    """The state of one group in training."""

    def __init__(self, networks: Trainable, config: TrainingConfig, checkpoint: Checkpoint | None) -> None:
        self.networks, self.config, self.checkpoint = networks, config, checkpoint
        rate = config.learning_rate.to(config.y)[:, None, None]
        self.update = networks.update(config.optimizer, rate, config.momentum)
        size = len(config.x) if config.batch_size is None else min(config.batch_size, len(config.x))
        self.outputs: list[Tensor] = []
        self.outputs_test: list[Tensor] = []
        self.batches = None if size == len(config.x) else mini_batches(len(config.x), size, config.batch_seed)
        networks.load(config.x[:size])
        self.watch = _Watch(config, len(config.learning_rate))
        self.offset = self.offset_test = None
        if config.subtract_init:
            self.offset = networks.evaluate(config.x)
            self.offset_test = None if config.x_test is None else networks.evaluate(config.x_test)

    def trained(self, on_record: Callable[[int, Tensor, Tensor | None], None], on_step: Callable[[], None]) -> Records:
        config, recorded = self.config, frozenset(self.config.record_at)
        first = self._restore()
        for _ in range(first):
            on_step()
        for step in range(first, config.steps + 1):
            current = self._forward() if self.batches is None else None
            if step in recorded:
                now = self._on_all() if current is None else current.clone()
                test = self._on_test()
                self._update_divergence(step, now, test)
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
            self.watch.stopped_at,
        )

    def _state(self, step: int) -> dict[str, Any]:
        """Return all that changes: what a step before ``step`` has left."""
        watch = {name: getattr(self.watch, name) for name in _WATCHED}
        update = {name: getattr(self.update, name) for name in self.update.state}
        parts = {name: getattr(self, name) for name in ("outputs", "outputs_test", "offset", "offset_test")}
        return {"step": step, "tensors": self.networks.tensors, "watch": watch, "update": update, **parts}

    def _restore(self) -> int:
        """Take up a checkpoint's state; return the step to go on with."""
        state = None if self.checkpoint is None else self.checkpoint.load(self.config.x.device)
        if state is None:
            return 0
        for tensor, kept in zip(self.networks.tensors, state.pop("tensors"), strict=True):
            tensor.copy_(kept)
        for name, value in state.pop("watch").items():
            setattr(self.watch, name, value)
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
        if self.watch.all_done:
            return
        targets = self.config.y
        if current is None:
            current, targets = self._next_batch()
        elif self.config.stop.ever:
            self._freeze_idle(self.watch.done(step, cost(self.config.loss, current, targets)))
        self.update.scale_signal(
            non_gradient_direction(differentiate(self.config.loss, current, targets), self.config.non_gradient)
        )
        self.networks.backward(self.update)

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        """Return the outputs on a batch's points, and their targets."""
        if self.batches is None:
            raise RuntimeError("all points are one batch")
        rows = torch.from_numpy(next(self.batches)).to(self.config.y.device)
        self.networks.load(self.config.x[rows])
        current = self.networks.forward()
        if self.offset is not None:
            current.sub_(self.offset[:, rows])
        return current, self.config.y[rows]

    def _update_divergence(self, step: int, now: Tensor, test: Tensor | None) -> None:
        """Put networks that are lost to zero, and stop those that mini-batches have brought to their goal."""
        finite = torch.isfinite(now).flatten(1).all(dim=1)
        if test is not None:
            finite &= torch.isfinite(test).flatten(1).all(dim=1)
        if not bool(finite.all()) and bool((lost := self.watch.mark_diverged(~finite)).any()):
            for tensor in self.networks.tensors:
                tensor.masked_fill_(lost[:, None, None], 0.0)
            self._freeze_idle(lost)
        now.masked_fill_(self.watch.lost[:, None, None], torch.nan)
        if test is not None:
            test.masked_fill_(self.watch.lost[:, None, None], torch.nan)
        if self.batches is not None and self.config.stop.ever:
            self._freeze_idle(self.watch.done(step, cost(self.config.loss, now, self.config.y)))

    def _freeze_idle(self, members: Tensor) -> None:
        if bool(members.any()):
            self.update.freeze(members)

    def _on_all(self) -> Tensor:
        now = self.networks.evaluate(self.config.x)
        return now if self.offset is None else now.sub_(self.offset)

    def _on_test(self) -> Tensor | None:
        if self.config.x_test is None:
            return None
        now = self.networks.evaluate(self.config.x_test)
        return now if self.offset_test is None else now.sub_(self.offset_test)


class _Watch:
    """Which of G networks are lost, which have reached their goal, and when."""

    def __init__(self, config: TrainingConfig, members: int) -> None:
        device = config.x.device
        self.stop = config.stop
        self.lost = torch.zeros(members, dtype=torch.bool, device=device)
        self.stopped_at = torch.full((members,), -1, dtype=torch.int64, device=device)
        self.best = torch.full((members,), torch.inf, dtype=torch.float64, device=device)
        self.best_at = torch.zeros(members, dtype=torch.int64, device=device)
        self.resting = config.learning_rate.to(device) == 0
        self.all_done = False

    def mark_diverged(self, members: Tensor) -> Tensor:
        """Note networks that are not finite; return the new ones."""
        new = members & ~self.lost
        self.lost |= new
        self._count()
        return new

    def done(self, step: int, costs: Tensor) -> Tensor:
        """Note the costs (G,) before a step; return the networks that stop here."""
        better = costs < self.best * (1 - self.stop.tolerance)
        self.best = torch.where(better, costs, self.best)
        self.best_at = torch.where(better, step, self.best_at)
        goal = torch.zeros_like(self.lost)
        if self.stop.loss is not None:
            goal |= costs <= self.stop.loss
        if self.stop.patience is not None:
            goal |= step - self.best_at >= self.stop.patience
        goal &= (self.stopped_at < 0) & ~self.lost
        self.stopped_at = torch.where(goal, step, self.stopped_at)
        self._count()
        return goal

    def _count(self) -> None:
        self.all_done = bool((self.lost | self.resting | (self.stopped_at >= 0)).all())


def mark_divergence(outputs: Tensor, outputs_test: Tensor | None, steps: Tensor) -> Tensor:
    """Return (E,) the first recorded step at which a member is not finite, -1 for never; make it nan from there on.

    A member counts as diverged as soon as an output, on training or test points, is not finite.
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
