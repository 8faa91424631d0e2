"""Correlations over members (C15), of the time in which a component is learned with the kernel's growth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import spearmanr

from ..derived.decay import time_to_residual
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rates import Rates

_SPEARMAN = 1.06
"""Variance of Fisher's z of Spearman's rho, in units of that of Pearson's r (Fieller, Hartley and Pearson 1957)."""
_FEWEST = 5


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation with Fisher's interval."""

    estimate: float
    n_members: int
    n_widths: int = 1
    method: str = "Spearman's rank correlation over members, Fisher's interval"
    lack_of_fit: float | None = None
    rejected: bool = False

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the two-sided interval."""
        half = float(ndtri(0.5 + confidence / 2)) * (_SPEARMAN / (self.n_members - 3)) ** 0.5
        z = np.arctanh(np.clip(self.estimate, -1 + 1e-12, 1 - 1e-12))
        return float(np.tanh(z - half)), float(np.tanh(z + half))


def time_and_kernel_change(rates: Rates) -> Iterator[FittedRate]:
    """Yield, at each width, the correlation of a member's time to learn component 2 with its kernel's signed change."""
    times = time_to_residual(rates.tables)
    if times.empty:
        return
    change = rates.tables.measured.of("ntk_change_mean_diagonal")
    last = change[change["step"] == change.groupby("cell_id")["step"].transform("max")]
    both = times.merge(last[["cell_id", "member", "value"]], on=["cell_id", "member"], suffixes=("", "_change"))
    cells = rates.cells()
    both = both.merge(cells.frame, on=["run_id", "cell_id"])
    facts = {str(row["cell_id"]): {str(k): v for k, v in row.items()} for row in rates.tables.cells.to_dict("records")}
    for (cell_id, reference), group in both.groupby(["cell_id", "reference"], dropna=False):
        if len(group) < _FEWEST:
            continue
        first = group.iloc[0]
        rho = float(spearmanr(group["value"].astype(float), group["value_change"].astype(float)).statistic)
        yield FittedRate(
            replace(
                cells.keys[int(first["series"])],
                reference=reference if isinstance(reference, str) else None,
                width=float(first["width"]),
            ),
            "time_and_kernel_change",
            Correlation(estimate=rho, n_members=len(group)),
            points=pd.DataFrame({"x": group["value_change"].astype(float), "value": group["value"].astype(float)}),
            facts=facts[str(cell_id)],
        )
