"""Full-batch gradient descent of one group of networks, with outputs recorded at given steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .network import Workspace, descend, forward

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .network import Form

_BLOCK = 4096  # points evaluated at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """What a group is trained on and when it is looked at: ``x`` (N, F), ``y`` (N, O), ``x_test`` (M, F) or None."""

    x: Tensor
    y: Tensor
    x_test: Tensor | None
    learning_rate: float
    steps: int
    record_at: tuple[int, ...]


def evaluate(form: Form, layers: list[Tensor], x: Tensor) -> Tensor:
    """Return the outputs (G, M, O) on points ``x`` (M, F), in blocks that keep the activations small."""
    parts = []
    for block in torch.split(x, _BLOCK):
        parts.append(forward(form, layers, Workspace(form, len(layers[0]), block, gradients=False)))
    return torch.cat(parts, dim=1)


def train_group(
    form: Form,
    layers: list[Tensor],
    course: Course,
    *,
    on_record: Callable[[int], None],
    on_step: Callable[[], None],
) -> tuple[Tensor, Tensor | None]:
    """Train the layers in place; return the outputs on x (G, T, N, O) and on x_test (G, T, M, O).

    ``on_record(step)`` is called at recorded steps, before the networks move on; ``on_step()`` after every step.
    Nothing is read back from the device on the way: divergence is found afterwards, in the outputs.
    """
    space = Workspace(form, len(layers[0]), course.x, gradients=True)
    outputs, outputs_test = [], []
    recorded = frozenset(course.record_at)
    for step in range(course.steps + 1):
        current = forward(form, layers, space)
        if step in recorded:
            outputs.append(current.clone())
            if course.x_test is not None:
                outputs_test.append(evaluate(form, layers, course.x_test))
            on_record(step)
        if step < course.steps:
            descend(form, layers, space, course.y, course.learning_rate)
            on_step()
    return torch.stack(outputs, dim=1), torch.stack(outputs_test, dim=1) if outputs_test else None


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
