"""The cells that a run planned: those in its table, and those that never ran since it was interrupted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...plugin.hashing import canonical_json
from ...study.model import SubjectEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEVER_RAN = "not run"
"""The status of a planned cell without a row: its run was interrupted before it."""
_ARCHITECTURE = ("activation", "depth", "weight_std", "bias_std", "parameterization")
_IDENTITY = ("task", "task_params_json", "split_index", "label", *_ARCHITECTURE)
_OF_LABEL = ("backend", "backend_version", "backend_params_json", "members", "dtype", "kernel", "ridge")
_DECLARED = ("output_scale", "trained_layers", "learning_rate_multiplier", "deviations")
_OF_RUN = ("training_json", "seed")
Row = dict[str, Any]


def planned_cells(cells: pd.DataFrame, runs: Iterable[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """Return all planned cells: the rows of ``cells``, and for each cell that has none a row with status ``not run``.

    The cost of a cell that never started is that of other cells of its task, so that both are of one task.

    :param runs: the contents of each ``run.json``, whose resolved study says what was planned.
    """
    never_ran = [row for run in runs for row in _never_ran(cells, run)]
    if not never_ran and ("loss" not in cells or cells["loss"].notna().all()):
        return cells
    rows: list[Row] = [*cells.to_dict("records"), *never_ran]  # type: ignore[list-item]
    _name_costs(rows)
    return pd.DataFrame(rows)


def _never_ran(cells: pd.DataFrame, run: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the planned cells of a run that have no row."""
    resolved = run["resolved"]
    mine = cells[cells["run_id"] == run.get("run_id")] if len(cells) else pd.DataFrame(columns=["label", "backend"])
    if not {"task", "architecture", "reference", "subject"} <= resolved.keys():
        return
    stated = {(task["name"], canonical_json(task["parameters"]), task["loss"]) for task in resolved["task"]}
    there = {_identity(row, stated) for row in _records(mine, (*_IDENTITY, "widths", "loss"))}
    alike = _Alike(mine)
    for number, (entry, planned) in enumerate(_planned(resolved)):
        if _identity(planned, stated) not in there:
            facts = {"run_id": run.get("run_id"), "study": resolved["name"], "cell_id": f"planned-{number}"}
            yield {**_facts(entry, planned, alike), **planned, **facts, "status": NEVER_RAN, "reason": None}


def _records(cells: pd.DataFrame, names: Sequence[str]) -> list[Row]:
    """Return rows of these columns, of those that there are."""
    return cells[[name for name in names if name in cells]].to_dict("records")  # type: ignore[return-value]


class _Alike:
    """The first rows of a run, of each label and of each backend."""

    def __init__(self, cells: pd.DataFrame) -> None:
        names = ("label", *_OF_LABEL, *_DECLARED, *_OF_RUN)
        self.first: Row = next(iter(_records(cells[:1], names)), {})
        self.by_label, self.by_backend = (
            {row[key]: row for row in _records(cells.drop_duplicates(key), names)} for key in ("label", "backend")
        )


def _identity(row: Row, stated: set[tuple[str, str, str | None]]) -> tuple[Any, ...]:
    """Return what tells a planned cell from the others; its cost only if the study states it."""
    widths = row.get("widths")
    layers = tuple(int(width) for width in widths) if isinstance(widths, Iterable) else ()
    loss = row.get("loss")
    named = loss if (row["task"], row["task_params_json"], loss) in stated else None
    return (*(row[name] for name in _IDENTITY), layers, named)


def _planned(resolved: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Row]]:
    """Yield each planned cell: its reference or subject, and the columns that its place determines."""
    subjects = [(entry, SubjectEntry.model_validate(entry)) for entry in resolved["subject"]]
    for task in resolved["task"]:
        for split_index in range(task["splits"]):
            place = {"task": task["name"], "task_params_json": canonical_json(task["parameters"])}
            place |= {"split_index": split_index, "loss": task["loss"]}
            for architecture in resolved["architecture"]:
                here = {**place, **{name: architecture[name] for name in _ARCHITECTURE}}
                for entry in resolved["reference"]:
                    row = {"label": entry["label"], "role": "reference", "width": None, "widths": None}
                    yield entry, {**here, **row}
                for entry, subject in subjects:
                    if not subject.learns(task["name"], task.get("label")):
                        continue
                    for widths in subject.hidden_widths(architecture["depth"]):
                        row = {"label": entry["label"], "role": "subject"}
                        row |= {"width": min(widths, default=None), "widths": list(widths) or None}
                        row |= {"members": subject.members_at(widths)}
                        yield entry, {**here, **row}


def _facts(entry: Mapping[str, Any], planned: Row, alike: _Alike) -> Row:
    """Return the other facts of a cell: those of cells of its label, else of its backend, else of its entry."""
    parameters = entry["parameters"]
    facts: Row = {"backend": entry["backend"], "backend_params_json": canonical_json(parameters)}
    facts |= {"members": entry.get("members"), "dtype": entry["dtype"], "deviations": []}
    facts |= {"output_scale": 1.0, "trained_layers": "all", "learning_rate_multiplier": 1.0, "backend_version": 0}
    facts |= {name: parameters[name] for name in (*_DECLARED, "kernel", "ridge") if name in parameters}
    if same := alike.by_label.get(planned["label"]):
        facts |= {name: same.get(name) for name in (*_OF_LABEL, *_DECLARED)}
    elif same := alike.by_backend.get(entry["backend"]):
        facts |= {"backend_version": same["backend_version"]}
    return facts | {name: alike.first.get(name) for name in _OF_RUN}


def _name_costs(rows: list[Row]) -> None:
    """Give cells without a cost, since they were never solved, that of solved cells of the same task."""
    of_task: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        if row["status"] == "ok" and isinstance(row.get("loss"), str):
            for place in ((row["run_id"], row["task"], row.get("task_params_json")), (row["run_id"], row["task"])):
                of_task.setdefault(place, row["loss"])
    for row in rows:
        if not isinstance(row.get("loss"), str):
            exact = of_task.get((row["run_id"], row["task"], row.get("task_params_json")))
            row["loss"] = exact or of_task.get((row["run_id"], row["task"]))
