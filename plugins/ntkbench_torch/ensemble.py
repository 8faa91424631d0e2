"""Ensembles of finite networks: the public face of this package."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from ntkbench.errors import DataError, UnavailableError

from .devices import find_device, find_dtype, full_precision
from .initialization import draw_layer
from .layout import group_size, parameter_count
from .losses import check_loss
from .network import Form, empty_layers
from .plugin import supports
from .tangent_kernel import tangent_kernel
from .training import Course, Stop, evaluate, mark_divergence, train_group
from .trajectory import Snapshot, Trajectory
from .updates import find_update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from ntkbench.architecture import Architecture
    from ntkbench.optimizers import Optimizer

    from .checkpoint import Checkpoint
    from .network import TrainedLayers
    from .training import Records

    Array = ArrayLike | Tensor


def _ignore(*_: Any) -> None:
    return None


class NetworkEnsemble:
    """Networks of one architecture and width, drawn at random and trained at once.

    Member k depends on ``(seed, width, k)`` alone, up to the shapes of its layers: not on the device, the other members
    or their number. It is drawn on the CPU in float64; its float32 version is that network rounded.

    :param architecture: depth, activation, weight_std, bias_std, parameterization.
    :param width: of every hidden layer, or one int per hidden layer; not looked at without hidden layers.
    :param first_member: k of the first member.
    :param output_scale: alpha: the network is alpha times the architecture's, trained at a learning rate over alpha^2
        (claim C17); ``centred``: less its own initial function, ``alpha (h - h_0)``.
    :param trained_layers: ``all``, or ``last``: the readout alone (claim C16).
    :raises UnavailableError: for an architecture or a device that is not supported here.
    :raises DataError: for widths or a dtype that make no sense.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        in_features: int,
        out_features: int,
        width: int | Sequence[int] | None,
        members: int,
        seed: int,
        device: str = "cpu",
        dtype: str = "float32",
        first_member: int = 0,
        output_scale: float = 1.0,
        centred: bool = False,
        trained_layers: TrainedLayers = "all",
    ) -> None:
        if reason := supports(architecture):
            raise UnavailableError(f"backend torch: {reason}")
        if members < 1 or seed < 0 or first_member < 0:
            raise DataError(f"expected members >= 1, seed >= 0: got {members} and {seed}")
        widths = width if width is None or isinstance(width, int) else tuple(width)
        if not (isfinite(output_scale) and output_scale > 0):
            raise DataError(f"output_scale is {output_scale}: expected a positive number")
        if trained_layers not in ("all", "last"):
            raise DataError(f"trained_layers is {trained_layers!r}: expected 'all' or 'last'")
        self.form = Form.of(
            architecture,
            in_features,
            widths,
            out_features,
            output_scale=output_scale,
            trained_layers=trained_layers,
        )
        self.centred = centred
        self.architecture, self.members, self.seed, self.first_member = architecture, members, seed, first_member
        self.device, self.dtype = find_device(device), find_dtype(dtype)
        self.group = group_size(self.form.layers, self.device.type)
        self._slot = first_member % self.group
        self._groups = [
            self._draw(start) for start in range(first_member - self._slot, first_member + members, self.group)
        ]

    @property
    def parameters(self) -> int:
        """P, the number of parameters of one member."""
        return parameter_count(self.form.layers)

    def layers(self) -> list[Tensor]:
        """Return every member's layers (members, n_l + 1, n_{l+1}), the bias as last row; views where they can be."""
        if len(self._groups) == 1:
            return [self._members(layer) for layer in self._groups[0]]
        return [self._members(torch.cat(parts)) for parts in zip(*self._groups, strict=True)]

    def outputs(self, x: Array) -> Tensor:
        """Return the outputs (members, n, O) on points ``x`` (n, F)."""
        points = self._points("x", x)
        with full_precision():
            now = self._members(torch.cat([evaluate(self.form, layers, points) for layers in self._groups]))
            if not self.centred:
                return now
            drawn = (self._draw(self._start(group)) for group in range(len(self._groups)))
            return now - self._members(torch.cat([evaluate(self.form, layers, points) for layers in drawn]))

    def ntk(
        self,
        x1: Array,
        x2: Array | None = None,
        outputs: Literal["mean", "all"] = "mean",
        *,
        member: int | None = None,
    ) -> Tensor:
        """Return the empirical tangent kernel of every member between ``x1`` (n1, F) and ``x2`` (n2, F).

        :param x2: None for ``x1`` again.
        :param outputs: ``mean``, (members, n1, n2): the mean over outputs of the kernel of each output with itself,
            whose limit is the analytic kernel; ``all``, (members, n1, n2, O, O): of every output with every other.
        :param member: position of the one member to look at, (1, ...); None for all.
        """
        if outputs not in ("mean", "all"):
            raise DataError(f"outputs is {outputs!r}: expected 'mean' or 'all'")
        left, right = self._points("x1", x1), None if x2 is None else self._points("x2", x2)
        full = outputs == "all"
        with full_precision():
            if member is not None:
                return tangent_kernel(self.form, self._layers_of(member), left, right, full=full)
            parts = [tangent_kernel(self.form, layers, left, right, full=full) for layers in self._groups]
            return self._members(torch.cat(parts))

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
        stop: Stop | None = None,
        on_record: Callable[[Snapshot], None] = _ignore,
        on_step: Callable[[], None] = _ignore,
        checkpoint: Checkpoint | None = None,
    ) -> Trajectory:
        """Train every member in place on ``C = 1/N sum_i l(f(x_i), y_i)``, by default ``l = |f - y|^2 / 2``.

        Members are trained in groups, one group after the other.

        :param x: (N, F); ``y``: (N, O), or (N,) for one output; ``x_test``: (M, F), to be recorded as well.
        :param learning_rate: absolute, one for all members or one for each; training time is ``learning_rate * steps``.
        :param record_at: steps, ascending, from 0 to ``steps``; None for the first and the last.
        :param loss: a cost of :mod:`.losses`; ``optimizer``: one of :mod:`.updates`, with ``momentum`` in [0, 1) for
            heavy-ball and nesterov.
        :param batch_size: points per step, the same for all members, drawn by the seed epoch by epoch; None for all.
        :param stop: when a member is done before its last step.
        :param on_record: called with a :class:`.Snapshot` of a group whenever it has been recorded.
        :param on_step: called after every step of every group.
        :param checkpoint: where the one group these members are is kept on the way, and taken up from.
        :raises DataError: for shapes, rates or names that make no sense.
        """
        recorded = _recorded(record_at, steps)
        inputs, targets = self._points("x", x), self._targets(y)
        if len(inputs) != len(targets):
            raise DataError(f"x has {len(inputs)} points, y has {len(targets)}")
        _check_training(optimizer, momentum, batch_size)
        if checkpoint is not None and len(self._groups) > 1:
            raise DataError(
                f"a checkpoint is of one group of {self.group} members, here are {len(self._groups)} groups"
            )
        tests = None if x_test is None else self._points("x_test", x_test)
        rates = self._rates(learning_rate)
        course = Course(
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
            centred=self.centred,
            stop=stop or Stop(),
        )
        with full_precision():
            parts = [
                self._train_group(group, course, rates, on_record, on_step, checkpoint)
                for group in range(len(self._groups))
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
        course: Course,
        rates: Tensor,
        on_record: Callable[[Snapshot], None],
        on_step: Callable[[], None],
        checkpoint: Checkpoint | None,
    ) -> Records:
        """Train one group; its idle slots learn at rate 0."""
        first = self._start(group)
        here = range(max(first, self.first_member), min(first + self.group, self.first_member + self.members))
        slots = slice(here.start - first, here.stop - first)
        own = torch.zeros(self.group, dtype=torch.float64)
        own[slots] = rates[here.start - self.first_member : here.stop - self.first_member]
        layers = self._groups[group]

        def record(step: int, outputs: Tensor, outputs_test: Tensor | None) -> None:
            tested = None if outputs_test is None else outputs_test[slots]
            live = [layer[slots] for layer in layers]
            on_record(Snapshot(here.start, step, live, outputs[slots], tested))

        own_course = replace(course, learning_rate=own)
        return train_group(self.form, layers, own_course, on_record=record, on_step=on_step, checkpoint=checkpoint)

    def _start(self, group: int) -> int:
        """Return the first member that a group has room for."""
        return self.first_member - self._slot + group * self.group

    def _rates(self, learning_rate: float | Sequence[float]) -> Tensor:
        rates = torch.as_tensor(learning_rate, dtype=torch.float64)
        if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != self.members):
            raise DataError(f"learning_rate has shape {tuple(rates.shape)}: expected one, or {self.members} of them")
        if not bool(torch.isfinite(rates).all()) or bool((rates < 0).any()):
            raise DataError(f"learning_rate is {learning_rate}: expected finite numbers that are not negative")
        return rates.expand(self.members)

    def _draw(self, start: int) -> list[Tensor]:
        """Draw the members of a group that exist; the idle ones at either end are networks of zeros."""
        layers = empty_layers(self.form, self.group, self.device, self.dtype)
        existing = range(max(start, self.first_member), min(start + self.group, self.first_member + self.members))
        for member in existing:
            for index, layer in enumerate(layers):
                draw_layer(
                    layer[member - start], seed=self.seed, widths=self.form.layers[1:-1], layer=index, member=member
                )
        return layers

    def _layers_of(self, member: int) -> list[Tensor]:
        if not 0 <= member < self.members:
            raise DataError(f"member {member}: there are {self.members}, counted from 0")
        group, slot = divmod(self._slot + member, self.group)
        return [layer[slot : slot + 1] for layer in self._groups[group]]

    def _members(self, grouped: Tensor) -> Tensor:
        return grouped[self._slot : self._slot + self.members]

    def _points(self, name: str, x: Array) -> Tensor:
        points = self.tensor(x)
        if points.ndim != 2 or points.shape[1] != self.form.layers[0]:
            raise DataError(f"{name} has shape {tuple(points.shape)}, expected (points, {self.form.layers[0]})")
        return points

    def _targets(self, y: Array) -> Tensor:
        targets = self.tensor(y)
        targets = targets[:, None] if targets.ndim == 1 else targets
        if targets.ndim != 2 or targets.shape[1] != self.form.layers[-1]:
            raise DataError(f"y has shape {tuple(targets.shape)}, expected (points, {self.form.layers[-1]})")
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
