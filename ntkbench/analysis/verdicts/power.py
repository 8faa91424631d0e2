"""What a study can decide, before anything runs: the interval it will have, and how often its verdicts come out.

Studies are simulated (:mod:`.simulated`), with the places and members that the study plans, who scatter as
:mod:`.scatter` says, and judged as measured ones are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...theory.activations import activation_facts
from ...theory.claims import expectation
from ..estimation.curve import Curve
from ..estimation.exponents import fit_exponent_of_summaries
from ..estimation.rates import correction_powers
from ..series.quantities import ALL
from .expected_rows import comparisons_planned
from .judge import ERROR
from .scatter import SCATTER
from .simulated import chance, chance_at_most, drawn_exponents, drawn_limits, smallest_holding, smallest_refuted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from ...theory.claims import Expectation
    from ..series.keys import SeriesKey
    from ..series.quantities import Quantity
    from .expected_rows import ExpectedRow, PlannedStudy
    from .simulated import Drawn


@dataclass(frozen=True)
class Power:
    """What a study can decide about a number; NaN where nothing is known of how members scatter.

    :param half_width: of the 95 % interval; the median over simulated studies.
    :param holds: the probability of "holds" if the truth is as expected; of a bound, how far beyond it the truth has to
        be for 0.8.
    :param detects: the smallest deviation that fails with probability 0.8; infinite if none up to the largest does.
    :param fails_at_most: the probability that the largest deviation fails: four times the one for which the interval
        alone would exclude the band with probability 0.8.
    """

    half_width: float
    holds: float
    detects: float
    fails_at_most: float


@dataclass(frozen=True)
class PlannedPower(Power):
    """What a study can decide about one of its quantities."""

    key: SeriesKey
    metric: str
    expectation: Expectation


_UNKNOWN = Power(*[float("nan")] * 4)


@dataclass(frozen=True)
class _Plan:
    """Where a number is measured, on how many members, and how one member's share of it scatters."""

    n: tuple[float, ...]
    members: tuple[float, ...]
    depth: int
    spread: float


def planned_power(plan: PlannedStudy, comparisons: int = 0) -> Iterator[PlannedPower]:
    """Yield what a study can decide about each quantity that it judges, negative controls apart.

    :param comparisons: m; as many as the study plans if that is more.
    """
    family = max(comparisons, comparisons_planned(plan))
    known: dict[tuple[str, _Plan, Expectation], Power] = {}
    for row in plan.expected:
        found = expectation(row.metric, row.facts, plan.claim.id)
        if found is None or not found.judged or plan.claim.is_control(row.key):
            continue
        power = _UNKNOWN
        if row.metric in SCATTER and replace(row.key, reference=None) in plan.along(ALL[row.metric].axis).keys:
            same = row.metric, _planned(plan, row), found
            if same not in known:
                known[same] = _power(*same, family)
            power = known[same]
        yield PlannedPower(**vars(power), key=row.key, metric=row.metric, expectation=found)


def _planned(plan: PlannedStudy, row: ExpectedRow) -> _Plan:
    """Return the planned cells of a row, one per place on its axis."""
    cells = plan.along(ALL[row.metric].axis)
    number = cells.keys.index(replace(row.key, reference=None))
    group: pd.DataFrame = cells.planned[cells.planned["series"] == number].drop_duplicates("x").sort_values("x")
    facts, scatter = activation_facts(row.key.activation), SCATTER[row.metric]
    return _Plan(
        n=tuple(group["x"].astype("float64")),
        members=tuple(group["members"].astype("float64")),
        depth=max(int(group["depth"].iloc[0]), 1),
        spread=scatter.smooth if facts is not None and facts.smooth else scatter.kinks,
    )


def _power(metric: str, plan: _Plan, found: Expectation, family: int) -> Power:
    fits = _drawn(metric, plan, found)
    if not fits:
        return _UNKNOWN
    ends = [fit.limits(ERROR) if found.one_sided else fit.interval(1 - ERROR) for fit in fits]
    half = float(np.median([high - low for low, high in ends])) / 2
    holds = smallest_holding(fits, found, family) if found.one_sided else chance("holds", fits, found, family)
    return Power(half, holds, smallest_refuted(fits, found, family), chance_at_most(fits, found, family))


def _drawn(metric: str, plan: _Plan, found: Expectation) -> Sequence[Drawn]:
    """Return the fits of simulated studies of a true claim; none of what is not fitted."""
    quantity, n, members = ALL[metric], np.array(plan.n), np.array(plan.members)
    tau = quantity.correction_per_layer * plan.depth
    if quantity.law == "limit":
        error = plan.spread * (n / n.min()) ** SCATTER[metric].power / np.sqrt(members)
        return drawn_limits(n, error, members, limit=found.value, powers=quantity.powers, correction=tau)
    curve = None if quantity.summary == "bias" else _curve(plan, quantity, found.value, tau)
    return [] if curve is None else drawn_exponents(curve)


def _curve(plan: _Plan, quantity: Quantity, exponent: float, tau: float) -> Curve | None:
    """Return a power law without noise; None where too few widths are large enough."""
    powers, used = correction_powers(quantity), np.array(plan.n) >= tau
    n, members = np.array(plan.n)[used], np.array(plan.members)[used]
    if quantity.summary == "ensemble":  # of a variance, errors are less well known
        value = (n / n.max()) ** exponent
        error = value * plan.spread / np.sqrt(members)
        fit = fit_exponent_of_summaries(n, value, error, members, correction=tau, powers=powers)
        return fit.curve if isinstance(fit.curve, Curve) else None
    y = exponent * np.log(n)
    spread = np.full_like(y, plan.spread**2)
    return Curve(n, y, spread, members.astype(np.int64), tau, powers=powers) if len(n) > 1 else None
