"""Tables of users for ``file/table``, and matrices for ``ntkbench kernel``: values, and bytes that are damaged."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from ntkbench.execution.data import load_problem
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study
from ntkbench_jax.kernel_command.array_files import read_matrix

from .damage import DAMAGES, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from ntkbench.plugin.registry import Registry

_WORDS = st.sampled_from(
    ["", " ", "?", "NA", "nan", "inf", "-inf", "1e400", "-1e308", "1.8e308", "1e-320", "1,5", "1.234,5", "1 000",
     "0x1f", "²", "٣", "1_000", "+-1", "--", '"', '""', '"a', "a;b", "a,b", "a\tb", "\x00", "\ufeff1", "\u22121", "é",
     "True", "2020-01-01", "2020-13-40", "x" * 3000, "9" * 400, "#", "# 1", "Unnamed: 0", "y", "=1+1"]
)  # fmt: skip
_NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**20), 10**20).map(str)
    | st.integers(0, 9).map(str)
)
_CELLS = st.one_of(_NUMBERS, _NUMBERS, _NUMBERS, _WORDS, st.text(max_size=6))
_ROWS = st.lists(st.lists(_NUMBERS, min_size=3, max_size=3), min_size=2, max_size=12)
_ODD_ROWS = st.lists(st.lists(_CELLS, max_size=5), max_size=8)
_SEPARATORS = st.sampled_from([*[","] * 8, ";", "\t", " ", "|", "", ", ", "::"])
_ENDS = st.sampled_from([*["\n"] * 4, "\r\n", "\r", "\n\n", "\u2028"])
_NAMES = st.sampled_from(
    [*[["a", "b", "y"]] * 6, ["y", "a", "a"], ["", "b", "y"], ["y"], [], ["a", "b", "y", "c"], ["é", "b", "y"]]
)
_ENCODINGS = st.sampled_from([*["utf-8"] * 8, "utf-8-sig", "latin-1", "utf-16", "ascii", "cp1252", "nonsense"])
_OPTIONS = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["regression", "classification"]),
        "features": st.sampled_from([["a"], ["a", "b"], ["y"], ["q"]]),
        "n_train": st.sampled_from([1, 2, 3, 10**9]),
        "n_test": st.sampled_from([1, 2, 10**18]),
        "types": st.dictionaries(
            st.sampled_from(["a", "b", "y", "q"]), st.sampled_from(["number", "category", "ignore"])
        ),
        "missing": st.sampled_from(["refuse", "drop"]),
        "missing_values": st.lists(st.sampled_from(["?", "", "NA", "x", "1"]), max_size=3),
        "separator": _SEPARATORS,
        "decimal": st.sampled_from([".", ",", "1", ""]),
        "thousands": st.sampled_from([",", ".", " ", "'", "0"]),
        "comment": st.sampled_from(["#", "1", "", "//"]),
    },
)
_TEXTS = st.tuples(_NAMES, _ROWS | _ROWS | _ODD_ROWS, _SEPARATORS, _ENDS, _ENCODINGS)
_SUFFIXES = st.sampled_from([".csv", ".csv", ".csv", ".tsv", ".txt", ".CSV", ".csv.gz", ".csv.xz", ".parquet", ".xlsx"])
_FRAMES = st.dictionaries(
    st.sampled_from(["a", "b", "y", "", "__index_level_0__", "c"]),
    st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6)
    | st.lists(st.floats(), min_size=6, max_size=6)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=6, max_size=6)
    | st.lists(_WORDS, min_size=6, max_size=6)
    | st.lists(st.none() | st.booleans(), min_size=6, max_size=6)
    | st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=6, max_size=6)
    | st.lists(st.datetimes().filter(lambda day: 1700 < day.year < 2200), min_size=6, max_size=6)
    | st.lists(st.binary(max_size=3), min_size=6, max_size=6),
    min_size=1,
    max_size=4,
)
CONTENTS = st.tuples(_TEXTS | _FRAMES, DAMAGES, _SUFFIXES)
TABLES = st.tuples(CONTENTS, _OPTIONS, _ENCODINGS)
MATRICES = st.tuples(CONTENTS, _SEPARATORS | st.none(), st.none() | st.booleans(), _ENCODINGS)


def _content(given: Any, suffix: str) -> bytes:
    if isinstance(given, dict):
        sink = io.BytesIO()
        pd.DataFrame(given).to_parquet(sink)
        return sink.getvalue()
    names, rows, separator, end, encoding = given
    text = end.join(separator.join(row) for row in [names, *rows])
    known = "utf-8" if encoding == "nonsense" else encoding
    data = text.encode(known, errors="replace")
    return gzip.compress(data) if suffix.endswith(".gz") else data


def _written(given: Any, folder: Path) -> Path:
    content, damage, suffix = given
    path = folder / f"table{'.parquet' if isinstance(content, dict) else suffix}"
    path.write_bytes(damaged(_content(content, path.name), damage))
    return path


def load_table(given: Any, registry: Registry, folder: Path) -> None:
    """Plan a study of a user's table, and load the problem of its cell."""
    contents, options, encoding = given
    entry = {
        "name": "file/table",
        "path": str(_written(contents, folder)),
        "target": "y",
        "encoding": encoding,
        **options,
    }
    study = {
        "schema": 1,
        "name": "table",
        "task": [entry],
        "architecture": [{"depth": 1}],
        "reference": [{"label": "ntk", "backend": "jax"}],
        "training": {"steps": 10},
    }
    (cell, *_) = make_plan(resolve_study(study, registry), registry).cells
    problem = load_problem(cell, registry)
    assert all(np.isfinite(part).all() for part in (problem.x_train, problem.y_train, problem.x_test, problem.y_test))


def load_matrix(given: Any, registry: Registry, folder: Path) -> None:
    """Read a user's points as ``ntkbench kernel`` does."""
    contents, delimiter, header, encoding = given
    points = read_matrix(_written(contents, folder), delimiter=delimiter, header=header, encoding=encoding)
    assert points.ndim == 2
    assert np.isfinite(points).all()
