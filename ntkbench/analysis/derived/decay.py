"""Decay along the kernel's eigenspaces (C9), and the predictions of references for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...plugin.statistics import jackknife_error
from .table import frame, made, series

if TYPE_CHECKING:
    import pandas as pd

    from ...plugin.types import Float
    from ..series.records import Tables

_WANTED, _RANGE = -1.0, (-2.0, -0.4)  # log decay at which a rate is read, and the tolerance around it
_SEPARATED, _LEADING = 0.3, 0.1
_SAME = 1e-6


class DecayLaw(NamedTuple):
    """A reference's predictions for one subject's cell: eigenvalues of T, and the log decay of each per step."""

    eigenvalues: Float
    per_step: Float


def decay_ratio(tables: Tables) -> pd.DataFrame:
    """Return, per eigenspace and ensemble, the measured decay rate over the theory's: 1 in the limit (C9).

    The remaining share of the RMS over members of ``|P_i (y - f_t)|`` is compared with ``(1 - eta lambda_i / N)^k`` at
    the recorded step k where the latter is closest to ``1/e``. An eigenspace counts if its eigenvalue is at least a
    tenth of the largest and differs from its neighbours' by at least 0.3 of itself: the kernel's own perturbation
    mixes closer ones. The bulk of the spectrum is not measured.
    """
    rows: list[dict[str, Any]] = []
    laws = DecayLaws(tables)
    for key, _, steps, values in series(tables, "kernel_residual", "train", laws.separate):
        law, component = laws.of(key), int(key["component"])
        if law is None or (k := _where_read(law.per_step[component] * steps)) is None:
            continue
        squares = values[:, [0, k]] ** 2
        predicted = law.per_step[component] * steps[k]
        without = squares.sum(axis=0) - squares
        ratios = 0.5 * np.log(without[:, 1] / without[:, 0]) / predicted
        total = squares.sum(axis=0)
        value = 0.5 * np.log(total[1] / total[0]) / predicted
        rows += made("decay_ratio", key, "train", (float(value), float(jackknife_error(ratios))), None)
    return frame(rows)


def _where_read(predicted: Float) -> int | None:
    inside = np.flatnonzero((predicted >= _RANGE[0]) & (predicted <= _RANGE[1]))
    return int(inside[np.abs(predicted[inside] - _WANTED).argmin()]) if len(inside) else None


def _separated(eigenvalues: Float, component: int) -> bool:
    own, largest = eigenvalues[component], eigenvalues[0]
    others = eigenvalues[np.abs(eigenvalues - own) > _SAME * largest]
    return bool(own >= _LEADING * largest and (np.abs(others - own) >= _SEPARATED * own).all())


class DecayLaws:
    """The references that cells were compared with, with their spectra."""

    def __init__(self, tables: Tables) -> None:
        """Look up who was compared with whom, and the spectra."""
        pairs = tables.measured.compared[["cell_id", "reference", "reference_cell_id"]]
        self._of = {(a, b): c for a, b, c in pairs.itertuples(index=False)}
        self._cells = {row["cell_id"]: row for row in tables.cells.to_dict("records")}
        own = tables.spectra[tables.spectra["output"] == 0]
        self._eigenvalues = {
            str(cell): group.sort_values("component")["eigenvalue"].to_numpy() for cell, group in own.groupby("cell_id")
        }

    def of(self, key: dict[str, Any]) -> DecayLaw | None:
        """Return the law of a key's cell and reference, None without a spectrum."""
        reference = self._of.get((key["cell_id"], key["reference"]))
        if reference not in self._eigenvalues:
            return None
        cell, eigenvalues = self._cells[key["cell_id"]], self._eigenvalues[reference]
        rate = self._cells[reference]["learning_rate_multiplier"] * cell["learning_rate"] / cell["n_train"]
        with np.errstate(divide="ignore"):
            return DecayLaw(eigenvalues, np.log(np.abs(1 - rate * eigenvalues)))

    def separate(self, key: dict[str, Any]) -> bool:
        """Return whether a key's component is an eigenspace that counts, of a reference that has a law."""
        law = self.of(key)
        return law is not None and _separated(law.eigenvalues, int(key["component"]))
