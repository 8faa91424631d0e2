"""Smallest eigenvalues with their error bounds (C13): of limit kernels, and of networks' own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..series.keys import SeriesKey, architecture_key, task_keys
from .fit import CONFIDENCE, Fit
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..series.keys import TaskKey
    from .rates import Rates


WITHOUT_SAMPLING = frozenset({"smallest_eigenvalue", "ntk_smallest_eigenvalue"})
"""Quantities whose interval is a bound on numerical errors, no statement about a sample: none can fail by chance, and
so they count in no family of comparisons."""


@dataclass(frozen=True, kw_only=True)
class Bounded(Fit):
    """A computed number with a bound on its error, the same at any confidence."""

    error: float

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return estimate -+ error."""
        return self.estimate - self.error, self.estimate + self.error


def smallest_eigenvalues(rates: Rates) -> Iterator[FittedRate]:
    """Yield ``lambda_min / lambda_max`` of every kernel whose smallest eigenvalue was measured with an error bound.

    For networks it is the smallest over members; they need at least as many parameters as the kernel has rows.
    """
    rows: list[dict[str, Any]] = rates.planned.to_dict("records")  # type: ignore[assignment]
    found = {
        f"{prefix}{name}": dict(tuple(_first(rates.tables.measured.of(f"{prefix}{name}")).groupby("cell_id")))
        for prefix in ("", "ntk_")
        for name in _NAMES
    }
    for row, task in zip(rows, task_keys(rows), strict=True):
        prefix = "" if row["role"] == "reference" else "ntk_"
        parts = {name: found[f"{prefix}{name}"].get(row["cell_id"]) for name in _NAMES}
        if all(part is not None for part in parts.values()):
            values = {name: part.set_index("member")["value"] for name, part in parts.items() if part is not None}
            yield _rate(row, task, f"{prefix}smallest_eigenvalue", values)


_NAMES = ("smallest_eigenvalue", "smallest_eigenvalue_error", "largest_eigenvalue")


def _first(rows: pd.DataFrame) -> pd.DataFrame:
    """Return cell_id, member (-1 for none) and value at the first record."""
    rows = rows[rows["step"].isna() | (rows["step"] == 0)]
    return pd.DataFrame(
        {
            "cell_id": rows["cell_id"],
            "member": rows["member"].fillna(-1).astype(int),
            "value": rows["value"].astype(float),
        }
    )


def _rate(row: dict[str, Any], task: TaskKey, metric: str, parts: dict[str, pd.Series[float]]) -> FittedRate:
    smallest, error, largest = (parts[name] for name in _NAMES)
    ratio, bound = (smallest / largest), (error / largest).abs()
    least = int((ratio - bound).to_numpy().argmin())
    members = len(ratio) if row["role"] == "subject" else 0
    fit = Bounded(
        estimate=float(ratio.iloc[least]),
        error=float(bound.iloc[least]),
        n_widths=int(row["role"] == "subject"),
        n_members=members,
        method="smallest over largest eigenvalue, with a bound on the errors of the kernel and of its decomposition",
    )
    return FittedRate(eigenvalue_key(row, task), metric, fit, facts=row)


def eigenvalue_key(row: dict[str, Any], task: TaskKey) -> SeriesKey:
    """Return the key of a cell's smallest eigenvalue."""
    width = float(row["width"]) if row["role"] == "subject" and pd.notna(row["width"]) else None
    names = (str(row["run_id"]), str(row["study"]), task, architecture_key(row), (str(row["label"]),))
    return SeriesKey(*names, width=width)
