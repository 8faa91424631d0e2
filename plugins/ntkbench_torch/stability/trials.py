"""Training runs of the same networks at rates of their own, and what they show: a loss exceeded, a goal reached."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.plugin import DataError

from ..training.losses import loss_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from ntkbench.plugin import Float
    from ntkbench.theory.losses import Loss

    from ..networks.ensemble import NetworkEnsemble
    from ..training.grouped import Array

    Flags = NDArray[np.bool_]
    Draw = Callable[[], NetworkEnsemble]

Criterion = Literal["exceeded", "reached"]
_FINEST = 16.0  # resolution, in units of the roundoff of a rate


class TrialRule:
    """What counts as exceeding the initial loss, at the steps that are ``settled`` (T,), and as reaching the goal."""

    def __init__(self, goal: float | None, goal_is: str, settled: Flags) -> None:
        if goal_is not in ("relative", "absolute"):
            raise DataError(f"goal_is is {goal_is!r}: expected 'relative' or 'absolute'")
        self._relative = goal_is == "relative"
        if goal is not None and (not (isfinite(goal) and goal > 0) or (self._relative and goal >= 1)):
            wanted = "a number between 0 and 1, exclusive" if self._relative else "a positive number"
            raise DataError(f"goal is {goal}: expected {wanted}, as goal_is is {goal_is}")
        self.has_goal = goal is not None
        self._goal, self._settled = -1.0 if goal is None else goal, settled

    def exceeded(self, losses: Float, initial: Float) -> Flags:
        """Return which losses (E, T) exceed the initial one (E,) at some settled step."""
        within = losses <= initial[:, None]  # False for nan
        return np.asarray(~within[:, self._settled].all(axis=1))

    def reached(self, losses: Float, initial: Float) -> Flags:
        """Return which losses (E, T) reach the goal at some step."""
        return np.asarray((losses <= self._goals(initial)[:, None]).any(axis=1))

    def reached_at_start(self, initial: Float) -> Flags:
        """Return which initial losses (E,) already meet the goal."""
        return np.asarray(initial <= self._goals(initial))

    def _goals(self, initial: Float) -> Float:
        return self._goal * (initial if self._relative else np.ones(len(initial)))


@dataclass(frozen=True, eq=False)
class Trial:
    """One training run of given networks at rates of their own."""

    x: Array
    y: Array
    steps: int
    recorded: tuple[int, ...]
    loss: Loss
    optimizer: str
    momentum: float

    def losses(self, ensemble: NetworkEnsemble, rates: Float) -> Float:
        """Train at absolute rates (E,); return the losses (E, T) at the recorded steps."""
        found = ensemble.train(
            self.x,
            self.y,
            learning_rate=rates.tolist(),
            steps=self.steps,
            record_at=self.recorded,
            loss=self.loss,
            optimizer=self.optimizer,
            momentum=self.momentum,
        )
        targets = ensemble.tensor(self.y).double().reshape(found.outputs.shape[2:])
        losses = torch.stack([loss_value(self.loss, outputs.double(), targets) for outputs in found.outputs])
        return np.asarray(losses.cpu().numpy(), dtype=np.float64)


class TrialRuns:
    """All training runs of the same networks, and their findings."""

    def __init__(self, draw: Draw, trial: Trial, rule: TrialRule, limit: float | ArrayLike) -> None:
        self._draw, self._trial, self._rule = draw, trial, rule
        self._next: NetworkEnsemble | None = draw()
        self.members, self._dtype = self._next.members, self._next.dtype
        given = np.asarray(limit, dtype=np.float64)
        if given.shape not in ((), (self.members,)) or not (np.isfinite(given) & (given > 0)).all():
            raise DataError(
                f"limit is {given}: expected a positive, finite learning rate, or one for each of {self.members}"
            )
        self.limit: Float = np.broadcast_to(given, self.members).copy()
        self.initial: Float = np.full(self.members, np.nan)
        self.rates: list[Float] = []
        self.exceeded: list[Flags] = []
        self.reached: list[Flags] = []

    def check_resolution(self, resolution: float) -> None:
        """Raise :class:`DataError` for a resolution below the roundoff of the networks' rates."""
        finest = _FINEST * torch.finfo(self._dtype).eps
        if resolution < finest:
            raise DataError(f"resolution is {resolution}: rates in {self._dtype} have one of {finest:.1g} at best")

    def train(self, rates: Float) -> None:
        """Train at ``rates`` (E,) in units of the limit, nan for members to leave out, and append the findings."""
        active = ~np.isnan(rates)
        if not active.any():
            return
        ensemble, self._next = self._next or self._draw(), None
        if ensemble.members != self.members:
            raise DataError(f"draw returned {ensemble.members} networks, after {self.members} before")
        losses = self._trial.losses(ensemble, np.where(active, rates, 0.0) * self.limit)
        self._check_initial(losses[:, 0])
        self.rates.append(rates)
        self.exceeded.append(active & self._rule.exceeded(losses, self.initial))
        self.reached.append(active & self._rule.reached(losses, self.initial))

    def _check_initial(self, initial: Float) -> None:
        if not np.isfinite(initial).all():
            raise DataError("the loss is not finite at the start: expected finite x and y, in the range of the dtype")
        if not self.rates:
            self.initial = initial
        elif not np.allclose(initial, self.initial, rtol=1e-6, atol=0):
            raise DataError("draw returned other networks than before, or trained ones: expected the same, as drawn")

    def sides(self, criterion: Criterion) -> tuple[Float, Flags, Flags]:
        """Return the rates (R, E) of all runs, and which are above the threshold and which are not (nan: neither)."""
        rates = np.stack(self.rates)
        above = np.stack(self.exceeded) if criterion == "exceeded" else ~np.stack(self.reached)
        return rates, above & ~np.isnan(rates), ~above & ~np.isnan(rates)

    @property
    def has_goal(self) -> bool:
        """Whether the largest trainable rate is sought."""
        return self._rule.has_goal

    @property
    def reached_at_start(self) -> Flags:
        """Which members meet the goal before they are trained, (E,)."""
        return self._rule.reached_at_start(self.initial)
