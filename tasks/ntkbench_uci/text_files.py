"""Read a text file by its layout; errors name the line and column."""

from __future__ import annotations

import csv
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ntkbench.plugin import Float, Int

    from .dataset import Layout

_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_MISSING = "?"
Cells = list[list[str]]


def cells_of_text(content: bytes, layout: Layout, where: str) -> Cells:
    """Return the cells of a file's rows, without blank lines and lines of separators only.

    :raises DataError: if it is not text, or its rows or columns differ from the layout.
    """
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} is not UTF-8 text") from error
    numbered = enumerate(lines[layout.header :], start=layout.header + 1)
    return checked(((number, _cells(line, layout)) for number, line in numbered if line.strip()), layout, where)


def checked(lines: Iterable[tuple[int, list[str]]], layout: Layout, where: str) -> Cells:
    """Return the rows of numbered lines that are not blank, without empty cells beyond the last column.

    :raises DataError: if the number of columns or rows differs from the layout.
    """
    rows = []
    for number, cells in lines:
        if not any(cells):
            continue
        if len(cells) > layout.columns and not any(cells[layout.columns :]):
            cells = cells[: layout.columns]
        if len(cells) != layout.columns:
            raise DataError(f"{where}: line {number} has {len(cells)} columns, expected {layout.columns}")
        rows.append(cells)
    if len(rows) != layout.rows:
        raise DataError(f"{where}: {len(rows)} rows, expected {layout.rows}{_header_hint(len(rows), layout)}")
    return rows


def _header_hint(rows: int, layout: Layout) -> str:
    if rows == layout.rows - 1:
        return "; was the first row read as a header, or overwritten by one?"
    return "; is the first one a header?" if rows == layout.rows + 1 else ""


def _cells(line: str, layout: Layout) -> list[str]:
    if layout.separator == "space":
        return [quoted or bare for quoted, bare in _WORD.findall(line)]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=_SEPARATORS[layout.separator]))]


def numbers_and_targets(rows: Cells, layout: Layout, classes: int | None, where: str) -> tuple[Float, Float | Int]:
    """Return inputs (rows, features) and targets (rows,), float64, or labels (rows,), int64, of a table's cells.

    Rows with a missing number (``?``) are dropped. A column of categories becomes one column of 0 and 1 per category,
    in alphabetical order; there ``?`` is a category of its own. Labels number the classes in alphabetical order, or in
    numerical order if all are numbers.

    :raises DataError: if a cell does not fit its column, or the number of classes differs.
    """
    inputs = [i for i in range(layout.columns) if i != layout.target and i not in layout.drop]
    numbers = [i for i in inputs if i not in layout.text]
    needed = [*numbers, layout.target]
    complete = [row for row in rows if _MISSING not in (row[i] for i in needed)]
    columns = [
        _categories([row[i] for row in complete]) if i in layout.text else _numbers(complete, i, layout, where)
        for i in inputs
    ]
    x = np.concatenate(columns, axis=1)
    if classes is None:
        return x, _numbers(complete, layout.target, layout, where)[:, 0]
    return x, _labels([row[layout.target] for row in complete], classes, where)


def _numbers(rows: Cells, column: int, layout: Layout, where: str) -> Float:
    """Return one column (rows, 1) of numbers, correctly rounded."""
    values = np.empty((len(rows), 1))
    unit = Decimal(1).scaleb(-layout.decimals[column]) if layout.decimals else None
    for row, cells in enumerate(rows):
        try:
            values[row, 0] = float(cells[column])
        except ValueError:
            raise DataError(f"{where}: row {row + 1} has {cells[column]!r} in column {column}, not a number") from None
        if unit is not None and np.isfinite(values[row, 0]):
            values[row, 0] = float(Decimal(cells[column]).quantize(unit, ROUND_HALF_UP))
    return values


def _categories(values: list[str]) -> Float:
    """Return one column of 0 and 1 per category (rows, categories)."""
    return np.asarray(np.array(values)[:, None] == np.array(sorted(set(values))), dtype=np.float64)


def _labels(values: list[str], classes: int, where: str) -> Int:
    """Return labels (rows,) int64, counted from 0."""
    found = sorted(set(values), key=_order)
    if len(found) != classes:
        raise DataError(f"{where}: {len(found)} classes in the target's column, expected {classes}")
    index = {value: label for label, value in enumerate(found)}
    return np.array([index[value] for value in values], dtype=np.int64)


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value
