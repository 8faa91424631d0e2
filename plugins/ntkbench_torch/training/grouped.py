"""Ensembles whose members are trained in groups, one group after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ntkbench.plugin import DataError

from ..devices import check_precision, find_device, find_dtype, full_precision, products_in
from .loop import TrainingConfig, mark_divergence, train_group
from .losses import check_loss
from .options import TrainingOptions
from .trajectory import GroupRecord, Trajectory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from numpy.typing import ArrayLike
    from torch import Tensor

    from ntkbench.theory.optimizers import Optimizer

    from .loop import Records, Trainable
    from .options import TrainingKeywords

    Array = ArrayLike | Tensor


class GroupedEnsemble(ABC):
    """Members from ``first_member`` on, trained in groups.

    Every matrix product has a whole group, and member k always has slot ``k mod group``, so its numbers do not depend
    on the number of members. Slots without a member are idle.

    :raises UnavailableError: for a device that does not exist.
    :raises DataError: for a number of members, a seed or a dtype that is not valid.
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

    def _set_group_size(self, group: int) -> None:
        """Set the number of members per group; must precede drawing them."""
        self.group = group
        self._slot = self.first_member % group
        self._group_starts = range(self.first_member - self._slot, self.first_member + self.members, group)

    @property
    @abstractmethod
    def parameters(self) -> int:
        """P, the number of parameters of one member."""

    @abstractmethod
    def _networks(self, group: int) -> Trainable:
        """Return the networks of a group, idle slots included."""

    @abstractmethod
    def _redraw(self, group: int) -> Trainable:
        """Return a new copy of a group's initial networks."""

    @abstractmethod
    def _points(self, name: str, x: Array) -> Tensor:
        """Return points as a tensor.

        :raises DataError: for a shape that is not valid, naming the array.
        """

    @abstractmethod
    def _out_features(self, points: Tensor) -> int:
        """Return O, the number of outputs on these points."""

    def outputs(self, x: Array) -> Tensor:
        """Return the outputs (members, n, O) on n points ``x``, (n, F) for fully-connected networks."""
        points = self._points("x", x)
        every = range(len(self._group_starts))
        with full_precision():
            now = self._select_members(torch.cat([self._networks(group).evaluate(points) for group in every]))
            if not self.subtract_init:
                return now
            return now - self._select_members(torch.cat([self._redraw(group).evaluate(points) for group in every]))

    def train(
        self,
        x: Array,
        y: Array,
        *,
        learning_rate: float | Sequence[float],
        steps: int,
        record_at: Sequence[int] | None = None,
        x_test: Array | None = None,
        **keywords: Unpack[TrainingKeywords],
    ) -> Trajectory:
        """Train every member in place on ``C = 1/N sum_i l(f(x_i), y_i)``, by default ``l = |f - y|^2 / 2``.

        :param x: N points, (N, F) for fully-connected networks; ``y``: (N, O), or (N,) for one output; ``x_test``: M
            points whose outputs are recorded too.
        :param learning_rate: absolute, one for all members or one each; training time is ``learning_rate * steps``.
        :param record_at: steps, ascending, from 0 to ``steps``; None for the first and the last.
        :param keywords: loss, optimizer, momentum, batch_size, non_gradient, stop, precision, on_record, on_step and
            checkpoint: see :class:`.TrainingOptions`.
        :raises DataError: for shapes, rates, steps or options that are not valid.
        :raises UnavailableError: for a precision that the device does not support.
        """
        options = TrainingOptions(**keywords)
        if options.checkpoint is not None and len(self._group_starts) > 1:
            groups = f"{len(self._group_starts)} groups of {self.group} members"
            raise DataError(f"a checkpoint holds one group, this ensemble has {groups}")
        config = self._config(x, y, x_test, self._rates(learning_rate), steps, record_at, options)
        with products_in(check_precision(options.precision, self.device, self.dtype)):
            parts = [self._train_group(group, config, options) for group in range(len(self._group_starts))]
            return self._trajectory(parts, learning_rate, config.record_at)

    def _config(
        self,
        x: Array,
        y: Array,
        x_test: Array | None,
        rates: Tensor,
        steps: int,
        record_at: Sequence[int] | None,
        options: TrainingOptions,
    ) -> TrainingConfig:
        """Return the checked configuration of training, with learning rates (members,)."""
        inputs = self._points("x", x)
        return TrainingConfig(
            x=inputs,
            y=self._targets(y, inputs),
            x_test=None if x_test is None else self._points("x_test", x_test),
            learning_rate=rates,
            steps=steps,
            record_at=_recorded(record_at, steps),
            loss=check_loss(options.loss),
            optimizer=cast("Optimizer", options.optimizer),
            momentum=options.momentum,
            batch_size=options.batch_size,
            batch_seed=self.seed,
            subtract_init=self.subtract_init,
            non_gradient=options.non_gradient,
            stop=options.stop,
        )

    def _trajectory(
        self, parts: list[Records], learning_rate: float | Sequence[float], record_at: tuple[int, ...]
    ) -> Trajectory:
        """Return the members' outputs, joined over groups and without idle slots."""
        outputs = self._select_members(torch.cat([part.outputs for part in parts]))
        tested = [part.outputs_test for part in parts if part.outputs_test is not None]
        outputs_test = self._select_members(torch.cat(tested)) if tested else None
        steps = torch.tensor(record_at, dtype=torch.int64)
        return Trajectory(
            learning_rate=learning_rate,
            steps=steps,
            times=torch.as_tensor(learning_rate, dtype=torch.float64)[..., None] * steps,
            outputs=outputs,
            outputs_test=outputs_test,
            diverged_at=mark_divergence(outputs, outputs_test, steps),
            stopped_at=self._select_members(torch.cat([part.stopped_at for part in parts])),
        )

    def _train_group(self, group: int, config: TrainingConfig, options: TrainingOptions) -> Records:
        """Train one group; its idle slots have learning rate 0."""
        first, here = self._group_starts[group], self._members_of(group)
        slots = slice(here.start - first, here.stop - first)
        own = torch.zeros(self.group, dtype=torch.float64)
        own[slots] = config.learning_rate[here.start - self.first_member : here.stop - self.first_member]
        networks = self._networks(group)

        def record(step: int, outputs: Tensor, outputs_test: Tensor | None) -> None:
            tested = None if outputs_test is None else outputs_test[slots]
            layers = [tensor[slots] for tensor in networks.tensors]
            options.on_record(GroupRecord(here.start, step, layers, outputs[slots], tested))

        return train_group(
            networks,
            replace(config, learning_rate=own),
            on_record=record,
            on_step=options.on_step,
            checkpoint=options.checkpoint,
        )

    def _members_of(self, group: int) -> range:
        """Return the numbers of a group's members, without idle slots."""
        start = self._group_starts[group]
        return range(max(start, self.first_member), min(start + self.group, self.first_member + self.members))

    def _rates(self, learning_rate: float | Sequence[float]) -> Tensor:
        rates = torch.as_tensor(learning_rate, dtype=torch.float64)
        if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != self.members):
            raise DataError(f"learning_rate has shape {tuple(rates.shape)}: expected one, or {self.members} of them")
        if not bool(torch.isfinite(rates).all()) or bool((rates < 0).any()):
            raise DataError(f"learning_rate is {learning_rate}: expected finite numbers that are not negative")
        return rates.expand(self.members)

    def _locate(self, member: int) -> tuple[int, int]:
        """Return the group and the slot of the member at a position, from 0."""
        if not 0 <= member < self.members:
            raise DataError(f"member is {member}: expected 0 to {self.members - 1}")
        return divmod(self._slot + member, self.group)

    def _select_members(self, grouped: Tensor) -> Tensor:
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
        """Return an array as a tensor of the networks' dtype, on their device."""
        tensor = array.detach() if isinstance(array, torch.Tensor) else torch.from_numpy(np.array(array))
        return tensor.to(device=self.device, dtype=self.dtype)


def _recorded(record_at: Sequence[int] | None, steps: int) -> tuple[int, ...]:
    recorded = tuple(sorted({0, steps})) if record_at is None else tuple(int(step) for step in record_at)
    ascending = all(a < b for a, b in pairwise(recorded))
    if not recorded or not ascending or recorded[0] < 0 or recorded[-1] > steps:
        raise DataError(f"record_at must ascend strictly between 0 and {steps}, got {list(recorded)[:10]}")
    return recorded
