"""Raw outputs at initialization (C1): their fourth moment over the predicted one, at small widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtri

from .fit import CONFIDENCE, Fit
from .missing import missing_cells
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin.types import Float
    from .rates import Rates


@dataclass(frozen=True, kw_only=True)
class PooledMean(Fit):
    """The mean of numbers that are the same at every width, weighted by their errors, with a test that they are."""

    standard_error: float
    method: str = "weighted mean over widths, none of them extrapolated"

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval."""
        reach = float(ndtri(0.5 + confidence / 2)) * self.standard_error
        return self.estimate - reach, self.estimate + reach


def pooled_mean(values: Float, errors: Float, members: int) -> PooledMean:
    """Return the weighted mean of values (W,) with standard errors (W,)."""
    weights = errors**-2
    mean = float(weights @ values / weights.sum())
    beyond = float(weights @ (values - mean) ** 2)
    return PooledMean(
        estimate=mean,
        standard_error=float(weights.sum() ** -0.5),
        lack_of_fit=float(chdtrc(len(values) - 1, beyond)) if len(values) > 1 else None,
        n_widths=len(values),
        n_members=members,
    )


def output_fourth_moment(rates: Rates) -> Iterator[FittedRate]:
    """Yield ``E f^4 / (E f^2)^2`` of raw outputs over ``3 E Khat^2 / (E Khat)^2``, which it equals at every width (C1).

    Both are means over points. Their errors, from the same networks, are taken as independent, which is cautious.
    """
    cells = rates.cells()
    facts = {str(row["cell_id"]): {str(k): v for k, v in row.items()} for row in rates.tables.cells.to_dict("records")}
    found = _ratios(rates).merge(cells.frame, on=["run_id", "cell_id"], how="inner")
    for series, key in enumerate(cells.keys):
        group = found[found["series"] == series]
        if series in cells.hidden or group.empty:
            continue
        missing = missing_cells(cells.planned_of[series], {*group["cell_id"]})
        yield FittedRate(
            key,
            "output_fourth_moment",
            pooled_mean(group["value"].to_numpy(), group["standard_error"].to_numpy(), int(group["members"].min())),
            points=group[["x", "value", "standard_error"]].reset_index(drop=True),
            facts=facts[str(group["cell_id"].iloc[0])],
            censored=missing.censored,
        )


def _ratios(rates: Rates) -> pd.DataFrame:
    """Return run_id, cell_id, value and standard_error of each ensemble of which both are measured."""
    names = ("output_kurtosis", "output_kurtosis_raw")
    keys = ["run_id", "cell_id", "split_index"]
    columns: dict[str, Any] = {
        name + end: rates.tables.measured.of(name + end).set_index(keys)["value"].astype("float64")
        for name in names
        for end in ("", "_standard_error")
    }
    table = pd.DataFrame(columns).dropna()
    predicted, raw = (table[name] + 3 for name in names)
    own, others = (table[f"{name}_standard_error"] for name in reversed(names))
    value = raw / predicted
    error = np.sqrt(own**2 + (value * others) ** 2) / predicted
    usable = pd.DataFrame({"value": value, "standard_error": error}).query("standard_error > 0")
    return usable.reset_index()[["run_id", "cell_id", "value", "standard_error"]]
