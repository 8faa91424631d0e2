"""Columns to Arrow tables of a fixed schema, and parquet files, written atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreError
from .schemas import SCHEMAS, arrow_schema

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_SMALL_ROWS = 1000  # below it compression is not worth its time


def to_table(name: str, columns: Mapping[str, Any], constants: Mapping[str, Any]) -> pa.Table:
    """Return a table of the schema ``name``; scalars in ``columns`` or ``constants`` are repeated in every row.

    :raises ValueError: if a column is missing or unknown, or holds what its type cannot.
    """
    rows = next((len(value) for value in columns.values() if _is_column(value)), 1)
    return _table(name, {**columns, **constants}, rows)


def row_table(name: str, row: Mapping[str, Any]) -> pa.Table:
    """Return a table of the schema ``name`` with one row.

    :raises ValueError: if a column is missing or unknown, or holds what its type cannot.
    """
    schema = arrow_schema(name)
    _check_names(name, row)
    try:
        if any(isinstance(row[c.name], float) for c in SCHEMAS[name] if c.type == "int64"):
            raise pa.ArrowInvalid("a fraction would be cut off")
        whole = pa.array([row], type=pa.struct(list(schema)))  # ten times as fast as column by column
    except (pa.ArrowException, UnicodeError):
        return _table(name, {key: [value] for key, value in row.items()}, 1)
    _check_nothing(name, [c.name for c in SCHEMAS[name] if row[c.name] is None and not c.nullable])
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(whole)], schema=schema)


def _check_names(name: str, given: Mapping[str, Any]) -> None:
    if wrong := given.keys() ^ {column.name for column in SCHEMAS[name]}:
        raise ValueError(f"table {name}: unknown or missing columns {sorted(wrong)}")


def _check_nothing(name: str, empty: list[str]) -> None:
    if empty:
        raise ValueError(f"table {name}, column {empty[0]}: a value is missing")


def _table(name: str, given: Mapping[str, Any], rows: int) -> pa.Table:
    schema = arrow_schema(name)
    _check_names(name, given)
    arrays = []
    for field, column in zip(schema, SCHEMAS[name], strict=True):
        try:
            array = _array(given[field.name], field.type, rows)
        except (pa.ArrowException, UnicodeError) as error:
            raise ValueError(f"table {name}, column {field.name}: {error}") from error
        _check_nothing(name, [field.name] if array.null_count and not column.nullable else [])
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema)


def from_frame(name: str, frame: pd.DataFrame) -> pa.Table:
    """Return a DataFrame as a table of the schema ``name``; missing values become null."""
    return pa.Table.from_pandas(frame, schema=arrow_schema(name), preserve_index=False)


def _is_column(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _array(value: Any, type_: pa.DataType, rows: int) -> pa.Array:
    if isinstance(value, np.ma.MaskedArray):
        return pa.array(value.data, type=type_, mask=np.ma.getmaskarray(value))
    if isinstance(value, list) and pa.types.is_integer(type_):
        return _integers(value, type_)
    if _is_column(value):
        return pa.array(value, type=type_)
    if rows == 1:
        return pa.array([value], type=type_)
    return pa.repeat(pa.scalar(value, type=type_), rows)


def _integers(values: list[Any], type_: pa.DataType) -> pa.Array:
    """Return integers; a fraction, which Arrow would cut off, is an error."""
    found = pa.array(values)
    return found.cast(type_) if pa.types.is_floating(found.type) else pa.array(values, type=type_)


def write_parquet(table: pa.Table, path: Path, temporary: Path, *, sync: bool) -> None:
    """Write ``table`` to ``temporary``, flush it (to the disk if ``sync``), and rename it to ``path``."""
    large = table.num_rows > _SMALL_ROWS
    with temporary.open("wb") as file:
        pq.write_table(
            table, file, compression="zstd" if large else "none", use_dictionary=large, write_statistics=False
        )
        if sync:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def is_whole(path: Path) -> bool:
    """Return whether a file starts and ends as a parquet file does."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-4, os.SEEK_END)
            return head == b"PAR1" and file.read(4) == b"PAR1"
    except OSError:
        return False


def read_columns(
    files: Sequence[Path], table: str, columns: list[str] | None = None, *, coded: bool = False
) -> pa.Table:
    """Return one Arrow table of the files, in the fixed schema; ``coded``: text as numbers of a dictionary.

    :raises StoreError: naming the first file that is not a whole parquet file.
    """
    schema = arrow_schema(table)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    if coded:
        schema = pa.schema([field.with_type(_coded(field.type)) for field in schema])
    return pa.concat_tables([_read_file(file, schema) for file in files] or [schema.empty_table()])


def _coded(type_: pa.DataType) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if type_ == pa.string() else type_


def _read_file(file: Path, schema: pa.Schema) -> pa.Table:
    try:
        coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        with pq.ParquetFile(file, read_dictionary=coded) as parquet:
            found = parquet.read(columns=schema.names, use_threads=False).select(schema.names)
            return found if found.schema.equals(schema) else found.cast(schema)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{file}: not a whole parquet file of this schema ({reason}); "
            "delete it and run the study again to redo that cell"
        ) from None
