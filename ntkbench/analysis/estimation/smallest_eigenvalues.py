"""Smallest eigenvalues with their error bounds (C13): of limit kernels, and of networks' own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..series.cells import architecture_name, task_names
from .rates import FittedRate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ...store.read import Results


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """A computed number with a bound on its error, the same at any confidence."""

    estimate: float
    error: float
    n_widths: int
    n_members: int
    method: str
    lack_of_fit: float | None = None
    rejected: bool = False

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return estimate -+ error."""
        return self.estimate - self.error, self.estimate + self.error


def smallest_eigenvalues(results: Results) -> Iterator[FittedRate]:
    """Yield ``lambda_min / lambda_max`` of every kernel whose smallest eigenvalue was measured with an error bound.

    Of networks it is the smallest over members, and needs at least as many parameters as rows of the kernel.
    """
    cells = results.cells.assign(task=task_names(results.cells))
    rows: list[dict[str, Any]] = cells.to_dict("records")  # type: ignore[assignment]
    for row in rows:
        mine = results.measurements[results.measurements["cell_id"] == row["cell_id"]]
        prefix = "" if row["role"] == "reference" else "ntk_"
        parts = {name: _first(mine, f"{prefix}{name}") for name in _NAMES}
        if all(len(part) for part in parts.values()):
            yield _rate(row, f"{prefix}smallest_eigenvalue", parts)


_NAMES = ("smallest_eigenvalue", "smallest_eigenvalue_error", "largest_eigenvalue")


def _first(rows: pd.DataFrame, metric: str) -> pd.Series[float]:
    """Return the values by member at the first record."""
    rows = rows[(rows["metric"] == metric) & (rows["step"].isna() | (rows["step"] == 0))]
    return rows.set_index(rows["member"].fillna(-1).astype(int))["value"].astype(float)


def _rate(row: dict[str, Any], metric: str, parts: dict[str, pd.Series[float]]) -> FittedRate:
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
    label = f"{row['label']}, depth {row['depth']}, bias_std {row['bias_std']:g}"
    label += f", width {row['width']}" if members else ""
    named = (str(row["run_id"]), str(row["study"]), str(row["task"]), architecture_name(row), str(row["activation"]))
    return FittedRate(*named, label, None, metric, fit, facts=row)
