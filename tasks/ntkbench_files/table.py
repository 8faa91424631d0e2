"""Read a table, count its rows and columns, and cut random splits from it."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ntkbench.plugin import DataError, Sizes, suggestion

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Int, Problem

    from .parameters import TableParameters

_SPLITS = 2**31 - 1


class Columns(NamedTuple):
    """Inputs (rows, F), and targets (rows,): values float64, or labels int64 of ``classes`` classes."""

    x: Float
    targets: Float | Int
    classes: int | None


def sizes(parameters: TableParameters) -> Sizes:
    """Return the sizes of the task; the file is read once, and again when it has changed.

    :raises DataError: for a file that cannot be read as this table, or has too few rows.
    """
    columns = read(parameters)
    rows, classes = len(columns.x), columns.classes
    n_train = parameters.n_train or max(1, 3 * rows // 4)
    n_test = parameters.n_test or rows - n_train
    least = classes or 1
    if n_train + n_test > rows or min(n_train, n_test) < least:
        per_class = f", each at least {least} for {classes} classes" if classes else ""
        raise DataError(
            f"{parameters.path} has {rows} rows: n_train {n_train} and n_test {n_test} do not fit; their sum may be at "
            f"most {rows}{per_class}"
        )
    outputs = 1 if classes is None or classes == 2 else classes
    return Sizes(n_train, n_test, columns.x.shape[1], outputs, _SPLITS)


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
    """Return a table's columns; a text feature becomes one column of 0 and 1 per category.

    :raises DataError: if the file, a column or a value is missing, or a value is not a number.
    """
    path = Path(parameters.path)
    if not path.is_file():
        raise DataError(f"file/table: no file {path}; its path is relative to {Path.cwd()}")
    stat = path.stat()
    return _read(parameters, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _read(parameters: TableParameters, modified: int, size: int) -> Columns:
    import numpy as np

    table = _arrow(Path(parameters.path))
    names = table.column_names
    for name in (parameters.target, *(parameters.features or ())):
        if name not in names:
            raise DataError(
                f'{parameters.path}: no column "{name}"{suggestion(name, names)} (columns: {", ".join(names)})'
            )
    features = parameters.features or tuple(name for name in names if name != parameters.target)
    if not features or not len(table):
        raise DataError(f"{parameters.path}: no rows, or no columns besides the target")
    x = np.concatenate([_inputs(table[name], name, parameters.path) for name in features], axis=1)
    target = table[parameters.target]
    if parameters.kind == "regression":
        return Columns(x, _numbers(target, parameters.target, parameters.path), None)
    found, labels = np.unique(_present(target, parameters.target, parameters.path), return_inverse=True)
    if len(found) < 2:
        raise DataError(f'{parameters.path}: column "{parameters.target}" has only one class')
    return Columns(x, labels.astype(np.int64), len(found))


def _arrow(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            return pa.parquet.read_table(path)
        if path.suffix == ".csv":
            return pa.csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    raise DataError(f"{path}: expected a .csv or .parquet file")


def _present(column: Any, name: str, path: str) -> Any:
    if column.null_count:
        raise DataError(
            f'{path}: column "{name}" has {column.null_count} missing values; fill them in or drop the rows'
        )
    return column.to_numpy()


def _numbers(column: Any, name: str, path: str) -> Float:
    import numpy as np

    values = _present(column, name, path)
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        hint = 'for classes set kind = "classification"'
        raise DataError(f'{path}: column "{name}" holds {column.type}, not numbers; {hint}') from error
    if not np.isfinite(numbers).all():
        raise DataError(f'{path}: column "{name}", row {int(np.argmin(np.isfinite(numbers))) + 1}: not a finite number')
    return numbers


def _inputs(column: Any, name: str, path: str) -> Float:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = np.asarray(_present(column, name, path), dtype=str)
        return np.asarray(values[:, None] == np.unique(values), dtype=np.float64)
    return _numbers(column, name, path)[:, None]
