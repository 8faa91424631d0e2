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
from typing import TYPE_CHECKING, Literal

import numpy as np

from ntkbench.plugin import DataError

from ..training.losses import check_loss
from .bisection import RateGrid, bisect, sweep
from .trials import Trial, TrialRule, TrialRuns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ntkbench.plugin import Float

    from ..training.grouped import Array
    from .trials import Criterion, Draw, Flags

TrialOutcome = Literal[
    "found",
    "exceeded at the lowest rate",
    "never exceeded",
    "never reached",
    "reached at the highest rate",
    "reached at the start",
    "not sought",
]


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
    grid = RateGrid(resolution, lowest, highest, factor)
    recorded = _recorded_steps(steps, settle, record_at)
    rule = TrialRule(goal, goal_is, np.array(recorded) >= settle)
    trial = Trial(x, y, steps, recorded, check_loss(loss), optimizer, momentum)
    runs = TrialRuns(draw, trial, rule, limit)
    runs.check_resolution(resolution)
    return _search(runs, grid)


def _search(runs: TrialRuns, grid: RateGrid) -> Thresholds:
    """Train at the grid's rates, bisect both thresholds, and return them with all runs."""
    sweep(runs, grid)
    onset = bisect(runs, grid, "exceeded")
    nothing = np.full(runs.members, np.nan)
    largest = bisect(runs, grid, "reached") if runs.has_goal else (nothing, nothing)
    return Thresholds(
        onset=_onset(runs, *onset),
        largest_trainable=_largest_trainable(runs, *largest),
        limit=runs.limit,
        initial_loss=runs.initial,
        rates=np.stack(runs.rates),
        exceeded=np.stack(runs.exceeded),
        reached=np.stack(runs.reached),
    )


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


def _onset(runs: TrialRuns, lower: Float, upper: Float) -> Threshold:
    outcomes: list[TrialOutcome] = [
        "exceeded at the lowest rate" if low == 0 else "never exceeded" if high == np.inf else "found"
        for low, high in zip(lower, upper, strict=True)
    ]
    return _threshold(runs, "exceeded", outcomes, value=upper, lower=lower, upper=upper)


def _largest_trainable(runs: TrialRuns, lower: Float, upper: Float) -> Threshold:
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
    runs: TrialRuns, criterion: Criterion, outcomes: list[TrialOutcome], *, value: Float, lower: Float, upper: Float
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
