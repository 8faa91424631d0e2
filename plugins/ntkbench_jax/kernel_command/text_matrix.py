"""A matrix of numbers from a table, text or parquet, and the place of the first cell that is no finite number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ntkbench.plugin import DataError, TextFormat, number_column, open_table, parse_numbers, read_text_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MISSING: tuple[str, ...] = ()  # a matrix has no missing values: every cell is a number
_DECIMAL_COMMA = TextFormat(decimal=",")


def read_text_matrix(
    path: Path, delimiter: str | None, header: bool | None, encoding: str = "utf-8"
) -> NDArray[np.float64]:
    """Return the numbers (N, F) of a text file; empty lines and comments after ``#`` are ignored.

    :param delimiter: one character, ``" "`` for any white space; by default detected from the first lines.
    :param header: whether the first line holds names; by default, if none of its fields is a number.
    :raises DataError: for anything but finite numbers, with line and column.
    """
    form = TextFormat(separator=delimiter, header=header, encoding=encoding, comment="#", missing=_MISSING)
    table = read_text_table(path, form)
    if table.layout.first_cell == "" and header is not False:
        raise DataError(
            f"{path}: its first column has no name, as when pandas or R write row names; "
            "write the file without them (index=False, row.names=FALSE), or name the column if it is a feature"
        )
    matrix = np.empty((len(table.columns[0]), len(table.columns)))
    wrong: list[tuple[int, int]] = []
    for k, cells in enumerate(table.columns):
        matrix[:, k], _ = parse_numbers(cells, form)
        finite = np.isfinite(matrix[:, k])
        if not finite.all():
            wrong.append((int(np.argmin(finite)), k))
    if wrong:
        row, column = min(wrong)
        raise DataError(f"{path}: {table.place(row, column)} {_wrong(table.columns[column][row])}")
    return matrix


def read_parquet_matrix(path: Path) -> NDArray[np.float64]:
    """Return the numbers (N, F) of a parquet file.

    :raises DataError: for anything but finite numbers, with row and column, and for the index of a data frame.
    """
    table = open_table(path, TextFormat())
    for name, reason in table.no_data.items():
        raise DataError(f'{path}: column "{name}" is no feature ({reason}); write the file without it (index=False)')
    columns = [number_column(table, name) for name in table.names]
    for column in columns:
        if column.missing.any():
            row = int(np.argmax(column.missing))
            raise DataError(f"{path}: {table.place(row, column.name)} is missing; inputs must be finite numbers")
    return np.column_stack([column.values for column in columns])


def _wrong(cell: Any) -> str:
    """Return what is wrong with a cell that is no finite number."""
    text = cell.as_py()
    alone = pa.array([text], pa.string())
    if text == "":
        return "is empty; inputs must be finite numbers"
    if parse_numbers(alone, TextFormat())[1][0]:
        return f"is {text}; inputs must be finite"
    shown = text if len(text) <= 40 else text[:37] + "..."
    comma = parse_numbers(alone, _DECIMAL_COMMA)[1][0]
    return f"is {shown!r}, not a number" + ("; a decimal point is expected, not a comma" if comma else "")
