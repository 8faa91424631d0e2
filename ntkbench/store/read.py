"""Read runs back: the tables as pandas DataFrames, empty and typed when absent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import StoreError
from .arrow import empty_table, read_sealed, read_table
from .run_file import RUN_FILE, read_run_file
from .schemas import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd


_PART_ROWS = 200_000
_NUMBERS = [
    *("run_id", "cell_id", "metric", "reference", "reference_cell_id", "split", "split_index"),
    *("member", "step", "time", "component", "value"),
]


def _frame(table: pa.Table, name: str, *, share: bool = False) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame; nullable integers become ``Int64``.

    :param share: let it share the memory of the table, so that nobody can write to it.
    """
    import pandas as pd

    nullable = {c.name for c in SCHEMAS[name] if c.nullable and c.type == "int64"} & {*table.column_names}
    frame: pd.DataFrame = table.drop_columns(list(nullable)).to_pandas(split_blocks=share)
    for place, column in enumerate(table.column_names):
        if column in nullable:
            frame.insert(place, column, pd.Series(_integers(table[column]), copy=not share))
    return frame


def _integers(column: pa.ChunkedArray) -> pd.arrays.IntegerArray:
    import pandas as pd

    if not column.null_count:
        return pd.arrays.IntegerArray(column.to_numpy(), np.zeros(len(column), dtype=bool))
    return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), column.is_null().to_numpy())


def _in_parts(tables: Iterable[pa.Table], rows: int) -> Iterator[list[pa.Table]]:
    """Yield consecutive tables that have at most this many rows together, or one that has more."""
    part: list[pa.Table] = []
    for table in tables:
        if part and sum(each.num_rows for each in part) + table.num_rows > rows:
            yield part
            part = []
        part.append(table)
    if part:
        yield part


class Results:
    """The tables of one or several runs, each read on first use.

    ``cells``, ``measurements``, ``predictions``, ``spectra``, ``verdicts`` are pandas DataFrames with the columns of
    ``results/README.md``; rows without a committed cell are left out.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __repr__(self) -> str:
        return f"Results({', '.join(str(path) for path in self.paths)})"

    @cached_property
    def runs(self) -> list[dict[str, Any]]:
        """The contents of each run's ``run.json``."""
        return [read_run_file(path) for path in self.paths]

    @cached_property
    def labels(self) -> list[str]:
        """The labels of references, then of subjects, each once, in the order of the study; run after run."""
        roles = ("reference", "subject")
        entries = (entry for run in self.runs for role in roles for entry in run["resolved"][role])
        return list(dict.fromkeys(str(entry["label"]) for entry in entries))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell."""
        parts = self._cells.values()
        return _frame(pa.concat_tables([empty_table("cells"), *parts]), "cells")

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """One row per measured number."""
        return self._committed("measurements")

    @cached_property
    def measurement_parts(self) -> list[pd.DataFrame]:
        """What ``measurements`` say, without units and the like, text as categories: several times faster to read.

        In parts of whole cells, one at least: small cells together, large ones alone.
        """
        cells = (
            part
            for path, cells in self._digests.items()
            for part in _committed_parts(path, cells, "measurements", columns=_NUMBERS, coded=True)
        )
        parts = [pa.concat_tables(tables).unify_dictionaries() for tables in _in_parts(cells, _PART_ROWS)]
        empty = empty_table("measurements", _NUMBERS, coded=True)
        return [_frame(part, "measurements", share=True) for part in parts or [empty]]

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per predicted value."""
        return self._committed("predictions")

    @cached_property
    def spectra(self) -> pd.DataFrame:
        """One row per eigenvalue kept."""
        return self._committed("spectra")

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row per quantity of a claim."""
        return self._read("verdicts")

    def _read(self, table: str) -> pd.DataFrame:
        files = [file for path in self.paths for file in sorted((path / table).glob("*.parquet"))]
        return _frame(pa.concat_tables([empty_table(table), *(read_sealed(file, table) for file in files)]), table)

    def _committed(self, table: str) -> pd.DataFrame:
        parts = [part for path, cells in self._digests.items() for part in _committed_parts(path, cells, table)]
        return _frame(pa.concat_tables([empty_table(table), *parts]), table)

    @cached_property
    def _digests(self) -> dict[Path, dict[str, dict[str, str]]]:
        """By run: the committed cells, each with the digests of its other tables."""
        return {
            path: {
                row["cell_id"]: json.loads(row["digests_json"])
                for row in cells.select(["cell_id", "digests_json"]).to_pylist()
            }
            for path, cells in self._cells.items()
        }

    @cached_property
    def _cells(self) -> dict[Path, pa.Table]:
        """By run: the rows of its cells, against which every other table is checked."""
        return {path: _cells_of(path) for path in self.paths}


def _cells_of(path: Path) -> pa.Table:
    """Return the rows of a run's cells.

    :raises StoreError: if a file holds another cell than its name says.
    """
    rows = []
    for file in sorted((path / "cells").glob("*.parquet")):
        row = read_sealed(file, "cells")
        if row["cell_id"].to_pylist() != [file.stem]:
            raise StoreError(f"{file}: holds another cell than its name says; run the study again to redo it")
        rows.append(row)
    return pa.concat_tables([empty_table("cells"), *rows])


def _committed_parts(
    path: Path, cells: Mapping[str, Mapping[str, str]], table: str, **options: Any
) -> Iterator[pa.Table]:
    """Yield the tables of a run's cells, as their rows say they are."""
    for cell_id, digests in cells.items():
        if table in digests:
            part = read_table(path / table / f"{cell_id}.parquet", table, digests[table], **options)
            if part.num_rows:
                yield part


def load(*paths: str | Path) -> Results:
    """Return the results of runs: each path is a run's folder, or a folder of runs.

    A cell_id repeats in other runs: (run_id, cell_id) is the key of a cell in all tables.

    :raises StoreError: if a path holds no run, or a run of another schema, or two folders hold the same run.
    """
    found = [run for path in paths or ("results",) for run in find_runs(Path(path))]
    results = Results(list({run.resolve(): run for run in found}.values()))
    folders: dict[str, Path] = {}
    for path, run in zip(results.paths, results.runs, strict=True):
        if (other := folders.setdefault(run["run_id"], path)) != path:
            raise StoreError(
                f"{other} and {path} hold the same run ({run['run_id']}), whose rows could not be told apart; "
                "load them one by one"
            )
    return results


def find_runs(path: Path) -> list[Path]:
    """Return the runs at ``path``: itself, or those in folders below, at most two levels down.

    :raises StoreError: if there is none.
    """
    if (path / RUN_FILE).is_file():
        return [path]
    found = sorted(file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/{RUN_FILE}") if file.is_file())
    if not found:
        reason = f"no {RUN_FILE} in it or in a folder below" if path.is_dir() else "no such folder"
        raise StoreError(f"{path}: no run found ({reason})")
    return found
