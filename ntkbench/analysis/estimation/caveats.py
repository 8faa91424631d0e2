"""Reasons why a fitted exponent is no test of the theory: an unsuitable reference, or training it does not cover."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...theory.optimizers import stable_learning_rate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from ..series.records import MetricRows

Row = dict[str, Any]
_CELL = ["run_id", "cell_id"]
_OF_REFERENCE = ("kernel", "ridge", "deviations")
_LOOKED_UP = (*_CELL, *_OF_REFERENCE, "trained_layers", "training_json", "learning_rate", "n_train")


class Caveats:
    """Finds reasons why a rate's cells must not be used to judge the theory."""

    def __init__(self, cells: pd.DataFrame, measurements: MetricRows) -> None:
        """Look up what each subject was compared with."""
        rows: list[Row] = cells[[name for name in _LOOKED_UP if name in cells]].to_dict("records")  # type: ignore[assignment]
        self._cells = {(row["run_id"], row["cell_id"]): row for row in rows}
        self._whole = cells
        self._facts: dict[tuple[str, str], Row] = {}
        self._places = {(row["run_id"], row["cell_id"]): place for place, row in enumerate(rows)}
        self._compared: dict[tuple[str, str], list[Row]] = {}
        for pair in measurements.compared.to_dict("records"):
            self._compared.setdefault((pair["run_id"], pair["cell_id"]), []).append(pair)  # type: ignore[arg-type]
        largest = measurements.of("largest_eigenvalue", [*_CELL, "value"])
        self._largest: dict[Any, float] = largest.groupby(_CELL)["value"].first().to_dict()
        lost = measurements.of("diverged_step", [*_CELL, "member"])
        self._diverged: dict[Any, int] = lost.groupby(_CELL)["member"].nunique().to_dict()

    def facts(self, run_id: str, cell_id: str) -> Row:
        """Return the row of a cell."""
        if (run_id, cell_id) not in self._facts:
            place = self._places[run_id, cell_id]
            self._facts[run_id, cell_id] = self._whole.iloc[place : place + 1].to_dict("records")[0]  # type: ignore[assignment]
        return self._facts[run_id, cell_id]

    def of_reference(
        self, run_id: str, cell_ids: Collection[str], reference: str | None, *, kernel: str = "ntk"
    ) -> str | None:
        """Return why the reference is not the law that the theory states, or None.

        :param kernel: the kernel that the claim compares with: the NNGP if only the last layer is trained (C16).
        """
        mine = self._of_cells(run_id, cell_ids)
        used = {row["reference_cell_id"] for row in mine if row["reference"] == reference}
        trained_layers = {self._cells[run_id, key].get("trained_layers", "all") for key in cell_ids}
        reasons = (
            _not_the_theory(self._cells[run_id, key], "nngp" if trained_layers == {"last"} else kernel)
            for key in used
            if (run_id, key) in self._cells
        )
        return next((reason for reason in reasons if reason), None)

    def of_training(self, run_id: str, cell_ids: Collection[str]) -> str | None:
        """Return why the training is not what the theory is about: members diverged, or the rate is not stable."""
        return self._diverging(run_id, cell_ids) or self._unstable(run_id, self._of_cells(run_id, cell_ids))

    def _of_cells(self, run_id: str, cell_ids: Collection[str]) -> list[Row]:
        return [row for cell_id in cell_ids for row in self._compared.get((run_id, cell_id), ())]

    def _diverging(self, run_id: str, cell_ids: Iterable[str]) -> str | None:
        lost = sum(self._diverged.get((run_id, cell_id), 0) for cell_id in cell_ids)
        return f"members that diverged: {lost}" if lost else None

    def _unstable(self, run_id: str, compared: Iterable[Row]) -> str | None:
        """Return whether a learning rate reaches the stable limit of an NTK that the networks were compared with."""
        for row in compared:
            key = (run_id, row["reference_cell_id"])
            if key in self._largest and self._cells[key]["kernel"] == "ntk":
                cell = self._cells[run_id, row["cell_id"]]
                training = json.loads(cell["training_json"])
                how = {"optimizer": training["optimizer"], "momentum": training["momentum"]}
                if cell["learning_rate"] >= stable_learning_rate([self._largest[key]], cell["n_train"], **how):
                    return "the learning rate is at or above the stable limit of its optimizer on the kernel"
        return None


def _not_the_theory(cell: Row, kernel: str) -> str | None:
    """Return why a reference is not the law that claims are about: this kernel, no ridge, and no other deviation."""
    if cell["kernel"] != kernel:
        return f"the reference's kernel is {cell['kernel']}, not the {kernel}"
    if cell["ridge"] > 0:
        return f"the reference has ridge {cell['ridge']:g}; the claims assume none"
    return next(iter(cell["deviations"]), None)
