"""What was read from a table, in words: rows, columns by type, categories, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .table import read, selected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.plugin import TypedColumn

    from .parameters import TableParameters

_LISTED = 8
_PLURALS = {"number": "numbers", "boolean": "booleans", "date": "dates"}


def summary_lines(parameters: TableParameters) -> tuple[str, ...]:
    """Return what a task reads from its file: what it holds, and notes on what may be wrong."""
    return tuple(line.replace("\n", " ") for line in _lines(parameters))  # a name may hold a line end


def _lines(parameters: TableParameters) -> Iterator[str]:
    found = selected(parameters)
    target, features = found.target, found.features
    rows = len(target.values)
    dropped = f", {found.rows - rows} of them dropped for missing values" if rows < found.rows else ""
    yield f"{parameters.path}: {_count(found.rows, 'row')}{dropped}; {found.described}"
    yield f"target {target.name}: " + (_classes(target) if parameters.kind == "classification" else _values(target))
    inputs = sum(len(column.categories()) if column.type == "category" else 1 for column in features)
    yield f"{_count(len(features), 'feature')}, {_count(inputs, 'input')}"
    for kind, plural in _PLURALS.items():
        if names := [_with_unit(column) for column in features if column.type == kind]:
            yield f"{len(names)} {plural if len(names) > 1 else kind}: {_some(names)}"
    for column in features:
        if column.type == "category":
            values = [column.shown(value) for value in column.categories()]
            yield f"{column.name}: {_count(len(values), 'category', 'categories')} ({_some(values)})"
    for name, reason in found.left_out.items():
        yield f"left out: {name} ({reason})"
    yield from (f"note: {note}" for note in _notes(parameters, target, features))


def _notes(parameters: TableParameters, target: TypedColumn, features: Sequence[TypedColumn]) -> Iterator[str]:
    """Yield what may be wrong: constants, an index, identifiers, codes for missing values, and rows that repeat."""
    if _is_constant(target):
        yield f"the target is constant ({target.shown(target.categories()[0])})"
    if constant := [column for column in features if _is_constant(column)]:
        named = [f"{column.name} ({column.shown(column.values[0])})" for column in constant]
        yield f"constant, so of no use: {_some(named)}"
    if counting := [column.name for column in features if column.counts_rows()]:
        yield f"counts the rows, as an index does: {_some(counting)}"
    if rounded := [column.name for column in (target, *features) if column.rounded()]:
        yield f"integers beyond 2^53, which are rounded; an identifier? {_some(rounded)}"
    for column in (target, *features):
        if outlier := column.outlier():
            value, other = outlier
            yield f"{column.name} holds {value:g}, all others are within {other:g}: a code for a missing value?"
    if repeated := _repeated(parameters):
        yield f"rows that repeat an earlier one: {repeated}; test rows may be training rows too"


def _is_constant(column: TypedColumn) -> bool:
    return len(column.categories()) == 1


def _repeated(parameters: TableParameters) -> int:
    """Return how many rows equal an earlier one, target included."""
    columns = read(parameters)
    rows = np.column_stack([columns.x, columns.targets]) + 0.0  # -0.0 is 0.0
    return len(rows) - len(np.unique(rows.view(np.dtype((np.void, rows.strides[0])))))


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _with_unit(column: TypedColumn) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def _values(column: TypedColumn) -> str:
    unit = f", {column.unit}" if column.unit else ""
    return f"{column.type}s from {column.values.min():g} to {column.values.max():g}{unit}"


def _classes(column: TypedColumn) -> str:
    found, counts = np.unique(column.values, return_counts=True)
    sizes = [f"{column.shown(value)}: {_count(int(count), 'row')}" for value, count in zip(found, counts, strict=True)]
    return f"{len(found)} classes ({_some(sizes)})"
