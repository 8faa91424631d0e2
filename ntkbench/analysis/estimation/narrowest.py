"""An effect at the narrowest width (C15): the median over members, with an interval from order statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..derived.learning_time import learning
from ..derived.medians import median_interval
from .fit import CONFIDENCE, Fit
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..derived.medians import Between
    from .rates import Rates


@dataclass(frozen=True, kw_only=True)
class Median(Fit):
    """The median of an ensemble's numbers, some of them perhaps censored."""

    numbers: Between
    n_widths: int = 1
    method: str = "median over members at the narrowest width, interval from order statistics"

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the two-sided interval."""
        return median_interval(self.numbers, confidence)


def median_of(numbers: Between) -> Median:
    """Return the median; where censoring leaves it open, its upper bound, or its lower bound; nan if it has neither."""
    low, high = (float(np.median(ends)) for ends in numbers)
    finite = high if np.isfinite(high) else low if low > 0 else float("nan")
    return Median(estimate=finite, numbers=numbers, n_members=len(numbers.low))


def time_over_linearization_narrowest(rates: Rates) -> Iterator[FittedRate]:
    """Yield T / T_linearized (C15) of each series at the narrowest width that has it."""
    cells = rates.cells()
    rows: list[dict[str, Any]] = cells.frame.to_dict("records")  # type: ignore[assignment]
    place = {(row["run_id"], row["cell_id"]): (int(row["series"]), float(row["width"])) for row in rows}
    facts = {str(row["cell_id"]): {str(k): v for k, v in row.items()} for row in rates.tables.cells.to_dict("records")}
    found: dict[tuple[int, str, int], FittedRate] = {}
    measured: dict[tuple[int, str], set[str]] = {}
    for key, _, ratios, _ in learning(rates.tables):
        if (key["run_id"], key["cell_id"]) not in place:
            continue
        number, width = place[key["run_id"], key["cell_id"]]
        series = (number, str(key["reference"]), int(key["split_index"]))
        measured.setdefault(series[:2], set()).add(str(key["cell_id"]))
        if number in cells.hidden or (series in found and float(found[series].key.width or 0) <= width):
            continue
        found[series] = FittedRate(
            replace(cells.keys[number], reference=str(key["reference"]), width=width),
            "time_over_linearization_narrowest",
            median_of(ratios),
            points=pd.DataFrame({"x": width, "value": ratios.high}),
            facts=facts[str(key["cell_id"])],
        )
    for (number, reference, _), rate in found.items():
        yield replace(rate, censored=rates.selection(number, measured[number, reference]))
