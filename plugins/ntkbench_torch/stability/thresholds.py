"""Up to which learning rates networks follow the kernel, and up to which they still learn (theory C14).

A kernel with largest eigenvalue lambda is trained stably up to ``2 N / lambda`` by gradient descent, *the limit*
(:func:`ntkbench.theory.optimizers.stable_learning_rate`). A network has two thresholds of its own, found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, log, log1p, log2
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.plugin import DataError

from ..training.losses import check_loss, cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ntkbench.plugin import Float

    from ..networks.ensemble import NetworkEnsemble
    from ..training.grouped import Array

    Flags = NDArray[np.bool_]

TrialOutcome = Literal[
    "found",
    "exceeded at the lowest rate",
    "never exceeded",
    "never reached",
    "reached at the highest rate",
    "reached at the start",
]
_COARSEST, _FINEST = 1.0, 16.0  # resolutions: absolute, and in units of the roundoff of a rate


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold:
    """One threshold of E networks, in units of the limit, each array (E,).

    ``lower`` and ``upper`` are the ends of the bracket, rates that were trained at: the threshold's behaviour was seen
    at one and not at the other. ``value`` is the end where it was seen, nan unless ``outcome`` is ``found``. Otherwise
    the bracket is open: ``upper`` is inf, or ``lower`` is 0, or both are nan, where nothing is known. ``monotone`` is
    False where a rate that was trained at, below ``lower`` or above ``upper``, contradicts a single threshold.
    """

    value: Float
    lower: Float
    upper: Float
    outcome: tuple[TrialOutcome, ...]
    monotone: Flags

    @property
    def resolution(self) -> Float:
        """What was reached, (E,): ``upper / lower - 1``, nan where nothing was found."""
        found = np.isfinite(self.value)
        return np.divide(self.upper, self.lower, out=np.full(len(found), np.nan), where=found) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholds:
    """Both thresholds of E networks, and all R training runs they come from.

    ``limit`` (E,) is absolute, and so is ``initial_loss`` (E,). ``rates`` (R, E) are those of the runs in units of the
    limit, nan where a member sat a run out; ``exceeded`` and ``reached`` (R, E) are what was seen, False where it sat.
    """

    onset: Threshold
    largest_trainable: Threshold
    limit: Float
    initial_loss: Float
    rates: Float
    exceeded: Flags
    reached: Flags

    @property
    def runs(self) -> int:
        """R, how often the ensemble was trained."""
        return len(self.rates)


def stability_thresholds(
    draw: Callable[[], NetworkEnsemble],
    x: Array,
    y: Array,
    *,
    limit: float | ArrayLike,
    steps: int,
    settle: int,
    goal: float,
    goal_is: Literal["relative", "absolute"] = "relative",
    resolution: float = 0.01,
    lowest: float = 0.25,
    highest: float = 16.0,
    factor: float = 2**0.5,
    record_at: Sequence[int] | None = None,
    loss: str = "squared-error",
    optimizer: str = "gradient-descent",
    momentum: float = 0.0,
) -> Thresholds:
    """Find where networks leave the kernel's stability limit behind, each at rates of its own (theory C14).

    With C_k the cost after k steps, k among the steps that are looked at:

    (a) ``onset``: the smallest rate at which ``C_k > C_0`` for a k with ``settle <= k <= steps``. A cost that is not
    finite exceeds. Momentum overshoots at stable rates: ``settle`` is what it needs to calm down, 1 without any;
    a cost that comes back below C_0 before (a catapult) goes unseen.

    (b) ``largest_trainable``: the largest rate at which ``C_k <= goal``, or ``goal C_0``, for a k up to ``steps``,
    whatever follows.

    All members are trained at ``limit * factor^j`` up to ``highest`` limits; those that exceed at the limit, or do not
    reach there, also at the rates below it until they do not, or do, down to ``lowest``. The bracket is the first
    change upwards from the limit, or from the nearest rate below it that does not exceed, or does reach; for (b) also
    from the nearest above it, if there is none. It is then bisected in log rate. (b) need not be monotone in the rate,
    nor (a) where units die: what is found is the end of an interval that is connected as far as the rates tried can
    tell, and ``monotone`` says whether they contradict it. No member's result depends on the others.

    Takes one run for each rate of the grid, and for each threshold one for each halving, 21 as a rule by default; each
    keeps the outputs of all members at all steps that are looked at.

    :param draw: returns the networks as drawn, the same ones whenever it is called.
    :param x: (N, F); ``y``: (N, O), or (N,) for one output.
    :param limit: absolute learning rate that is the unit, one or (members,): of the analytic kernel or each one's own.
    :param goal: below 1 where it is relative to each member's C_0.
    :param resolution: ``upper / lower - 1`` of a bracket, at most.
    :param record_at: steps at which the cost is looked at besides 0; None for every step.
    :param loss: as for :meth:`.NetworkEnsemble.train`, and so ``optimizer`` and ``momentum``.
    :raises DataError: for numbers, shapes or names that make no sense, costs that are not finite at the start, or a
        ``draw`` that returns other networks, or trained ones.
    """
    bounds = _Bounds(resolution, lowest, highest, factor)
    looked = _looked_at(steps, settle, record_at)
    if goal_is not in ("relative", "absolute"):
        raise DataError(f"goal_is is {goal_is!r}: expected 'relative' or 'absolute'")
    if not (isfinite(goal) and goal > 0) or (goal_is == "relative" and goal >= 1):
        wanted = "a number between 0 and 1, exclusive" if goal_is == "relative" else "a positive number"
        raise DataError(f"goal is {goal}: expected {wanted}, for one that is {goal_is}")
    name = check_loss(loss)

    def losses(ensemble: NetworkEnsemble, rates: Float) -> Float:
        """Train; return the costs (E, T)."""
        found = ensemble.train(
            x,
            y,
            learning_rate=rates.tolist(),
            steps=steps,
            record_at=looked,
            loss=name,
            optimizer=optimizer,
            momentum=momentum,
        )
        targets = ensemble.tensor(y).double().reshape(found.outputs.shape[2:])
        costs = torch.stack([cost(name, outputs.double(), targets) for outputs in found.outputs])
        return np.asarray(costs.cpu().numpy(), dtype=np.float64)

    runs = _Runs(draw, losses, limit, np.array(looked) >= settle, goal, goal_is == "relative", resolution)
    _sweep(runs, bounds)
    onset = _bisect(runs, bounds, "exceeded")
    largest = _bisect(runs, bounds, "reached")
    return Thresholds(
        onset=_onset(runs, *onset),
        largest_trainable=_largest_trainable(runs, *largest),
        limit=runs.limit,
        initial_loss=runs.initial,
        rates=np.stack(runs.rates),
        exceeded=np.stack(runs.exceeded),
        reached=np.stack(runs.reached),
    )


class _Bounds:
    """The grid of rates in units of the limit, from 1 up and down, and how often its steps are halved."""

    def __init__(self, resolution: float, lowest: float, highest: float, factor: float) -> None:
        if not 0 < resolution < _COARSEST:
            raise DataError(f"resolution is {resolution}: expected a number between 0 and {_COARSEST:g}, exclusive")
        if not (isfinite(factor) and factor > 1):
            raise DataError(f"factor is {factor}: expected a finite number above 1")
        if not (0 < lowest <= 1 <= highest and isfinite(highest)):
            raise DataError(f"rates from {lowest} to {highest} limits: expected 0 < lowest <= 1 <= highest < inf")
        self.up = factor ** np.arange(_powers(highest, factor) + 1)
        self.down = factor ** -np.arange(1, _powers(1 / lowest, factor) + 1, dtype=np.float64)
        self.halvings = max(0, ceil(log2(log(factor) / log1p(resolution)) - 1e-9))


def _powers(ratio: float, factor: float) -> int:
    """Return the largest j with ``factor^j <= ratio``, but for rounding."""
    return int(log(ratio) / log(factor) + 1e-9)


def _looked_at(steps: int, settle: int, record_at: Sequence[int] | None) -> tuple[int, ...]:
    if steps < 1 or not 0 <= settle <= steps:
        raise DataError(f"steps is {steps} and settle {settle}: expected steps >= 1 and 0 <= settle <= steps")
    looked = sorted({0, *(range(steps + 1) if record_at is None else map(int, record_at))})
    if looked[0] < 0 or looked[-1] > steps or looked[-1] < max(settle, 1):
        raise DataError(
            f"record_at goes from {looked[0]} to {looked[-1]}: expected steps from 0 to {steps}, "
            f"one of them {max(settle, 1)} or later"
        )
    return tuple(looked)


class _Runs:
    """Training runs of the same networks, and what was seen in each."""

    def __init__(
        self,
        draw: Callable[[], NetworkEnsemble],
        losses: Callable[[NetworkEnsemble, Float], Float],
        limit: float | ArrayLike,
        settled: Flags,
        goal: float,
        relative: bool,
        resolution: float,
    ) -> None:
        self._draw, self._losses, self._settled, self._goal, self._relative = draw, losses, settled, goal, relative
        self._next: NetworkEnsemble | None = draw()
        self.members = self._next.members
        finest = _FINEST * torch.finfo(self._next.dtype).eps
        if resolution < finest:
            raise DataError(f"resolution is {resolution}: rates in {self._next.dtype} have one of {finest:.1g} at best")
        given = np.asarray(limit, dtype=np.float64)
        if given.shape not in ((), (self.members,)) or not (np.isfinite(given) & (given > 0)).all():
            raise DataError(
                f"limit is {limit}: expected a positive, finite learning rate, or one for each of {self.members}"
            )
        self.limit: Float = np.broadcast_to(given, self.members).copy()
        self.initial: Float = np.full(self.members, np.nan)
        self.rates: list[Float] = []
        self.exceeded: list[Flags] = []
        self.reached: list[Flags] = []

    def look(self, rates: Float) -> None:
        """Train at ``rates`` (E,), in units of the limit, nan for members that sit this run out; note what is seen."""
        active = ~np.isnan(rates)
        if not active.any():
            return
        ensemble, self._next = self._next or self._draw(), None
        if ensemble.members != self.members:
            raise DataError(f"draw returned {ensemble.members} networks, after {self.members} before")
        losses = self._losses(ensemble, np.where(active, rates, 0.0) * self.limit)
        self._begin(losses[:, 0])
        goal = self._goal * (self.initial if self._relative else np.ones(self.members))
        within = losses <= self.initial[:, None]  # False for nan
        self.rates.append(rates)
        self.exceeded.append(active & ~within[:, self._settled].all(axis=1))
        self.reached.append(active & (losses <= goal[:, None]).any(axis=1))

    def _begin(self, initial: Float) -> None:
        if not np.isfinite(initial).all():
            raise DataError(
                "the cost is not finite at the start: expected finite x and y, of a size the dtype can hold"
            )
        if not self.rates:
            self.initial = initial
        elif not np.allclose(initial, self.initial, rtol=1e-6, atol=0):
            raise DataError("draw returned other networks than before, or trained ones: expected the same, as drawn")

    def passed(self, kind: Literal["exceeded", "reached"]) -> tuple[Float, Flags, Flags]:
        """Return the rates (R, E) of all runs, whether each is past the threshold, and whether it is not."""
        rates = np.stack(self.rates)
        past = np.stack(self.exceeded) if kind == "exceeded" else ~np.stack(self.reached)
        return rates, past & ~np.isnan(rates), ~past & ~np.isnan(rates)

    @property
    def done(self) -> Flags:
        """Whether a member has met its goal before it is trained, (E,)."""
        return self.initial <= (self._goal * self.initial if self._relative else self._goal)


def _sweep(runs: _Runs, bounds: _Bounds) -> None:
    """Train all members at the grid's rates from the limit up, and where need be at those below it."""
    for rate in bounds.up:
        runs.look(np.full(runs.members, rate))
    needs_less, needs_goal = runs.exceeded[0].copy(), ~runs.reached[0]
    for rate in bounds.down:
        active = needs_less | needs_goal
        if not active.any():
            return
        runs.look(np.where(active, rate, np.nan))
        needs_less &= runs.exceeded[-1]
        needs_goal &= ~runs.reached[-1]


def _bisect(runs: _Runs, bounds: _Bounds, kind: Literal["exceeded", "reached"]) -> tuple[Float, Float]:
    """Return the ends (E,) of every member's bracket: not past the threshold at the lower, past it at the upper."""
    rates, past, before = runs.passed(kind)
    ends = [_bracket(rates[:, k], past[:, k], before[:, k], kind == "reached") for k in range(runs.members)]
    lower, upper = np.array(ends).T
    closed = np.isfinite(upper) & (lower > 0)
    for _ in range(bounds.halvings if closed.any() else 0):
        middle = np.sqrt(lower * upper, out=np.full(runs.members, np.nan), where=closed)
        runs.look(middle)
        last = runs.passed(kind)[1][-1]
        upper = np.where(closed & last, middle, upper)
        lower = np.where(closed & ~last, middle, lower)
    return lower, upper


def _bracket(rates: Float, past: Flags, before: Flags, either_side: bool) -> tuple[float, float]:
    """Return neighbouring rates (R,) of one member: the first change from ``before`` to ``past``, upwards from 1.

    ``(highest, inf)`` where it is not past any more; where it is past everywhere, ``(0, lowest)``, or, for
    ``either_side``, nan twice.
    """
    below, above = rates[before & (rates <= 1)], rates[before & (rates > 1)]
    if len(below):
        start = below.max()
    elif either_side and len(above):
        start = above.min()
    else:
        return (np.nan, np.nan) if either_side else (0.0, float(np.nanmin(rates)))
    upper = rates[past & (rates > start)].min(initial=np.inf)
    return float(rates[before & (rates < upper)].max()), float(upper)


def _onset(runs: _Runs, lower: Float, upper: Float) -> Threshold:
    outcomes: list[TrialOutcome] = [
        "exceeded at the lowest rate" if low == 0 else "never exceeded" if high == np.inf else "found"
        for low, high in zip(lower, upper, strict=True)
    ]
    value = np.where([outcome == "found" for outcome in outcomes], upper, np.nan)
    return Threshold(
        value=value,
        lower=lower,
        upper=upper,
        outcome=tuple(outcomes),
        monotone=_monotone(runs, "exceeded", lower, upper),
    )


def _largest_trainable(runs: _Runs, lower: Float, upper: Float) -> Threshold:
    lower, upper = np.where(runs.done, np.nan, lower), np.where(runs.done, np.nan, upper)
    outcomes: list[TrialOutcome] = [
        "reached at the start"
        if done
        else "never reached"
        if np.isnan(low)
        else "reached at the highest rate"
        if high == np.inf
        else "found"
        for done, low, high in zip(runs.done, lower, upper, strict=True)
    ]
    value = np.where([outcome == "found" for outcome in outcomes], lower, np.nan)
    return Threshold(
        value=value,
        lower=lower,
        upper=upper,
        outcome=tuple(outcomes),
        monotone=_monotone(runs, "reached", lower, upper),
    )


def _monotone(runs: _Runs, kind: Literal["exceeded", "reached"], lower: Float, upper: Float) -> Flags:
    """Return (E,) whether every run agrees with a threshold between ``lower`` and ``upper``."""
    rates, past, before = runs.passed(kind)
    against = (past & (rates <= lower)) | (before & (rates >= upper))
    return ~against.any(axis=0)
