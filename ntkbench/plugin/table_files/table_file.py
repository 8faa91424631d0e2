"""A user's table, text or parquet: its columns by name, and which of them are no data."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError, suggestion
from .parquet_file import read_parquet_table
from .text_file import COMPRESSED, TEXT_SUFFIXES, text_suffix
from .text_format import TextFormat, separator_name
from .text_table import TextTable, read_text_table

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARQUET = ".parquet"
_OF_PANDAS = re.compile(r"Unnamed: \d+|__index_level_\d+__")


@dataclass(frozen=True, eq=False)
class TableFile:
    """All columns of a table, as pyarrow's arrays: of a text file strings, of a parquet file typed.

    :param described: the file's format in words.
    :param no_data: columns that are row names or empty, and why; nobody learns from them unless asked to.
    """

    path: Path
    form: TextFormat
    described: str
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    no_data: Mapping[str, str]
    text: TextTable | None = field(repr=False)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.columns[0])

    def index_of(self, name: str) -> int:
        """Return the position of a column.

        :raises DataError: if there is none of this name.
        """
        if name in self.names:
            return self.names.index(name)
        known = ", ".join(self.names)
        hint = suggestion(name, self.names)
        if not hint and len(self.names) == 1 and self.text is not None:
            hint = "; give the separator of columns"
        elif not hint and all(re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", name) for name in self.names):
            hint = "; its first line holds numbers: has it no header?"
        raise DataError(f'{self.path}: no column "{name}"{hint} (columns: {known}; {self.described})')

    def text_of(self, row: int, name: str) -> str:
        """Return a cell as the file has it, or ``null``."""
        value = self.columns[self.index_of(name)][row].as_py()
        return "null" if value is None else repr(value) if value != "" else "empty"

    def place(self, row: int, name: str) -> str:
        """Return where a cell is, its row counted from 0: ``line 4, column 2 ("b")``, or ``row 3, column "b"``."""
        column = self.index_of(name)
        return f'row {row + 1}, column "{name}"' if self.text is None else self.text.place(row, column)


def open_table(path: Path, form: TextFormat) -> TableFile:
    """Read a .csv, .tsv, .txt (each also .gz, .bz2 or .xz) or .parquet file; names in any case.

    :raises DataError: if there is no such file, or it is no table with one name per column.
    """
    if not path.exists():
        raise DataError(f"no file {path}; its path is relative to {Path.cwd()}")
    if not path.is_file():
        raise DataError(f"{path}: is not a file")
    try:
        if path.suffix.lower() == _PARQUET:
            return _of_parquet(path, form)
        if text_suffix(path) is not None:
            return _of_text(path, form)
    except MemoryError:
        raise DataError(f"{path}: does not fit into memory") from None
    endings = f"{', '.join(TEXT_SUFFIXES)} (or one of these and {', '.join(COMPRESSED)})"
    raise DataError(f"{path}: expected a file that ends in {endings} or {_PARQUET}")


def _of_text(path: Path, form: TextFormat) -> TableFile:
    table = read_text_table(path, form)
    layout = table.layout
    parts = [f"columns separated by {separator_name(layout.separator)}", form.encoding]
    if form.decimal != ".":
        parts.append(f"decimal mark {form.decimal!r}")
    if form.thousands is not None:
        parts.append(f"thousands {form.thousands!r}")
    if form.comment is not None:
        parts.append(f"comments after {form.comment!r}")
    names, no_data = _names(path, layout.names, table.columns)
    return TableFile(path, form, ", ".join(parts), names, table.columns, no_data, table)


def _of_parquet(path: Path, form: TextFormat) -> TableFile:
    found = read_parquet_table(path)
    if not found.names or not len(found.columns[0]):
        raise DataError(f"{path}: holds no {'rows' if found.names else 'columns'}")
    names, no_data = _names(path, found.names, found.columns)
    reason = "the index of the data frame, by pandas' record in the file"
    no_data |= {name: reason for name in names if name in found.index_names}
    return TableFile(path, form, "parquet", names, found.columns, no_data, None)


def _names(path: Path, found: tuple[str, ...], columns: tuple[Any, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return unique names, ``column 3`` for a column without one, and the columns that hold no data, with the reason.

    :raises DataError: for a name that occurs twice, or a column of values without a name.
    """
    names = tuple(name or f"column {k + 1}" for k, name in enumerate(found))
    for name, count in Counter(names).items():
        if count > 1:
            places = [str(k + 1) for k, other in enumerate(names) if other == name]
            where = f"{', '.join(places[:-1])} and {places[-1]}"
            raise DataError(f'{path}: columns {where} are called "{name}"; give each its own name')
    no_data: dict[str, str] = {}
    for k, (own, name) in enumerate(zip(found, names, strict=True)):
        if _OF_PANDAS.fullmatch(own):
            no_data[name] = "row names that pandas wrote"
        elif not own and not any(columns[k].to_pylist()):
            no_data[name] = "it has no name and no values"
        elif not own and k == 0:
            no_data[name] = "it has no name: row names, as pandas and R write them"
        elif not own:
            raise DataError(f"{path}: column {k + 1} has values but no name; name it, or remove it")
    return names, no_data
