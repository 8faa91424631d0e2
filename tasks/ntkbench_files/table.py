"""The task ``file/table``: its sizes, its random splits, and what was read."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ntkbench.plugin import DataError, Sizes

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Int, Problem, TypedColumn

    from .parameters import TableParameters
    from .selected import SelectedColumns

_SPLITS = 2**31 - 1


class Columns(NamedTuple):
    """Inputs (rows, F), and targets (rows,): values float64, or labels int64 of ``classes`` classes."""

    x: Float
    targets: Float | Int
    classes: int | None


def sizes(parameters: TableParameters) -> Sizes:
    """Return the sizes of the task; the file is read once, and again when it has changed.

    :raises DataError: for a file that cannot be read as this table, has too few rows, or classes that cannot be split.
    """
    columns = read(parameters)
    rows, classes = len(columns.x), columns.classes
    n_train = parameters.n_train or max(1, 3 * rows // 4)
    n_test = parameters.n_test or rows - n_train
    _check_sizes(parameters, rows, classes, n_train, n_test)
    outputs = 1 if classes is None or classes == 2 else classes
    return Sizes(n_train, n_test, columns.x.shape[1], outputs, _SPLITS)


def _check_sizes(parameters: TableParameters, rows: int, classes: int | None, n_train: int, n_test: int) -> None:
    if rows < 2:
        raise DataError(f"{parameters.path} has 1 row; at least 2 are needed, one to train on and one to test on")
    if n_test < 1 or n_train + n_test > rows:
        raise DataError(
            f"{parameters.path} has {rows} rows: n_train {n_train} and n_test {n_test} do not fit; "
            f"each must be at least 1, and their sum at most {rows}"
        )
    for name, count in (("n_train", n_train), ("n_test", n_test)):
        if classes is not None and count < classes:
            default = "" if getattr(parameters, name) else " by default"
            raise DataError(
                f'{parameters.path}: {name} is {count}{default}; the {classes} classes of "{parameters.target}" need '
                f"at least {classes} training and {classes} test rows"
            )


def fingerprint(parameters: TableParameters) -> str:
    """Return the sha256 of the file, or "" if there is none."""
    path = Path(parameters.path)
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def load(parameters: TableParameters, split_index: int, seed: int) -> Problem:
    """Return a random split: inputs (N, F) in their own units, and targets (N, O), centred ones for labels (N,)."""
    size, columns = sizes(parameters), read(parameters)
    from ntkbench.plugin import DataTable  # with it numpy: not for a list of tasks

    table = DataTable.of_targets(columns.x, columns.targets, columns.classes)
    return table.problem(*table.random_split(size.n_train, size.n_test, seed, split_index))


def read(parameters: TableParameters) -> Columns:
    """Return a table's columns; a category becomes one column of 0 and 1 per value.

    :raises DataError: if the file, a column or a value is missing, or a value is not what its column holds.
    """
    return _read(parameters)[1]


def selected(parameters: TableParameters) -> SelectedColumns:
    """Return a table's columns as they were selected and typed.

    :raises DataError: as :func:`read`.
    """
    return _read(parameters)[0]


def _read(parameters: TableParameters) -> tuple[SelectedColumns, Columns]:
    path = Path(parameters.path)
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)
    return _read_once(parameters.model_dump_json(), stamp)


@lru_cache(maxsize=2)
def _read_once(text: str, stamp: tuple[int, int]) -> tuple[SelectedColumns, Columns]:
    import numpy as np

    from .parameters import TableParameters
    from .selected import select_columns

    parameters = TableParameters.model_validate_json(text)
    found = select_columns(parameters)
    x = np.concatenate([_inputs(column) for column in found.features], axis=1)
    if parameters.kind == "regression":
        return found, Columns(x, found.target.values, None)
    labels, classes = _labels(parameters, found)
    return found, Columns(x, labels, classes)


def _inputs(column: TypedColumn) -> Float:
    """Return a feature as inputs (rows, 1), or (rows, values) for categories."""
    if column.type != "category":
        return column.values[:, None]
    inputs: Float = (column.values[:, None] == column.categories()).astype(float)
    return inputs


def _labels(parameters: TableParameters, selected: SelectedColumns) -> tuple[Int, int]:
    """Return the classes (rows,), counted from 0 in the order of their names, and how many there are.

    :raises DataError: for one class, a class of one row, or as many classes as a number has values.
    """
    import numpy as np

    found, labels, counts = np.unique(selected.target.values, return_inverse=True, return_counts=True)
    where = f'{parameters.path}: column "{parameters.target}"'
    if len(found) < 2:
        raise DataError(f"{where} has only one class, {selected.target.shown(found[0])}")
    if len(found) > len(labels) / 2:
        advice = "" if found.dtype.kind == "U" else '; to learn numbers set kind = "regression"'
        raise DataError(f"{where} has {len(found)} different values in {len(labels)} rows: no classes{advice}")
    if counts.min() < 2:
        alone = found[counts < 2]
        others = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise DataError(
            f"{where} has only one row of class {selected.target.shown(alone[0])}{others}; a split needs at least two, "
            "one to train on and one to test on"
        )
    return labels.astype(np.int64), len(found)
