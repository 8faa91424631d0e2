"""A text as columns of text: names, cells, and the line of each row."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from ...errors import DataError
from .numbers import is_number, looks_like_number
from .separators import TextRecord, detect_separator, is_plain, records
from .text_file import read_text, text_suffix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .text_format import TextFormat

_LARGEST_BLOCK = 2**31 - 1  # bytes, pyarrow's limit: nearly every file is one block


@dataclass(frozen=True, eq=False)
class TextLayout:
    """Where the records of a text are: below a header that ends at offset ``start``, or without one from 0.

    ``names`` are those of the header, empty without one; ``width`` is the number of columns; ``first_cell`` is the
    first of the file, a name or not.
    """

    path: Path
    text: str
    separator: str
    comment: str | None
    names: tuple[str, ...]
    start: int
    width: int
    first_cell: str

    def body(self) -> Iterator[TextRecord]:
        """Yield the records below the header."""
        header = bool(self.names)
        return islice(records(self.text, self.separator, self.comment, keep_first=header), int(header), None)


@dataclass(frozen=True, eq=False)
class TextTable:
    """The cells of a text file: ``columns`` of pyarrow's strings, without white space around them."""

    layout: TextLayout
    columns: tuple[Any, ...]

    def place(self, row: int, column: int) -> str:
        """Return where a cell is, rows and columns counted from 0: ``line 4, column 2 ("b")``."""
        line = next(islice(self.layout.body(), row, None)).line
        names = self.layout.names
        named = f' ("{names[column]}")' if names and names[column] else ""
        return f"line {line}, column {column + 1}{named}"


def read_text_table(path: Path, form: TextFormat) -> TextTable:
    """Read a text file.

    :raises DataError: if it is no text, has no rows, or rows of unequal length, naming the line.
    """
    text = read_text(path, form.encoding)
    try:
        layout = _layout(path, text, form)
        return TextTable(layout, _parse(layout))
    except csv.Error as error:
        raise DataError(f"{path}: is not a table in a text file ({error})") from None


def _layout(path: Path, text: str, form: TextFormat) -> TextLayout:
    preferred = "\t" if text_suffix(path) == ".tsv" else ","
    separator = form.separator or detect_separator(text, form.comment, preferred)
    first = next(records(text, separator, form.comment, keep_first=True), None)
    if first is None:
        raise DataError(f"{path}: holds no rows")
    if first.cells[0].lower().startswith("sep="):
        raise DataError(f"{path}: line {first.line} is a note for Excel, {first.cells[0]}; remove it")
    header = form.header
    if header is None:
        if len(first.cells) > 1 and first.cells == [str(k) for k in range(len(first.cells))]:
            raise DataError(f"{path}: line {first.line} is {', '.join(first.cells)}: say --header or --no-header")
        header = not any(map(is_number, first.cells))
    names, start = (tuple(first.cells), first.end) if header else ((), 0)
    layout = TextLayout(path, text, separator, form.comment, names, start, len(first.cells), first.cells[0])
    if next(layout.body(), None) is None:
        raise DataError(f"{path}: holds a header, line {first.line}, and no rows")
    return layout


def _parse(layout: TextLayout) -> tuple[Any, ...]:
    """Return the columns of the records below the header."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv

    body, separator = layout.text[layout.start :], layout.separator
    if not is_plain(body, separator, layout.comment):
        body, separator = _rewritten(layout), ","
    keys = [str(k) for k in range(layout.width)]
    content = body.encode()
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(
                column_names=keys, block_size=min(len(content) + 1, _LARGEST_BLOCK), use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _raise_unequal(layout, str(error))
    return tuple(pc.utf8_trim_whitespace(column.combine_chunks()) for column in table.columns)


def _rewritten(layout: TextLayout) -> str:
    """Return the records below the header with commas between their cells, in quotes where needed."""
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(record.cells for record in layout.body())
    return buffer.getvalue()


def _raise_unequal(layout: TextLayout, reason: str) -> NoReturn:
    """Raise an error that names the first record of another length than the header or the first record."""
    by = "the header" if layout.names else ""
    for record in layout.body():
        by, found = by or f"line {record.line}", len(record.cells)
        if found == layout.width:
            continue
        hint = ""
        if any("\n" in cell for cell in record.cells):
            hint = "; a quotation mark there may not be closed"
        elif layout.names and layout.names[0].startswith("#"):
            hint = '; with comment = "#" lines that start so are no header'
        elif found == layout.width + 1 and not record.cells[-1]:
            hint = "; it ends in a separator"
        elif layout.separator == "," and found > layout.width and all(map(looks_like_number, record.cells)):
            hint = "; decimal commas and commas between thousands need quotation marks"
        elif layout.separator in "\t " and found == layout.width + 1 and layout.width > 1:
            hint = "; row names, as R writes them, need a name too (or row.names=FALSE)"
        raise DataError(f"{layout.path}: line {record.line} has {found} column(s), {by} has {layout.width}{hint}")
    raise DataError(f"{layout.path}: cannot be read: {reason.splitlines()[0]}")
