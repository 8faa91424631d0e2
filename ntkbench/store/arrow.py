"""Columns to Arrow tables of a fixed schema, and parquet files: written atomically, and read only as they were written.

The row of a cell has the digests of its other files; a row, and other small tables, carry their own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreError
from ..plugin.hashing import digest_of_bytes
from .schemas import SCHEMAS, arrow_schema

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_SMALL_ROWS = 1000  # below it compression is not worth its time
_SEAL = b"ntkbench_digest"
_REDO = "run the study again to redo it"


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


def with_constant(table: pa.Table, column: str, value: Any) -> pa.Table:
    """Return the table with one column set to a value in every row."""
    index = table.schema.get_field_index(column)
    field = table.schema.field(index)
    return table.set_column(index, field, _array(value, field.type, table.num_rows))


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


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a parquet file; its pages have checksums, which other readers verify."""
    large, sink = table.num_rows > _SMALL_ROWS, pa.BufferOutputStream()
    compression = "zstd" if large else "none"
    pq.write_table(
        table,
        sink,
        compression=compression,
        use_dictionary=large,
        write_statistics=False,
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def write_bytes(data: bytes, path: Path, temporary: Path, *, sync: bool) -> None:
    """Write ``data`` to ``temporary``, flush it (to the disk if ``sync``), and rename it to ``path``."""
    with temporary.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def sealed(table: pa.Table) -> pa.Table:
    """Return a small table with a digest of its rows, which :func:`read_sealed` checks."""
    return table.replace_schema_metadata({_SEAL: _rows_digest(table)})


def _rows_digest(table: pa.Table) -> str:
    plain = pa.Table.from_arrays([_as_numbers(column) for column in table.columns], names=table.column_names)
    return digest_of_bytes(json.dumps(plain.to_pylist(), sort_keys=True).encode())


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times as numbers: as objects they would take pandas to read."""
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def empty_table(table: str, columns: Sequence[str] | None = None, *, coded: bool = False) -> pa.Table:
    """Return a table without rows; ``coded``: text as numbers of a dictionary."""
    return table_schema(table, columns, coded=coded).empty_table()


def read_sealed(file: Path, table: str) -> pa.Table:
    """Return a small table that was written with its digest.

    :raises StoreError: naming the file if it is not whole, or not what was written.
    """
    found, metadata = parsed(file, file_content(file), table_schema(table))
    if (metadata or {}).get(_SEAL) != _rows_digest(found).encode():
        raise StoreError(f"{file}: damaged: its rows are not those that were written; {_REDO}")
    return found


def read_table(
    file: Path, table: str, digest: str, columns: Sequence[str] | None = None, *, coded: bool = False
) -> pa.Table:
    """Return a table of a cell; ``coded``: text as numbers of a dictionary.

    :param digest: of the file's bytes, as the cell's row says.
    :raises StoreError: naming the file if it is missing, or not what was written.
    """
    data = file_content(file)
    if digest_of_bytes(data) != digest:
        raise damaged(file)
    return parsed(file, data, table_schema(table, columns, coded=coded))[0]


def damaged(file: Path) -> StoreError:
    """Return the error of a file whose contents are not those that were written."""
    return StoreError(f"{file}: damaged: its contents are not those that were written; {_REDO}")


def is_intact(file: Path, digest: str) -> bool:
    """Return whether a file has this digest."""
    try:
        return digest_of_bytes(file_content(file)) == digest
    except StoreError:
        return False


def file_content(file: Path) -> bytes:
    """Return a file's bytes.

    :raises StoreError: naming the file if it cannot be read.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing; {_REDO}") from None
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror or error})") from None


def table_schema(table: str, columns: Sequence[str] | None = None, *, coded: bool = False) -> pa.Schema:
    """Return the schema of some columns of a table; ``coded``: text as numbers of a dictionary."""
    schema = arrow_schema(table)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    return pa.schema([field.with_type(_coded(field.type)) for field in schema]) if coded else schema


def _coded(type_: pa.DataType) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if type_ == pa.string() else type_


def parsed(file: Path, data: bytes, schema: pa.Schema) -> tuple[pa.Table, dict[bytes, bytes] | None]:
    """Return the table of a parquet file's bytes in this schema, and its metadata.

    :raises StoreError: naming the file if it is no such table.
    """
    try:
        coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        source = pa.BufferReader(data)
        with pq.ParquetFile(source, read_dictionary=coded, page_checksum_verification=True) as parquet:
            found = parquet.read(columns=schema.names, use_threads=False).select(schema.names)
            metadata = parquet.schema_arrow.metadata
            return found if found.schema.equals(schema) else found.cast(schema), metadata
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{file}: not a whole parquet file of this schema ({reason}); {_REDO}") from None
