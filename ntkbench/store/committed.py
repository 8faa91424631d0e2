"""The committed rows of one run, from cells' own files and from parts, also while another process exchanges them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import StoreError
from .arrow import empty_table, read_sealed, read_table
from .layout import FileLayout, file_name, layout_of
from .parts import PartIndex, read_part, read_part_table, sorted_by_cell
from .schemas import CELL_TABLES

if TYPE_CHECKING:
    from pathlib import Path

_TRIES = 50
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Snapshot:
    """The rows of all cells at one instant, where the other tables are, and each cell's attempt."""

    layout: FileLayout
    loose: Mapping[str, pa.Table]
    parts: Mapping[str, PartIndex]

    @cached_property
    def cells(self) -> pa.Table:
        """The rows of ``cells``, sorted."""
        tables = [empty_table("cells"), *self.loose.values(), *(part.cells for part in self.parts.values())]
        return sorted_by_cell(pa.concat_tables(tables).replace_schema_metadata())

    @cached_property
    def attempts(self) -> dict[str, int]:
        """The attempt of each cell."""
        return dict(zip(self.cells["cell_id"].to_pylist(), self.cells["attempt"].to_pylist(), strict=True))


class CommittedRows:
    """The rows of one run's committed cells: those that were there when they were first read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts: dict[str, PartIndex] = {}  # by name, which says what is in them: never stale

    @property
    def cells(self) -> pa.Table:
        """The rows of ``cells``, sorted by cell.

        :raises StoreError: naming a file that is not what was written.
        """
        return self._first.cells

    def table(self, table: str, columns: Sequence[str] | None = None, *, coded: bool = False) -> pa.Table:
        """Return the rows of another table, sorted by cell; ``coded``: text as numbers of a dictionary.

        :raises StoreError: naming a file that is missing or not what was written.
        """

        def read(layout: FileLayout) -> pa.Table:
            rows = list(self._rows(self._snapshot(layout), table, columns, coded))
            found = pa.concat_tables([empty_table(table, columns, coded=coded), *rows])
            return sorted_by_cell(found)

        return self._settled(read)

    @cached_property
    def _first(self) -> _Snapshot:
        return self._settled(self._read)

    def _settled(self, read: Callable[[FileLayout], _T]) -> _T:
        """Return what ``read`` reads of files that were not exchanged meanwhile."""
        for _ in range(_TRIES):
            layout = layout_of(self.path)
            try:
                found = read(layout)
            except StoreError:
                if layout_of(self.path).follows(layout) and not layout.moves:
                    raise
            else:
                if layout_of(self.path).follows(layout):
                    return found
        return read(layout_of(self.path))

    def _snapshot(self, layout: FileLayout) -> _Snapshot:
        """Return the first snapshot, or, if files have been exchanged since, a new one of the same cells.

        :raises StoreError: if a cell has been run again.
        """
        if layout.follows(self._first.layout):
            return self._first
        now, known = self._read(layout), self._first.attempts
        if any(now.attempts.get(cell_id) != attempt for cell_id, attempt in known.items()):
            raise StoreError(f"{self.path}: cells have been run again since their rows were read; load the run again")
        return now

    def _read(self, layout: FileLayout) -> _Snapshot:
        """Return the rows of all cells.

        :raises StoreError: naming a file that is missing, not what was written, or of cells that others have.
        """
        loose = {cell_id: _own_row(layout, cell_id) for cell_id in layout.loose}
        for name in layout.parts:
            self._parts[name] = self._parts.get(name) or read_part(layout, name)
        parts = {name: self._parts[name] for name in layout.parts}
        _check_parts(layout, loose, parts)
        return _Snapshot(layout, loose, parts)

    def _rows(self, now: _Snapshot, table: str, columns: Sequence[str] | None, coded: bool) -> Iterator[pa.Table]:
        known = self._first.attempts
        for cell_id, row in now.loose.items():
            digests = json.loads(row["digests_json"][0].as_py())
            if table in digests and cell_id in known:
                rows = read_table(now.layout.file(table, cell_id), table, digests[table], columns, coded=coded)
                if rows.num_rows:
                    yield rows
        for part in now.parts.values():
            if table in part.files:
                rows = read_part_table(now.layout, part.files[table], table, columns, coded=coded)
                yield rows if now is self._first else rows.filter(_is_one_of(rows["cell_id"], known))


def _is_one_of(ids: pa.ChunkedArray, known: Mapping[str, int]) -> pa.ChunkedArray:
    return pc.is_in(ids.cast(pa.string()), value_set=pa.array(list(known), pa.string()))


def _own_row(layout: FileLayout, cell_id: str) -> pa.Table:
    """Return the row of a cell that has its own files.

    :raises StoreError: if the file is not whole, or holds another cell than its name says.
    """
    file = layout.file("cells", cell_id)
    row = read_sealed(file, "cells")
    if row["cell_id"].to_pylist() != [cell_id]:
        raise StoreError(f"{file}: holds another cell than its name says; run the study again to redo it")
    return row


def _check_parts(layout: FileLayout, loose: Mapping[str, pa.Table], parts: Mapping[str, PartIndex]) -> None:
    """Refuse a cell that is in two places, and rows of a part whose file in ``cells`` is gone.

    :raises StoreError: naming the file.
    """
    seen = set(loose)
    for name, part in parts.items():
        ids = part.cells["cell_id"].to_pylist()
        if twice := seen.intersection(ids):
            file = layout.file("cells", name)
            raise StoreError(
                f"{file}: holds the cell {min(twice)}, as another file does; run the study again to mend it"
            )
        seen.update(ids)
    for table in CELL_TABLES:
        lost = layout.parts_of(table) - {part.files.get(table) for part in parts.values()}
        if lost:
            file = layout.path / file_name(table, min(lost))
            raise StoreError(f"{file}: its part's file in cells is missing; run the study again to redo its cells")
