"""Read a file of text by its layout; what does not fit is named by line and column."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.errors import DataError

from .folder import check_hash, read_bytes

if TYPE_CHECKING:
    from ntkbench.exchange import Float, Int

    from .collection import Dataset, Layout

_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_MISSING = "?"
Cells = list[list[str]]


def read_file(dataset: Dataset) -> tuple[Float, Float | Int]:
    """Return inputs (rows, features) and targets (rows,), float64, or labels (rows,), int64, of a data set's file.

    Rows in which a number is missing (``?``) are left out. A column of categories becomes one column of 0 and 1 for
    each, in the order of their spelling; there ``?`` is a category of its own. Labels count the classes in the order
    of their spelling, or of their value where all are numbers.

    :raises DataError: if rows, columns or bytes are not those of the published file.
    """
    owner, layout = f"uci/{dataset.name}", dataset.layout
    assert layout is not None
    where = f"{owner} ({dataset.locator})"
    content = read_bytes(dataset.locator, owner)
    rows = _rows(content, layout, where)
    inputs = [i for i in range(layout.columns) if i != layout.target and i not in layout.drop]
    numbers = [i for i in inputs if i not in layout.text]
    needed = [*numbers, layout.target]
    complete = [row for row in rows if _MISSING not in (row[i] for i in needed)]
    columns = [
        _categories([row[i] for row in complete]) if i in layout.text else _numbers(complete, i, where) for i in inputs
    ]
    x = np.concatenate(columns, axis=1)
    if dataset.classes is None:
        y: Float | Int = _numbers(complete, layout.target, where)[:, 0]
    else:
        y = _labels([row[layout.target] for row in complete], dataset.classes, where)
    if x.shape != (dataset.rows, dataset.features):
        raise DataError(
            f"{where}: inputs have shape {x.shape}, expected {(dataset.rows, dataset.features)}: another number of "
            "rows without missing values, or of categories, than published"
        )
    check_hash(content, dataset.sha256, dataset.locator, owner)
    return x, y


def _rows(content: bytes, layout: Layout, where: str) -> Cells:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} is not UTF-8 text") from error
    rows = []
    for number, line in enumerate(lines[layout.header :], start=layout.header + 1):
        if not line.strip():
            continue
        cells = _cells(line, layout)
        if len(cells) != layout.columns:
            raise DataError(f"{where}: line {number} has {len(cells)} columns, expected {layout.columns}")
        rows.append(cells)
    if len(rows) != layout.rows:
        raise DataError(f"{where}: {len(rows)} rows, expected {layout.rows}")
    return rows


def _cells(line: str, layout: Layout) -> list[str]:
    if layout.separator == "space":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=_SEPARATORS[layout.separator]))]


def _numbers(rows: Cells, column: int, where: str) -> Float:
    """Return one column (rows, 1) of numbers, correctly rounded."""
    values = np.empty((len(rows), 1))
    for row, cells in enumerate(rows):
        try:
            values[row, 0] = float(cells[column])
        except ValueError:
            raise DataError(f"{where}: row {row + 1} has {cells[column]!r} in column {column}, not a number") from None
    return values


def _categories(values: list[str]) -> Float:
    """Return one column of 0 and 1 per category (rows, categories)."""
    return (np.array(values)[:, None] == np.array(sorted(set(values)))).astype(np.float64)


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
