"""A parquet file as columns, and which of them pandas wrote as the index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


class ParquetTable(NamedTuple):
    """Names and columns of a parquet file, and the names of those that are a data frame's index."""

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    index_names: frozenset[str]


def read_parquet_table(path: Path) -> ParquetTable:
    """Read a parquet file.

    :raises DataError: if it is none, or is cut off.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pa.parquet.ParquetFile(path) as file:  # not a data set, which cannot have one name twice
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    columns = tuple(column.combine_chunks() for column in table.columns)
    return ParquetTable(tuple(table.column_names), columns, _index(table.schema.metadata or {}))


def _index(metadata: dict[bytes, bytes]) -> frozenset[str]:
    """Return the columns of the index by pandas' own record; an index without a column is a range there."""
    try:
        found = json.loads(metadata.get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(name for name in found if isinstance(name, str))
