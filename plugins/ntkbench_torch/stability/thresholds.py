"""Learning rates up to which networks follow the kernel, and up to which they still learn (docs/theory.md, C14).

Gradient descent on a kernel with largest eigenvalue lambda is stable up to the rate ``2 N / lambda``, *the limit*
(:func:`ntkbench.theory.optimizers.stable_learning_rate`). A network has two thresholds of its own, found by bisection:

(a) ``onset``, the smallest rate at which the loss exceeds its initial value: ``C_k > C_0`` for some recorded step k
with ``settle <= k <= steps``. A loss that is not finite exceeds. Momentum overshoots even at stable rates; ``settle``
is the number of steps it needs to calm down, 1 without momentum. A loss that falls back below C_0 before ``settle`` (a
catapult) is not counted.

(b) ``largest_trainable``, the largest rate that reaches the goal: ``C_k <= goal``, or ``goal C_0``, for some recorded
step k, whatever follows.

All members are trained at ``limit * factor^j`` up to ``highest`` limits. Members that exceed at the limit are also
trained at the rates below it, until they no longer exceed, down to ``lowest``; likewise members that do not reach the
goal. The bracket is the first change going up from the limit, or from the nearest rate below it that does not exceed or
does reach; for (b), failing that, from the nearest rate above it. The bracket is then bisected in log rate.

Neither need be monotone in the rate: (b) in general, (a) where units die. What is found is the end of an interval that
is connected as far as the tried rates can tell; ``monotone`` says whether any of them contradicts a single threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, log, log1p, log2
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.plugin import DataError

from ..training.losses import check_loss, loss_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ntkbench.plugin import Float
    from ntkbench.theory.losses import Loss

    from ..networks.ensemble import NetworkEnsemble
    from ..training.grouped import Array

    Flags = NDArray[np.bool_]
    Draw = Callable[[], NetworkEnsemble]

TrialOutcome = Literal[
    "found",
    "exceeded at the lowest rate",
    "never exceeded",
    "never reached",
    "reached at the highest rate",
    "reached at the start",
    "not sought",
]
Criterion = Literal["exceeded", "reached"]
_COARSEST, _FINEST = 1.0, 16.0  # resolutions: absolute, and in units of the roundoff of a rate


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold:
    """One threshold of E networks, in units of the limit, each array (E,).

    ``lower`` and ``upper`` are the ends of the bracket. Both rates were trained at: one shows the threshold's behaviour
    and the other does not. ``value`` is the end that shows it, nan unless ``outcome`` is ``found``. Otherwise the
    bracket is open: ``upper`` is inf, ``lower`` is 0, or both are nan if nothing is known. ``monotone`` is False if
    another rate below ``lower`` or above ``upper`` contradicts a single threshold.
    """

    value: Float
    lower: Float
    upper: Float
    outcome: tuple[TrialOutcome, ...]
    monotone: Flags

    @property
    def resolution(self) -> Float:
        """The resolution reached, (E,): ``upper / lower - 1``, nan where nothing was found."""
        found = np.isfinite(self.value)
        ratio = np.divide(self.upper, self.lower, out=np.full(len(found), np.nan), where=found)
        return np.asarray(ratio - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholds:
    """Both thresholds of E networks, and the R training runs they come from.

    ``limit`` (E,) is the absolute learning rate that is the unit; ``initial_loss`` (E,). ``rates`` (R, E) are the runs'
    rates in units of the limit, nan where a member was not trained; ``exceeded`` and ``reached`` (R, E) are each run's
    findings, False where it was not trained.
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
        """R, the number of training runs."""
        return len(self.rates)


def stability_thresholds(
    draw: Draw,
    x: Array,
    y: Array,
    *,
    limit: float | ArrayLike,
    steps: int,
    settle: int,
    goal: float | None,
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
    """Find both thresholds of every network, as this module's docstring defines them; no member depends on the others.

    Takes one training run per rate of the grid and one per halving of each threshold, 21 in all by default.

    :param draw: returns the initial networks, the same ones at every call.
    :param x: (N, F); ``y``: (N, O), or (N,) for one output.
    :param limit: absolute learning rate that is the unit, one or (members,).
    :param goal: relative to each member's C_0 and below 1, or an absolute loss; None to find the onset alone.
    :param resolution: largest ``upper / lower - 1`` of a bracket.
    :param record_at: steps at which the loss is checked besides 0; None for every step.
    :param loss: as for :meth:`.NetworkEnsemble.train`, and so ``optimizer`` and ``momentum``.
    :raises DataError: for invalid numbers, shapes or names, a loss that is not finite at the start, or a ``draw`` that
        returns other networks, or trained ones.
    """
    grid = _RateGrid(resolution, lowest, highest, factor)
    recorded = _recorded_steps(steps, settle, record_at)
    rule = _Rule(goal, goal_is, np.array(recorded) >= settle)
    trial = _Trial(x, y, steps, recorded, check_loss(loss), optimizer, momentum)
    runs = _Runs(draw, trial, rule, limit)
    runs.check_resolution(resolution)
    return _search(runs, grid)


def _search(runs: _Runs, grid: _RateGrid) -> Thresholds:
    """Train at the grid's rates, bisect both thresholds, and return them with all runs."""
    _sweep(runs, grid)
    onset = _bisect(runs, grid, "exceeded")
    nothing = np.full(runs.members, np.nan)
    largest = _bisect(runs, grid, "reached") if runs.has_goal else (nothing, nothing)
    return Thresholds(
        onset=_onset(runs, *onset),
        largest_trainable=_largest_trainable(runs, *largest),
        limit=runs.limit,
        initial_loss=runs.initial,
        rates=np.stack(runs.rates),
        exceeded=np.stack(runs.exceeded),
        reached=np.stack(runs.reached),
    )


class _RateGrid:
    """The grid of rates in units of the limit, from 1 up and down, and the number of halvings of its steps."""

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
    """Return the largest j with ``factor^j <= ratio``, up to rounding."""
    return int(log(ratio) / log(factor) + 1e-9)


def _recorded_steps(steps: int, settle: int, record_at: Sequence[int] | None) -> tuple[int, ...]:
    if steps < 1 or not 0 <= settle <= steps:
        raise DataError(f"steps is {steps} and settle {settle}: expected steps >= 1 and 0 <= settle <= steps")
    recorded = sorted({0, *(range(steps + 1) if record_at is None else map(int, record_at))})
    if recorded[0] < 0 or recorded[-1] > steps or recorded[-1] < max(settle, 1):
        raise DataError(
            f"record_at goes from {recorded[0]} to {recorded[-1]}: expected steps from 0 to {steps}, "
            f"one of them {max(settle, 1)} or later"
        )
    return tuple(recorded)


class _Rule:
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
class _Trial:
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


class _Runs:
    """All training runs of the same networks, and their findings."""

    def __init__(self, draw: Draw, trial: _Trial, rule: _Rule, limit: float | ArrayLike) -> None:
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


def _sweep(runs: _Runs, grid: _RateGrid) -> None:
    """Train all members at the grid's rates from the limit up, and at those below it where needed."""
    for rate in grid.up:
        runs.train(np.full(runs.members, rate))
    needs_less, needs_goal = runs.exceeded[0].copy(), ~runs.reached[0] & runs.has_goal
    for rate in grid.down:
        active = needs_less | needs_goal
        if not active.any():
            return
        runs.train(np.where(active, rate, np.nan))
        needs_less &= runs.exceeded[-1]
        needs_goal &= ~runs.reached[-1]


def _bisect(runs: _Runs, grid: _RateGrid, criterion: Criterion) -> tuple[Float, Float]:
    """Return the ends (E,) of every member's bracket: the lower is not above the threshold, the upper is."""
    rates, above, below = runs.sides(criterion)
    ends = [_bracket(rates[:, k], above[:, k], below[:, k], criterion == "reached") for k in range(runs.members)]
    lower, upper = np.array(ends).T
    closed = np.isfinite(upper) & (lower > 0)
    for _ in range(grid.halvings if closed.any() else 0):
        middle = np.sqrt(lower * upper, out=np.full(runs.members, np.nan), where=closed)
        runs.train(middle)
        last = runs.sides(criterion)[1][-1]
        upper = np.where(closed & last, middle, upper)
        lower = np.where(closed & ~last, middle, lower)
    return lower, upper


def _bracket(rates: Float, above: Flags, below: Flags, either_side: bool) -> tuple[float, float]:
    """Return neighbouring rates (R,) of one member: the first change from ``below`` to ``above``, going up from 1.

    ``(highest, inf)`` if it is never above again. If it is above everywhere: ``(0, lowest)``, or nan twice with
    ``either_side``.
    """
    low, high = rates[below & (rates <= 1)], rates[below & (rates > 1)]
    if len(low):
        start = low.max()
    elif either_side and len(high):
        start = high.min()
    else:
        return (np.nan, np.nan) if either_side else (0.0, float(np.nanmin(rates)))
    upper = rates[above & (rates > start)].min(initial=np.inf)
    return float(rates[below & (rates < upper)].max()), float(upper)


def _onset(runs: _Runs, lower: Float, upper: Float) -> Threshold:
    outcomes: list[TrialOutcome] = [
        "exceeded at the lowest rate" if low == 0 else "never exceeded" if high == np.inf else "found"
        for low, high in zip(lower, upper, strict=True)
    ]
    return _threshold(runs, "exceeded", outcomes, value=upper, lower=lower, upper=upper)


def _largest_trainable(runs: _Runs, lower: Float, upper: Float) -> Threshold:
    done = runs.reached_at_start
    lower, upper = np.where(done, np.nan, lower), np.where(done, np.nan, upper)
    outcomes: list[TrialOutcome] = [
        "not sought"
        if not runs.has_goal
        else "reached at the start"
        if already
        else "never reached"
        if np.isnan(low)
        else "reached at the highest rate"
        if high == np.inf
        else "found"
        for already, low, high in zip(done, lower, upper, strict=True)
    ]
    return _threshold(runs, "reached", outcomes, value=lower, lower=lower, upper=upper)


def _threshold(
    runs: _Runs, criterion: Criterion, outcomes: list[TrialOutcome], *, value: Float, lower: Float, upper: Float
) -> Threshold:
    """Return a threshold whose value is nan unless it was found, checked against all runs."""
    rates, above, below = runs.sides(criterion)
    contradicts = (above & (rates <= lower)) | (below & (rates >= upper))
    return Threshold(
        value=np.where([outcome == "found" for outcome in outcomes], value, np.nan),
        lower=lower,
        upper=upper,
        outcome=tuple(outcomes),
        monotone=np.asarray(~contradicts.any(axis=0)),
    )
