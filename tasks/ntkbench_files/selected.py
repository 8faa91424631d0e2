"""The columns of a table that a task uses, their rows, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ntkbench.plugin import DataError, TableFile, label_column, number_column, open_table, typed_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.plugin import TypedColumn

    from .parameters import TableParameters


class SelectedColumns(NamedTuple):
    """Target and features, without missing values; ``rows`` is how many the file has, ``left_out`` has reasons."""

    target: TypedColumn
    features: tuple[TypedColumn, ...]
    rows: int
    described: str
    left_out: dict[str, str]


def select_columns(parameters: TableParameters) -> SelectedColumns:
    """Read the columns that a task uses.

    :raises DataError: for a file that cannot be read as this table, naming the column and the line.
    """
    table = open_table(Path(parameters.path), parameters.text_format())
    left_out = _left_out(parameters, table)
    names = parameters.features or tuple(
        name for name in table.names if name != parameters.target and name not in left_out
    )
    if not names:
        reasons = "".join(f'; "{name}" is left out: {reason}' for name, reason in left_out.items())
        raise DataError(f"{table.path}: no columns besides the target{reasons}")
    target = _target(parameters, table)
    features = tuple(typed_column(table, name, _declared(parameters, name)) for name in names)
    kept = _kept(parameters, table, (target, *features))
    return SelectedColumns(
        target.kept(kept), tuple(column.kept(kept) for column in features), table.rows, table.described, left_out
    )


def _left_out(parameters: TableParameters, table: TableFile) -> dict[str, str]:
    """Return the columns that nobody learns from, with reasons, after checking that all names are known."""
    for name in (parameters.target, *(parameters.features or ()), *parameters.types):
        table.index_of(name)
    used = (parameters.target, *(parameters.features or ()))
    found = {name: reason for name, reason in table.no_data.items() if name not in used}
    found |= {name: "ignored" for name, kind in parameters.types.items() if kind == "ignore"}
    if parameters.features is not None:
        found |= {name: "not a feature" for name in table.names if name not in used and name not in found}
    return found


def _declared(parameters: TableParameters, name: str) -> Literal["number", "category"] | None:
    kind = parameters.types.get(name)
    return None if kind == "ignore" else kind


def _target(parameters: TableParameters, table: TableFile) -> TypedColumn:
    """Return the target: numbers, or classes."""
    name = parameters.target
    if parameters.kind == "classification":
        return label_column(table, name, _declared(parameters, name))
    return number_column(table, name, '; for classes set kind = "classification"')


def _kept(parameters: TableParameters, table: TableFile, columns: tuple[TypedColumn, ...]) -> NDArray[np.bool_]:
    """Return which rows have no missing values.

    :raises DataError: if some have and are not to be dropped, naming the first; or if all have.
    """
    if parameters.missing == "refuse":
        for column in columns:
            if count := int(column.missing.sum()):
                row = int(np.argmax(column.missing))
                raise DataError(
                    f"{table.path}: {table.place(row, column.name)} is {table.text_of(row, column.name)}, a missing "
                    f"value ({count} of {table.rows} in this column); fill them in, or leave such rows out: "
                    'missing = "drop" (missing_values lists what counts as missing)'
                )
    kept: NDArray[np.bool_] = ~np.any([column.missing for column in columns], axis=0)
    if not kept.any():
        raise DataError(f"{table.path}: every row has a missing value; none is left")
    return kept
