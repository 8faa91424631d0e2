"""Which cells of a run are committed, with every file whole: what a new session of the run may keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .arrow import is_intact, read_sealed
from .layout import FileLayout, file_name, layout_of
from .parts import PartIndex, part_is_intact, read_part
from .schemas import CELL_TABLES

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = ["cell_id", "status", "attempt", "env_id", "digests_json"]


@dataclass(frozen=True)
class Done:
    """A committed cell: how it ended, on which attempt, and in which environment."""

    status: str
    attempt: int
    env_id: str = ""


@dataclass
class FinishedCells:
    """The committed cells of a run.

    :param done: those whose files are all whole, by cell.
    :param loose: the cells that have files of their own, whole or not.
    :param parts: the cells of each part whose files are all whole.
    :param broken: files of the other parts, as ``table/name.parquet``.
    """

    done: dict[str, Done] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def finished_cells(path: Path) -> FinishedCells:
    """Return the committed cells; one with a damaged file, or in two places, does not count as committed."""
    layout = layout_of(path)
    found = FinishedCells(loose=set(layout.loose))
    files: set[str] = set()
    for name in layout.parts:
        index = _whole_part(layout, name)
        if index is None:
            found.broken.append(file_name("cells", name))
            continue
        files |= {file_name(table, other) for table, other in index.files.items()}
        done = {row["cell_id"]: _done(row) for row in _rows(index)}
        found.parts[name] = frozenset(done)
        found.done |= done
    found.broken += [
        file
        for table in CELL_TABLES
        for name in sorted(layout.parts_of(table))
        if (file := file_name(table, name)) not in files
    ]
    found.done = {cell_id: done for cell_id, done in found.done.items() if cell_id not in found.loose}
    found.done |= _whole_cells(layout, {cell_id for ids in found.parts.values() for cell_id in ids})
    return found


def committed_ids(path: Path) -> list[str]:
    """Return the cells of a run whose place among the files can be read, whole or not."""
    layout = layout_of(path)
    ids = list(layout.loose)
    for name in layout.parts:
        try:
            ids += read_part(layout, name).cells["cell_id"].to_pylist()
        except StoreError:
            continue
    return ids


def _rows(index: PartIndex) -> Any:
    return index.cells.select(_COLUMNS[:-1]).to_pylist()


def _done(row: Mapping[str, Any]) -> Done:
    return Done(row["status"], row["attempt"], row["env_id"])


def _whole_part(layout: FileLayout, name: str) -> PartIndex | None:
    """Return what a part says, None if one of its files is damaged or missing."""
    try:
        index = read_part(layout, name)
    except StoreError:
        return None
    return index if all(part_is_intact(layout, table, other) for table, other in index.files.items()) else None


def _whole_cells(layout: FileLayout, elsewhere: set[str]) -> Iterator[tuple[str, Done]]:
    """Yield the cells whose own files are all whole."""
    for cell_id in layout.loose:
        try:
            (row,) = read_sealed(layout.file("cells", cell_id), "cells").select(_COLUMNS).to_pylist()
        except (StoreError, ValueError):
            continue
        digests: Mapping[str, str] = json.loads(row["digests_json"])
        own = row["cell_id"] == cell_id and cell_id not in elsewhere
        if own and all(is_intact(layout.file(table, cell_id), digest) for table, digest in digests.items()):
            yield cell_id, _done(row)
