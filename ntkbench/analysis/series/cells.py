"""The planned cells of each series, grouped by their facts, and the position of each on the series' axis."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from .keys import SeriesKey, architecture_key, frozen, parsed, task_keys
from .records import first_of_each, group_codes

if TYPE_CHECKING:
    from .quantities import Axis

_COLUMNS = ["run_id", "cell_id", "series", "width", "x", "depth", "members"]
_OUTCOME = ["status", "reason"]
_SUBJECT_FACTS = ("backend", "backend_version", "training_json", "seed")
_OF_SUBJECT = (
    *("run_id", "study", "task", "task_params_json", "loss", "activation", "depth", "weight_std", "bias_std"),
    *("parameterization", "output_scale", "trained_layers", "proportions", "label", "dtype", "backend_params_json"),
    *_SUBJECT_FACTS,
)


@dataclass(frozen=True)
class SeriesCells:
    """The planned cells of finite networks, in series.

    :param frame: of the cells that are ok: run_id, cell_id, series (its number), width, x (the position on the axis),
        depth and members.
    :param planned: the same of all planned cells, with their status and reason.
    :param keys: the key of each series.
    :param twins: number of a float32 series -> number of its twin: the same networks in float64, at some positions.
    :param hidden: the twins that are planned at some positions of the other only, and so are not series of their own.
    """

    frame: pd.DataFrame
    planned: pd.DataFrame
    keys: tuple[SeriesKey, ...]
    twins: Mapping[int, int]
    hidden: frozenset[int]

    @cached_property
    def planned_of(self) -> dict[int, pd.DataFrame]:
        """The planned cells of each series, by its number."""
        return {int(number): group for number, group in self.planned.groupby("series", sort=False)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Subject:
    """A series before subjects are joined: its key, all other facts of its networks, type and places."""

    key: SeriesKey
    facts: Hashable
    dtype: str
    is_control: bool


def series_cells(cells: pd.DataFrame, axis: Axis = "width", controls: Collection[tuple[str, str]] = ()) -> SeriesCells:
    """Return the cells of subjects in series along an axis.

    Series are those of the plan: cells that are not ok change neither their keys nor which subjects they join.

    Along another axis than the width, each width is a series of its own. Subjects that differ in the axis's parameter
    and in nothing else are one series: either all of them negative controls, or none.

    Networks whose layers differ in width are included, by their smallest width, if several have the same proportions.
    Layers that stay as wide as they are in a subject whose other layers grow count in neither.

    :param controls: (run_id, label) of subjects that are wrong on purpose.
    """
    frame = _networks(cells)
    places = [float(place) for place in frame[axis]]
    subjects = _subjects(frame, axis, controls)
    joined = _joined(subjects, places, axis)
    numbers = {subject: number for number, subject in enumerate(dict.fromkeys(joined))}
    frame = frame.assign(series=[numbers[subject] for subject in joined], x=places)
    twins, hidden = _twins(numbers, _planned_places(cells, axis))
    planned = frame.reindex(columns=[*_COLUMNS, *_OUTCOME])
    ok = planned.loc[planned["status"] == "ok", _COLUMNS]
    return SeriesCells(ok, planned, tuple(subject.key for subject in numbers), twins, hidden)


def _subjects(frame: pd.DataFrame, axis: Axis, controls: Collection[tuple[str, str]]) -> list[_Subject]:
    """Return the subject of each cell; cells that agree in all columns that it depends on share one."""
    wanted = dict.fromkeys([*_OF_SUBJECT, *([] if axis == "width" else ["width"])])
    names = [name for name in wanted if name in frame]
    codes = group_codes(frame, names)
    first = first_of_each(codes)
    rows: list[dict[str, Any]] = frame[names].take(first).to_dict("records")  # type: ignore[assignment]
    found = {
        code: _Subject(
            _key(row, task, axis), _facts(row, axis), str(row.get("dtype")), (row["run_id"], row["label"]) in controls
        )
        for code, row, task in zip(codes[first].tolist(), rows, task_keys(rows), strict=True)
    }
    return [found[code] for code in codes.tolist()]


def _key(row: Mapping[str, Any], task: Any, axis: Axis) -> SeriesKey:
    architecture = architecture_key(row, row["proportions"])
    if axis == "depth":
        architecture = replace(architecture, depth=None)
    elif axis == "output_scale":
        architecture = replace(architecture, output_scale=None)
    width = None if axis == "width" else float(row["width"])
    return SeriesKey(
        str(row["run_id"]), str(row["study"]), task, architecture, (str(row["label"]),), along=axis, width=width
    )


def _facts(row: Mapping[str, Any], axis: Axis) -> Hashable:
    """Return a subject's other facts: all but its key, its floating-point type and the parameter of the axis."""
    parameters = parsed(row.get("backend_params_json"))
    parameters.pop(axis, None)
    return frozen(parameters), tuple(frozen(row.get(name)) for name in _SUBJECT_FACTS)


def _joined(subjects: list[_Subject], places: list[float], axis: Axis) -> list[_Subject]:
    """Return the subject of each cell, after joining those that differ only in the axis's parameter."""
    if axis in ("width", "depth"):  # no parameter of a subject
        return subjects
    taken: dict[_Subject, dict[_Subject, set[float]]] = {}
    for subject, place in zip(subjects, places, strict=True):
        whole = replace(subject, key=replace(subject.key, labels=()))
        taken.setdefault(whole, {}).setdefault(subject, set()).add(place)
    result = {}
    for parts in taken.values():
        apart = sum(map(len, parts.values())) == len(set().union(*parts.values()))
        labels = tuple(part.key.labels[0] for part in sorted(parts, key=lambda part: min(parts[part])))
        for part in parts:
            result[part] = replace(part, key=replace(part.key, labels=labels)) if apart else part
    return [result[subject] for subject in subjects]


def _planned_places(cells: pd.DataFrame, axis: Axis) -> dict[tuple[str, str], set[float]]:
    """Return the positions at which each (run_id, label) was planned, whether or not its cells are ok."""
    planned: dict[tuple[str, str], set[float]] = {}
    networks = cells[(cells["role"] == "subject") & cells["width"].notna()]
    for run_id, label, place in networks[["run_id", "label", axis]].itertuples(index=False):
        planned.setdefault((str(run_id), str(label)), set()).add(float(place))
    return planned


def _twins(
    numbers: Mapping[_Subject, int], planned: Mapping[tuple[str, str], set[float]]
) -> tuple[dict[int, int], frozenset[int]]:
    """Return the twin of each series in float32, and the twins that are planned at fewer positions.

    Twins are decided by what was planned, so that a failed cell changes neither them nor the family of verdicts.
    """

    def places(subject: _Subject) -> set[float]:
        return set().union(*(planned[subject.key.run_id, label] for label in subject.key.labels))

    singles: dict[_Subject, list[_Subject]] = {}
    for subject in numbers:
        if subject.dtype == "float32":
            singles.setdefault(_bare(subject), []).append(subject)
    twins, hidden = {}, set()
    for subject, number in numbers.items():
        for single in singles.get(_bare(subject), ()) if subject.dtype == "float64" else ():
            if places(subject) <= places(single):
                twins[numbers[single]] = number
                hidden |= {number} if places(subject) < places(single) else set()
    return twins, frozenset(hidden)


def _bare(subject: _Subject) -> _Subject:
    return replace(subject, key=replace(subject.key, labels=()), dtype="")


def _networks(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the subjects' cells that have one width, or widths in proportions that recur."""
    cells = cells[cells["role"] == "subject"].copy()
    cells["width"] = pd.to_numeric(cells["width"], errors="coerce").astype("float64")
    cells = cells[cells["width"] > 0].copy()
    if "widths" not in cells:
        cells["widths"] = None
    keys = [key for key in ("run_id", "task", "activation", "depth", "label") if key in cells]
    subjects = cells.groupby(keys, sort=False, dropna=False).ngroup()
    fixed = {number: _fixed_layers(group) for number, group in cells["widths"].groupby(subjects)}
    found = [
        _proportions(list(widths), fixed[subject]) if pd.api.types.is_list_like(widths) else (width, ())
        for width, widths, subject in zip(cells["width"], cells["widths"], subjects, strict=True)
    ]
    cells = cells.assign(width=[width for width, _ in found])
    cells["proportions"] = pd.Series([each for _, each in found], index=cells.index, dtype=object)
    several = cells.groupby([*keys, "proportions"])["width"].transform("nunique") > 1
    return cells[~cells["proportions"].astype(bool) | several].copy()


def _fixed_layers(widths: Iterable[Any]) -> frozenset[int]:
    """Return the layers that are as wide in all networks of a subject, of which other layers are not."""
    layouts = {tuple(each) for each in widths if pd.api.types.is_list_like(each)}
    varies = [len({*layer}) > 1 for layer in zip(*layouts, strict=False)]
    return frozenset(number for number, grows in enumerate(varies) if not grows) if any(varies) else frozenset()


def _proportions(widths: list[Any], fixed: frozenset[int]) -> tuple[float, tuple[float | str, ...]]:
    """Return the smallest width of the layers that grow, and all widths in proportion to it, () where they are equal.

    A fixed layer is in no proportion: it is its own width.
    """
    growing = [width for number, width in enumerate(widths) if number not in fixed]
    smallest = float(min(growing))
    if not fixed and len({*widths}) == 1:
        return smallest, ()
    return smallest, tuple(
        f"{width:g} fixed" if number in fixed else float(width / smallest) for number, width in enumerate(widths)
    )
