"""Move the rows of finished cells from a file per cell and table to part files, and back for cells that run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import StoreError
from ..plugin.hashing import canonical_json, digest_of_bytes
from .arrow import parquet_bytes, read_sealed, read_table, sealed
from .exchange import exchange, finish_exchange, stage
from .finished import finished_cells
from .layout import FileLayout, file_name, layout_of
from .parts import (
    MOST_CELLS,
    CellTables,
    HeldCells,
    in_bounded_groups,
    joined_cells,
    read_part,
    read_part_table,
    slices_by_cell,
    stage_part,
)
from .schemas import CELL_TABLES

if TYPE_CHECKING:
    from pathlib import Path

_PACKED_AT = 512  # cells with files of their own, while a run goes on
_HELD_ROWS = 500_000
MERGED_AT = 8  # parts that are less than half full


class Compactor:
    """Keeps the number of a run's files small while its cells are committed. The run is held by this process."""

    def __init__(self, path: Path) -> None:
        """Read every file of the run; ``found`` has its cells, as they are now."""
        self.path = path
        self.found = finished_cells(path)
        self._exchanging = False
        self._held: dict[str, HeldCells] = {}  # what this process wrote last, which it need not read again
        self._held_rows = 0

    def is_packed(self, cell_id: str) -> bool:
        """Return whether a cell is in a part."""
        return any(cell_id in ids for ids in self.found.parts.values())

    def committed(self, cell_id: str, tables: CellTables) -> None:
        """Note that a cell has been committed to its own files, and pack such cells once they are many.

        :raises StoreError: if a file cannot be written.
        """
        self.found.loose.add(cell_id)
        self._held_rows += sum(table.num_rows for table in tables.values())
        if self._held_rows <= _HELD_ROWS:
            self._held[cell_id] = HeldCells(cell_id, tables, _own_files(cell_id))
        else:
            self._held.pop(cell_id, None)
        if len(self.found.loose) >= _PACKED_AT:
            self.pack()

    def pack(self, fewest: int = 1, merged_at: int = MERGED_AT) -> None:
        """Move cells from their own files to parts, if there are at least so many, and join small parts.

        A cell with a damaged file, and a damaged part, stay as they are: they are named on reading.

        :raises StoreError: if a file cannot be written.
        """
        with self._exchanges():
            self._pack(fewest, merged_at)

    def _pack(self, fewest: int, merged_at: int) -> None:
        loose, parts = self.found.loose, self.found.parts
        if len(loose) >= fewest:
            for group in in_bounded_groups(_readable(self.path, sorted(loose), self._own_tables)):
                parts |= _joined(self.path, group)
                loose.difference_update(held.name for held in group)
            self._held, self._held_rows = {}, 0
        small = sorted(name for name, ids in parts.items() if len(ids) <= MOST_CELLS // 2)
        if len(small) >= merged_at:
            for group in in_bounded_groups(_readable(self.path, small, _part_tables)):
                if len(group) > 1:
                    made = _joined(self.path, group)
                    for held in group:
                        del parts[held.name]
                    parts |= made

    def _own_tables(self, layout: FileLayout, cell_id: str) -> HeldCells:
        return self._held.get(cell_id) or _own_tables(layout, cell_id)

    def release(self, cell_ids: Collection[str]) -> None:
        """Give cells that are about to run again files of their own, and delete parts that are damaged.

        :raises StoreError: if a file cannot be written.
        """
        with self._exchanges():
            self._release(frozenset(cell_ids))

    @contextmanager
    def _exchanges(self) -> Iterator[None]:
        """Exchange files while the context lasts; what an interrupt left undone there is finished the next time."""
        if self._exchanging:
            finish_exchange(self.path)
            self.found = finished_cells(self.path)
            self._held, self._held_rows = {}, 0
        self._exchanging = True
        yield
        self._exchanging = False

    def _release(self, wanted: frozenset[str]) -> None:
        if self.found.broken:
            exchange(self.path, (), self.found.broken)
            self.found.broken = []
        for name, ids in list(self.found.parts.items()):
            if leaving := ids & wanted:
                made = _unpacked(self.path, name, leaving)
                del self.found.parts[name]
                self.found.parts |= made
                self.found.loose |= leaving


def _readable(path: Path, names: Iterable[str], read: Callable[[FileLayout, str], HeldCells]) -> Iterator[HeldCells]:
    layout = layout_of(path)
    for name in names:
        try:
            yield read(layout, name)
        except StoreError:
            continue


def _own_tables(layout: FileLayout, cell_id: str) -> HeldCells:
    """Return the tables of a cell that has files of its own."""
    row = read_sealed(layout.file("cells", cell_id), "cells")
    if row["cell_id"].to_pylist() != [cell_id]:
        raise StoreError(f"{cell_id}: holds another cell than its name says")
    digests = json.loads(row["digests_json"][0].as_py())
    others = {table: read_table(layout.file(table, cell_id), table, digest) for table, digest in digests.items()}
    return HeldCells(cell_id, {"cells": row.replace_schema_metadata(), **others}, _own_files(cell_id))


def _own_files(cell_id: str) -> tuple[str, ...]:
    return tuple(file_name(table, cell_id) for table in ("cells", *CELL_TABLES))


def _part_tables(layout: FileLayout, name: str) -> HeldCells:
    """Return the tables of a part."""
    index = read_part(layout, name)
    others = {table: read_part_table(layout, other, table) for table, other in index.files.items()}
    files = [file_name("cells", name), *(file_name(table, other) for table, other in index.files.items())]
    return HeldCells(name, {"cells": index.cells.replace_schema_metadata(), **others}, tuple(files))


def _joined(path: Path, group: Sequence[HeldCells]) -> dict[str, frozenset[str]]:
    """Exchange the files of cells for one part; return its name with its cells."""
    tables = joined_cells([held.tables for held in group])
    name, files = stage_part(path, tables)
    exchange(path, files, [file for held in group for file in held.files])
    return {name: frozenset(tables["cells"]["cell_id"].to_pylist())}


def _unpacked(path: Path, name: str, cell_ids: Collection[str]) -> dict[str, frozenset[str]]:
    """Exchange a part for files of these cells and a part of the others; return its name with its cells."""
    held = _part_tables(layout_of(path), name)
    by_cell = {table: slices_by_cell(rows) for table, rows in held.tables.items()}
    files = []
    for cell_id in sorted(cell_ids):
        files += _stage_own(path, {table: found[cell_id] for table, found in by_cell.items() if cell_id in found})
    staying = frozenset(by_cell["cells"]) - frozenset(cell_ids)
    made = {}
    if staying:
        part, added = stage_part(path, {table: _rows_of(rows, staying) for table, rows in held.tables.items()})
        files, made = files + added, {part: staying}
    exchange(path, files, held.files)
    return made


def _rows_of(rows: pa.Table, cell_ids: Collection[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["cell_id"], value_set=pa.array(sorted(cell_ids), pa.string())))


def _stage_own(path: Path, tables: CellTables) -> list[str]:
    """Write the tables of one cell to files of its own, to be exchanged; return them."""
    cell_id = tables["cells"]["cell_id"][0].as_py()
    contents = {table: parquet_bytes(rows) for table, rows in tables.items() if table != "cells"}
    digests = canonical_json({table: digest_of_bytes(data) for table, data in contents.items()})
    place = tables["cells"].schema.get_field_index("digests_json")
    row = tables["cells"].set_column(place, tables["cells"].schema.field(place), pa.array([digests], pa.string()))
    contents["cells"] = parquet_bytes(sealed(row))
    for table, data in contents.items():
        stage(path, file_name(table, cell_id), data)
    return [file_name(table, cell_id) for table in contents]
