"""Part files: the rows of many cells in one parquet file per table, which is named by the digest of its bytes.

The file in ``cells`` lists the part's files of the other tables, so every file of a part is known by its contents.
Rows are sorted by cell; row groups are of whole cells and have statistics, so that readers skip what they do not want.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreError
from ..plugin.hashing import digest_of_bytes
from .arrow import damaged, file_content, parsed, table_schema
from .exchange import stage
from .layout import PART, file_name

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import FileLayout

_FILES = b"ntkbench_files"
_GROUP_ROWS = 20_000
MOST_CELLS = 8192
_MOST_ROWS = 500_000
CellTables = Mapping[str, pa.Table]  # ``cells`` and other tables of some cells, each sorted by cell


class HeldCells(NamedTuple):
    """The tables of a cell or part, and the files that hold them, as ``table/name.parquet``."""

    name: str
    tables: CellTables
    files: tuple[str, ...]


@dataclass(frozen=True)
class PartIndex:
    """What a part's file in ``cells`` says: its rows, and the names of the files with its other tables."""

    cells: pa.Table
    files: Mapping[str, str]


def read_part(layout: FileLayout, name: str) -> PartIndex:
    """Return the cells of a part.

    :raises StoreError: naming the file if it is not what was written.
    """
    table, metadata = _read(layout, "cells", name)
    return PartIndex(table, json.loads(metadata.get(_FILES, b"{}")))


def read_part_table(
    layout: FileLayout, name: str, table: str, columns: Sequence[str] | None = None, *, coded: bool = False
) -> pa.Table:
    """Return the rows of one table of a part; ``coded``: text as numbers of a dictionary.

    :raises StoreError: naming the file if it is missing, or not what was written.
    """
    return _read(layout, table, name, columns, coded=coded)[0]


def part_is_intact(layout: FileLayout, table: str, name: str) -> bool:
    """Return whether a part's file has the contents that its name says."""
    try:
        return name == PART + digest_of_bytes(file_content(layout.file(table, name)))
    except StoreError:
        return False


def _read(
    layout: FileLayout, table: str, name: str, columns: Sequence[str] | None = None, *, coded: bool = False
) -> tuple[pa.Table, Mapping[bytes, bytes]]:
    file = layout.file(table, name)
    data = file_content(file)
    if name != PART + digest_of_bytes(data):
        raise damaged(file)
    found, metadata = parsed(file, data, table_schema(table, columns, coded=coded))
    return found, metadata or {}


def stage_part(path: Path, tables: CellTables) -> tuple[str, list[str]]:
    """Write the tables of cells as one part, to be exchanged for their other files; return its name and files."""
    names = {}
    for table, rows in tables.items():
        if table != "cells" and rows.num_rows:
            data = _part_bytes(rows)
            names[table] = PART + digest_of_bytes(data)
            stage(path, file_name(table, names[table]), data)
    data = _part_bytes(tables["cells"].replace_schema_metadata({_FILES: json.dumps(names, sort_keys=True)}))
    name = PART + digest_of_bytes(data)
    stage(path, file_name("cells", name), data)
    return name, [file_name("cells", name), *(file_name(table, other) for table, other in names.items())]


def _part_bytes(table: pa.Table) -> bytes:
    """Return a table as a parquet file with row groups of whole cells."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", write_statistics=True) as writer:
        for start, stop in _row_groups(table):
            writer.write_table(table.slice(start, stop - start), row_group_size=stop - start)
    return bytes(sink.getvalue())


def _row_groups(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of consecutive groups: whole cells, of enough rows together."""
    ends = [*(np.flatnonzero(np.diff(cell_codes(table))) + 1).tolist(), table.num_rows]
    start = 0
    for end in ends:
        if end - start >= _GROUP_ROWS or end == table.num_rows:
            yield start, end
            start = end


def slices_by_cell(table: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of each cell; the table is sorted by cell."""
    starts = [0, *(np.flatnonzero(np.diff(cell_codes(table))) + 1).tolist()] if table.num_rows else []
    ids = table["cell_id"].take(pa.array(starts, pa.int64())).to_pylist()
    stops = [*starts[1:], table.num_rows]
    return {cell_id: table.slice(start, stop - start) for cell_id, start, stop in zip(ids, starts, stops, strict=True)}


def cell_codes(table: pa.Table) -> Any:
    """Return a number per row that ascends with its ``cell_id``, int64 (rows,)."""
    ids = table["cell_id"]
    coded = ids.unify_dictionaries() if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    coded = coded.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):  # of no chunk
        return np.empty(0, dtype=np.int64)
    names = np.array(coded.dictionary.to_pylist(), dtype=object)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[np.argsort(names)] = np.arange(len(names))
    return ranks[coded.indices.to_numpy()]


def sorted_by_cell(table: pa.Table) -> pa.Table:
    """Return the rows in the order of their cells; those of a cell stay in their order."""
    codes = cell_codes(table)
    if (np.diff(codes) >= 0).all():
        return table
    return table.unify_dictionaries().combine_chunks().take(np.argsort(codes, kind="stable"))


def joined_cells(several: Sequence[CellTables]) -> CellTables:
    """Return the tables of several groups of cells as one, sorted by cell."""
    names = dict.fromkeys(name for tables in several for name in tables)
    return {
        name: sorted_by_cell(pa.concat_tables([tables[name] for tables in several if name in tables])) for name in names
    }


def in_bounded_groups(held: Iterable[HeldCells]) -> Iterator[list[HeldCells]]:
    """Yield consecutive groups of cells that are large enough for a part, and bounded in memory."""
    group: list[HeldCells] = []
    cells = rows = 0
    for each in held:
        more_cells = each.tables["cells"].num_rows
        more_rows = max(table.num_rows for table in each.tables.values())
        if group and (cells + more_cells > MOST_CELLS or rows + more_rows > _MOST_ROWS):
            yield group
            group, cells, rows = [], 0, 0
        group.append(each)
        cells, rows = cells + more_cells, rows + more_rows
    if group:
        yield group
