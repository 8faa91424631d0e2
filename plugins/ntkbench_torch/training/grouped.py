"""Ensembles whose members are trained in groups, one group after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ntkbench.plugin import DataError

from ..devices import check_precision, find_device, find_dtype, full_precision, products_in
from .loop import Stop, TrainingConfig, mark_divergence, train_group
from .losses import check_loss
from .trajectory import GroupRecord, Trajectory
from .updates import find_update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from ntkbench.theory.optimizers import Optimizer

    from .checkpoint import Checkpoint
    from .loop import Records, Trainable

    Array = ArrayLike | Tensor


def _ignore(*_: Any) -> None:
    return None


class GroupedEnsemble(ABC):
    """Members ``first_member ..``, in groups of a size of their own.

    Every product sees a whole group, and member k always sits in slot ``k mod group``: so its numbers cannot depend on
    how many members there are. Slots of members that do not exist are idle.

    :raises UnavailableError: for a device that is not there.
    :raises DataError: for numbers or a dtype that make no sense.
    """

    def __init__(
        self, *, members: int, seed: int, device: str, dtype: str, first_member: int, subtract_init: bool
    ) -> None:
        if members < 1 or seed < 0 or first_member < 0:
            raise DataError(
                f"expected members >= 1, seed >= 0 and first_member >= 0: got {members}, {seed} and {first_member}"
            )
        self.members, self.seed, self.first_member, self.subtract_init = members, seed, first_member, subtract_init
        self.device, self.dtype = find_device(device), find_dtype(dtype)

    def _arrange(self, group: int) -> None:
        """Settle how many members are in a group; comes before any is drawn."""
        self.group = group
        self._slot = self.first_member % group
        self._starts = range(self.first_member - self._slot, self.first_member + self.members, group)

    @property
    @abstractmethod
    def parameters(self) -> int:
        """P, the number of parameters of one member."""

    @abstractmethod
    def _networks(self, group: int) -> Trainable:
        """Return the networks of a group, all slots of it."""

    @abstractmethod
    def _drawn(self, group: int) -> Trainable:
        """Return the networks of a group as they were drawn, new."""

    @abstractmethod
    def _points(self, name: str, x: Array) -> Tensor:
        """Return points as a tensor, or say what is wrong with the array ``name``."""

    @abstractmethod
    def _out_features(self, points: Tensor) -> int:
        """Return O, the number of outputs on given points."""

    def outputs(self, x: Array) -> Tensor:
        """Return the outputs (members, n, O) on n points ``x``, (n, F) for fully-connected networks."""
        points = self._points("x", x)
        every = range(len(self._starts))
        with full_precision():
            now = self._members(torch.cat([self._networks(group).evaluate(points) for group in every]))
            if not self.subtract_init:
                return now
            return now - self._members(torch.cat([self._drawn(group).evaluate(points) for group in every]))

    def train(
        self,
        x: Array,
        y: Array,
        *,
        learning_rate: float | Sequence[float],
        steps: int,
        record_at: Sequence[int] | None = None,
        x_test: Array | None = None,
        loss: str = "squared-error",
        optimizer: str = "gradient-descent",
        momentum: float = 0.0,
        batch_size: int | None = None,
        non_gradient: float = 0.0,
        stop: Stop | None = None,
        on_record: Callable[[GroupRecord], None] = _ignore,
        on_step: Callable[[], None] = _ignore,
        checkpoint: Checkpoint | None = None,
        precision: str = "float32",
    ) -> Trajectory:
        """Train every member in place on ``C = 1/N sum_i l(f(x_i), y_i)``, by default ``l = |f - y|^2 / 2``.

        Members are trained in groups, one group after the other.

        :param x: N points, (N, F) for fully-connected networks; ``y``: (N, O), or (N,) for one output; ``x_test``: M
            points to be recorded as well.
        :param learning_rate: absolute, one for all members or one for each; training time is ``learning_rate * steps``.
        :param record_at: steps, ascending, from 0 to ``steps``; None for the first and the last.
        :param loss: a cost of :mod:`.losses`; ``optimizer``: one of :mod:`.updates`, with ``momentum`` in [0, 1) for
            heavy-ball and nesterov.
        :param batch_size: points per step, the same for all members, drawn by the seed epoch by epoch; None for all.
        :param non_gradient: s of the direction ``(1 + s S) dC/df`` (:func:`.losses.non_gradient_direction`).
        :param stop: when a member is done before its last step.
        :param on_record: called with a :class:`.GroupRecord` of a group whenever it has been recorded.
        :param on_step: called after every step of every group.
        :param checkpoint: where the one group these members are is kept on the way, and taken up from.
        :param precision: of products of float32 numbers; ``tf32`` and ``bfloat16`` are faster where a device has them.
        :raises DataError: for shapes, rates or names that make no sense.
        :raises UnavailableError: for a precision that the device does not have.
        """
        recorded = _recorded(record_at, steps)
        inputs = self._points("x", x)
        targets = self._targets(y, inputs)
        _check_training(optimizer, momentum, batch_size)
        if checkpoint is not None and len(self._starts) > 1:
            raise DataError(
                f"a checkpoint is of one group of {self.group} members, here are {len(self._starts)} groups"
            )
        tests = None if x_test is None else self._points("x_test", x_test)
        rates = self._rates(learning_rate)
        config = TrainingConfig(
            x=inputs,
            y=targets,
            x_test=tests,
            learning_rate=rates,
            steps=steps,
            record_at=recorded,
            loss=check_loss(loss),
            optimizer=cast("Optimizer", optimizer),
            momentum=momentum,
            batch_size=batch_size,
            batch_seed=self.seed,
            subtract_init=self.subtract_init,
            non_gradient=non_gradient,
            stop=stop or Stop(),
        )
        with products_in(check_precision(precision, self.device, self.dtype)):
            parts = [
                self._train_group(group, config, rates, on_record, on_step, checkpoint)
                for group in range(len(self._starts))
            ]
            outputs = self._members(torch.cat([part.outputs for part in parts]))
            tested = [part.outputs_test for part in parts if part.outputs_test is not None]
            outputs_test = self._members(torch.cat(tested)) if tested else None
            marks = torch.tensor(recorded, dtype=torch.int64)
            diverged_at = mark_divergence(outputs, outputs_test, marks)
        return Trajectory(
            learning_rate=learning_rate,
            steps=marks,
            times=torch.as_tensor(learning_rate, dtype=torch.float64)[..., None] * marks,
            outputs=outputs,
            outputs_test=outputs_test,
            diverged_at=diverged_at,
            stopped_at=self._members(torch.cat([part.stopped_at for part in parts])),
        )

    def _train_group(
        self,
        group: int,
        config: TrainingConfig,
        rates: Tensor,
        on_record: Callable[[GroupRecord], None],
        on_step: Callable[[], None],
        checkpoint: Checkpoint | None,
    ) -> Records:
        """Train one group; its idle slots learn at rate 0."""
        first, here = self._starts[group], self._here(group)
        slots = slice(here.start - first, here.stop - first)
        own = torch.zeros(self.group, dtype=torch.float64)
        own[slots] = rates[here.start - self.first_member : here.stop - self.first_member]
        networks = self._networks(group)

        def record(step: int, outputs: Tensor, outputs_test: Tensor | None) -> None:
            tested = None if outputs_test is None else outputs_test[slots]
            live = [tensor[slots] for tensor in networks.tensors]
            on_record(GroupRecord(here.start, step, live, outputs[slots], tested))

        own_course = replace(config, learning_rate=own)
        return train_group(networks, own_course, on_record=record, on_step=on_step, checkpoint=checkpoint)

    def _here(self, group: int) -> range:
        """Return the members of a group that exist."""
        start = self._starts[group]
        return range(max(start, self.first_member), min(start + self.group, self.first_member + self.members))

    def _rates(self, learning_rate: float | Sequence[float]) -> Tensor:
        rates = torch.as_tensor(learning_rate, dtype=torch.float64)
        if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != self.members):
            raise DataError(f"learning_rate has shape {tuple(rates.shape)}: expected one, or {self.members} of them")
        if not bool(torch.isfinite(rates).all()) or bool((rates < 0).any()):
            raise DataError(f"learning_rate is {learning_rate}: expected finite numbers that are not negative")
        return rates.expand(self.members)

    def _place(self, member: int) -> tuple[int, int]:
        """Return the group and the slot of the member at a position from 0."""
        if not 0 <= member < self.members:
            raise DataError(f"member {member}: there are {self.members}, counted from 0")
        return divmod(self._slot + member, self.group)

    def _members(self, grouped: Tensor) -> Tensor:
        return grouped[self._slot : self._slot + self.members]

    def _targets(self, y: Array, points: Tensor) -> Tensor:
        targets, n_outputs = self.tensor(y), self._out_features(points)
        targets = targets[:, None] if targets.ndim == 1 else targets
        if targets.ndim != 2 or targets.shape[1] != n_outputs:
            raise DataError(f"y has shape {tuple(targets.shape)}, expected (points, {n_outputs})")
        if len(points) != len(targets):
            raise DataError(f"x has {len(points)} points, y has {len(targets)}")
        return targets

    def tensor(self, array: Array) -> Tensor:
        """Return an array's numbers on the networks' device, in their type."""
        tensor = array.detach() if isinstance(array, torch.Tensor) else torch.from_numpy(np.array(array))
        return tensor.to(device=self.device, dtype=self.dtype)


def _check_training(optimizer: str, momentum: float, batch_size: int | None) -> None:
    find_update(optimizer)
    has_momentum = optimizer in ("heavy-ball", "nesterov")
    if not 0 <= momentum < 1 or (momentum and not has_momentum):
        raise DataError(f"momentum is {momentum} for {optimizer}: heavy-ball and nesterov have one in [0, 1)")
    if batch_size is not None and batch_size < 1:
        raise DataError(f"batch_size is {batch_size}: expected at least one point")


def _recorded(record_at: Sequence[int] | None, steps: int) -> tuple[int, ...]:
    recorded = tuple(sorted({0, steps})) if record_at is None else tuple(int(step) for step in record_at)
    ascending = all(a < b for a, b in pairwise(recorded))
    if not recorded or not ascending or recorded[0] < 0 or recorded[-1] > steps:
        raise DataError(f"record_at must ascend strictly between 0 and {steps}, got {list(recorded)[:10]}")
    return recorded
