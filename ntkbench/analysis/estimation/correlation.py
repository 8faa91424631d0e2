"""Correlations over members (C15), of the time in which a component is learned with the kernel's growth along it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..derived.learning_time import learning
from ..derived.medians import Between
from .fit import CONFIDENCE, Fit
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin.types import Float
    from .rates import Rates

_SPEARMAN = 1.06
"""Variance of Fisher's z of Spearman's rho, in units of that of Pearson's r (Fieller, Hartley and Pearson 1957)."""
_FEWEST = 5


@dataclass(frozen=True, kw_only=True)
class Correlation(Fit):
    """Spearman's rank correlation within widths, with Fisher's interval.

    :param weight: the sum over widths of members - 3: the inverse variance of Fisher's z of Pearson's r.
    """

    weight: float
    method: str = "Spearman's rank correlation over the members of a width, pooled over widths, Fisher's interval"

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the two-sided interval."""
        half = float(ndtri(0.5 + confidence / 2)) * (_SPEARMAN / self.weight) ** 0.5
        z = _fisher(self.estimate)
        return float(np.tanh(z - half)), float(np.tanh(z + half))


def time_and_growth(rates: Rates) -> Iterator[FittedRate]:
    """Yield, per series, the correlation over members of T / T_linearized with their kernels' growth (C15).

    It is taken within each width, whose Fisher's z are averaged with weights members - 3.
    """
    cells = rates.cells()
    rows: list[dict[str, Any]] = cells.frame.to_dict("records")  # type: ignore[assignment]
    number_of = {(row["run_id"], row["cell_id"]): int(row["series"]) for row in rows}
    facts = {str(row["cell_id"]): {str(k): v for k, v in row.items()} for row in rates.tables.cells.to_dict("records")}
    found: dict[tuple[int, str], list[tuple[str, Between, Float]]] = {}
    for key, members, ratios, growth in learning(rates.tables):
        number = number_of.get((key["run_id"], key["cell_id"]))
        if number is not None and number not in cells.hidden and len(members) >= _FEWEST:
            found.setdefault((number, str(key["reference"])), []).append((str(key["cell_id"]), ratios, growth))
    for (number, reference), widths in found.items():
        yield FittedRate(
            replace(cells.keys[number], reference=reference),
            "time_and_growth",
            pooled([rank_correlation(ratios, growth) for _, ratios, growth in widths], [len(g) for *_, g in widths]),
            points=pd.DataFrame({"x": widths[0][2], "value": widths[0][1].high}),
            facts=facts[widths[0][0]],
            censored=rates.selection(number, {cell for cell, *_ in widths}),
        )


def rank_correlation(numbers: Between, others: Float) -> float:
    """Return Spearman's correlation of numbers (E,), perhaps censored, with others (E,).

    A number's rank comes from how many are surely smaller and how many surely larger (Gehan 1965): its usual rank, if
    none is censored.
    """
    return float(np.corrcoef(_ranks(numbers), _ranks(Between(others, others)))[0, 1])


def _ranks(numbers: Between) -> Float:
    """Return twice the ranks of numbers (E,), less a constant."""
    smaller = (numbers.high[None, :] < numbers.low[:, None]).sum(axis=1)
    larger = (numbers.low[None, :] > numbers.high[:, None]).sum(axis=1)
    ranks: Float = (smaller - larger).astype(np.float64)
    return ranks


def pooled(correlations: list[float], members: list[int]) -> Correlation:
    """Return the correlation whose Fisher's z is the weighted mean of those at several widths."""
    weights = np.asarray(members, dtype=np.float64) - 3
    z = float(np.average([_fisher(rho) for rho in correlations], weights=weights))
    return Correlation(
        estimate=float(np.tanh(z)), weight=float(weights.sum()), n_members=min(members), n_widths=len(members)
    )


def _fisher(rho: float) -> float:
    return float(np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12)))
