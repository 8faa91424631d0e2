"""Read runs back: the tables as pandas DataFrames, empty and typed when absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import StoreError
from .arrow import empty_table, read_sealed
from .committed import CommittedRows
from .parts import cell_codes
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


def _in_parts(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Yield consecutive rows of whole cells: at most this many, or one cell; one part at least."""
    ends = [*(np.flatnonzero(np.diff(cell_codes(table))) + 1).tolist(), table.num_rows]
    start = end = 0
    for following in ends:
        if following - start > rows and end > start:
            yield table.slice(start, end - start)
            start = end
        end = following
    yield table.slice(start)


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
        return _frame(pa.concat_tables([empty_table("cells"), *(run.cells for run in self._runs)]), "cells")

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """One row per measured number."""
        return self._committed("measurements")

    @cached_property
    def measurement_parts(self) -> list[pd.DataFrame]:
        """What ``measurements`` say, without units and the like, text as categories: several times faster to read.

        In parts of whole cells, one at least: small cells together, large ones alone.
        """
        empty = empty_table("measurements", _NUMBERS, coded=True)
        tables = [run.table("measurements", _NUMBERS, coded=True) for run in self._runs]
        whole = pa.concat_tables([empty, *tables]).unify_dictionaries()
        return [_frame(part, "measurements", share=True) for part in _in_parts(whole, _PART_ROWS)]

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
        return _frame(pa.concat_tables([empty_table(table), *(run.table(table) for run in self._runs)]), table)

    @cached_property
    def _runs(self) -> list[CommittedRows]:
        return [CommittedRows(path) for path in self.paths]


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
