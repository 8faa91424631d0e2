"""What a study can decide, before anything runs: the interval it will have, and what that interval decides.

Each judged quantity is fitted to noise-free numbers as the claim expects them, with the members that the study plans,
who scatter as :mod:`.scatter` says. So the interval, and what it can refute, come from the same code as verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from ...theory.activations import activation_facts
from ...theory.claims import expectation
from ..estimation.curve import Curve
from ..estimation.exponents import exponent_of
from ..estimation.limits import fit_limit
from ..estimation.rates import correction_powers
from ..series.quantities import ALL
from .expected_rows import comparisons_planned
from .judge import ERROR, POWER, minimum_detectable_deviation
from .scatter import SCATTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ...theory.claims import Expectation
    from ..estimation.exponents import ExponentFit
    from ..estimation.limits import LimitFit
    from ..series.keys import SeriesKey
    from .expected_rows import ExpectedRow, PlannedStudy


@dataclass(frozen=True)
class PlannedPower:
    """What a study can decide about one quantity.

    :param half_width: of the 95 % interval; NaN where nothing is known of how members scatter.
    :param holds: the probability of "holds" if the truth is as expected; of a bound, how far beyond it the truth has to
        be for 0.8.
    :param detects: the deviation that is refuted with probability 0.8.
    """

    key: SeriesKey
    metric: str
    expectation: Expectation
    half_width: float
    holds: float
    detects: float


def planned_power(plan: PlannedStudy, comparisons: int = 0) -> Iterator[PlannedPower]:
    """Yield what a study can decide about each quantity that it judges, negative controls apart.

    :param comparisons: m; as many as the study plans if that is more.
    """
    family = max(comparisons, comparisons_planned(plan))
    for row in plan.expected:
        found = expectation(row.metric, row.facts, plan.claim.id)
        if found is not None and found.judged and not plan.claim.is_control(row.key):
            yield _power(plan, row, found, family)


def _power(plan: PlannedStudy, row: ExpectedRow, found: Expectation, family: int) -> PlannedPower:
    fit = _expected_fit(plan, row, found)
    if fit is None:
        nan = float("nan")
        return PlannedPower(row.key, row.metric, found, nan, nan, nan)
    low, high = fit.limits(ERROR) if found.one_sided else fit.interval(1 - ERROR)
    widest = max(fit.by_power, key=lambda found: float(np.diff(found.interval(1 - ERROR)).item()))
    half, noise = (high - low) / 2, widest.sampling_error
    if found.one_sided:
        holds = half + float(ndtri(POWER)) * noise
    else:
        up, down = ((edge - half - found.value) / noise for edge in (found.band_high, 2 * found.value - found.band_low))
        holds = max(float(ndtr(up) + ndtr(down)) - 1, 0.0)
    return PlannedPower(row.key, row.metric, found, half, holds, minimum_detectable_deviation(fit, found, family))


def _expected_fit(plan: PlannedStudy, row: ExpectedRow, found: Expectation) -> ExponentFit | LimitFit | None:
    """Return the fit of noise-free numbers; None of what is not fitted, or scatters in an unknown way."""
    facts = activation_facts(row.key.activation)
    smooth = facts is not None and facts.smooth
    scatter = SCATTER.get(row.metric)
    if row.metric not in ALL or scatter is None:
        return None
    quantity, group = ALL[row.metric], _group(plan, row)
    n, members = group["x"].to_numpy(dtype=np.float64), group["members"].to_numpy(dtype=np.float64)
    tau = quantity.correction_per_layer * max(int(group["depth"].iloc[0]), 1)
    spread = scatter.smooth if smooth else scatter.kinks
    if quantity.law == "limit":
        error = spread * (n / n.min()) ** scatter.power / np.sqrt(members)
        return fit_limit(n, np.full_like(n, found.value), error, members, powers=quantity.powers, correction=tau)
    used = n >= tau
    if quantity.summary == "bias" or used.sum() < 2:
        return None
    counts = members[used].astype(np.int64)
    y, powers = found.value * np.log(n[used]), correction_powers(quantity)
    return exponent_of(Curve(n[used], y, np.full(len(y), spread**2), counts, tau, powers=powers))


def _group(plan: PlannedStudy, row: ExpectedRow) -> pd.DataFrame:
    """Return the planned cells of a row, one per place on its axis."""
    cells = plan.along(ALL[row.metric].axis)
    number = cells.keys.index(replace(row.key, reference=None))
    group = cells.planned[cells.planned["series"] == number].drop_duplicates("x").sort_values("x")
    return group.assign(members=group["members"].astype("float64"))
