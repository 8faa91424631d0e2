"""A matrix of numbers from a text file: its delimiter, its header, and the position of the first mistake."""

from __future__ import annotations

import csv
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

WHITE_SPACE = " "
_DELIMITERS = ("\t", ";", ",", "|", WHITE_SPACE)  # in the order they are tried
_SAMPLE = 20  # lines
_COMMENT = "#"


class _Line(NamedTuple):
    """A line that is not empty: its number in the file, from 1, and its text with and without a comment."""

    number: int
    whole: str
    text: str


class _Layout(NamedTuple):
    """The layout of a file: ``names`` from its header (empty: none), ``skip`` lines before the first point."""

    delimiter: str
    names: tuple[str, ...]
    skip: int


def read_text_matrix(path: Path, delimiter: str | None, header: bool | None) -> NDArray[np.float64]:
    """Return the numbers (N, F) of a text file in UTF-8; empty lines and comments after ``#`` are ignored.

    :param delimiter: one character, ``" "`` for any white space; by default detected from the first lines.
    :param header: whether the first line holds names; by default, if none of its fields is a number.
    :raises DataError: for anything but finite numbers, with line and column.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"#\n\r' or delimiter.isalnum()):
        raise DataError(f"the delimiter is {delimiter!r}, expected one character such as ',', ';', a tab, or ' '")
    try:
        layout = _layout(path, delimiter, header)
        found = _load(path, layout)
        if found is None or not np.isfinite(found).all() or len(layout.names) not in (0, found.shape[1]):
            _complain(path, layout)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a table in a text file in UTF-8 ({error})") from None
    return found


def _load(path: Path, layout: _Layout) -> NDArray[np.float64] | None:
    """Read the numbers, each correctly rounded; None if any field is not a number."""
    delimiter = None if layout.delimiter == WHITE_SPACE else layout.delimiter
    points = (line.text for line in _lines(path) if line.number > layout.skip)
    try:
        return np.loadtxt(points, delimiter=delimiter, comments=None, quotechar='"', ndmin=2)
    except UnicodeDecodeError:
        raise
    except ValueError:
        return None


def _lines(path: Path) -> Iterator[_Line]:
    with path.open(encoding="utf-8-sig", newline=None) as file:
        for number, text in enumerate(file, start=1):
            content = text.partition(_COMMENT)[0].rstrip("\n")
            if content.strip():
                yield _Line(number, text, content)


def _fields(text: str, delimiter: str) -> list[str]:
    if delimiter == WHITE_SPACE:
        return [field.strip('"') for field in text.split()]
    return [field.strip() for field in next(csv.reader([text], delimiter=delimiter, skipinitialspace=True))]


def _layout(path: Path, delimiter: str | None, header: bool | None) -> _Layout:
    sample = list(islice(_lines(path), _SAMPLE))
    if not sample:
        raise DataError(f"{path}: holds no numbers")
    chosen = delimiter or _sniff(sample)
    first = _fields(sample[0].whole, chosen)
    if first[0] == "" and header is not False:
        raise DataError(
            f"{path}: its first column has no name, as when pandas or R write row names; "
            "write the file without them (index=False, row.names=FALSE), or name the column if it is a feature"
        )
    if header is None and len(first) > 1 and first == [str(k) for k in range(len(first))]:
        raise DataError(f"{path}: line {sample[0].number} is {', '.join(first)}: say --header or --no-header")
    if header is None:
        header = all(_number(field) is None for field in first)
    if header and len(sample) == 1:
        raise DataError(f"{path}: holds a header, line {sample[0].number}, and no numbers")
    return _Layout(chosen, tuple(first) if header else (), sample[1 if header else 0].number - 1)


def _sniff(sample: Sequence[_Line]) -> str:
    """Return the delimiter that makes numbers of the last line, else one that makes columns, else the comma."""
    tables = {delimiter: [_fields(line.text, delimiter) for line in sample] for delimiter in _DELIMITERS}
    wide = [delimiter for delimiter, rows in tables.items() if len(rows[-1]) > 1]
    numbers = [d for d in wide if all(_number(field) is not None for field in tables[d][-1])]
    return next(iter([*numbers, *(d for d in wide if len(tables[d][0]) > 1)]), ",")


def _number(field: str) -> float | None:
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _complain(path: Path, layout: _Layout) -> NoReturn:
    """Raise an error that names the first field that is not a finite number."""
    expected, by = len(layout.names), "the header"
    for line in _lines(path):
        if line.number <= layout.skip:
            continue
        fields = _fields(line.text, layout.delimiter)
        if not expected:
            expected, by = len(fields), f"line {line.number}"
        for column, field in enumerate(fields):
            if message := _wrong(field):
                named = f' ("{layout.names[column]}")' if column < len(layout.names) else ""
                raise DataError(f"{path}: line {line.number}, column {column + 1}{named} {message}")
        if len(fields) != expected:
            raise DataError(f"{path}: line {line.number} has {len(fields)} column(s), {by} has {expected}")
    raise DataError(f"{path}: is not a table of numbers with columns separated by {layout.delimiter!r}")


def _wrong(field: str) -> str:
    value = _number(field)
    if field == "":
        return "is empty; inputs must be finite numbers"
    if value is None:
        shown = field if len(field) <= 40 else field[:37] + "..."
        hint = "; a decimal point is expected, not a comma" if _number(field.replace(",", ".")) is not None else ""
        return f"is {shown!r}, not a number{hint}"
    return "" if isfinite(value) else f"is {field}; inputs must be finite"
