"""The records of a text, and the separator that its first ones share."""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from .numbers import looks_like_number
from .text_format import WHITE_SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

_CANDIDATES = (",", ";", "\t", "|")
_SAMPLE = 20  # records


class TextRecord(NamedTuple):
    """The cells of one record, the number of its first line, from 1, and the offset in the text at which it ends."""

    line: int
    cells: list[str]
    end: int


def _blank(separator: str) -> str:
    """Return the characters of blank lines: a tab that separates columns is none."""
    return " \f\v\n" if separator == "\t" else " \t\f\v\n"


class _Lines:
    """Iterates over the lines that hold more than white space and comments, and knows where it is."""

    def __init__(self, text: str, separator: str, comment: str | None, *, keep_first: bool) -> None:
        self._text = text
        self._comment = comment
        self._blank = _blank(separator)
        self._keep_next = keep_first
        self.number = self.offset = 0
        self.first: int | None = None

    def __iter__(self) -> Iterator[str]:
        while self.offset < len(self._text):
            start, end = self.offset, self._text.find("\n", self.offset) + 1
            self.number, self.offset = self.number + 1, end or len(self._text)
            line = self._text[start : self.offset]
            content = line if self._comment is None else line.partition(self._comment)[0]
            if not content.strip(self._blank):
                continue
            self.first = self.first or self.number
            yield line if self._keep_next else content
            self._keep_next = False


def records(text: str, separator: str, comment: str | None, *, keep_first: bool = False) -> Iterator[TextRecord]:
    """Yield the records of a text, cells without white space around them; blank lines and comments are skipped.

    :param keep_first: whether the first record is whole, with what may be a comment: names may hold a ``#``.
    :raises csv.Error: for a cell beyond the limit of the module ``csv``.
    """
    lines = _Lines(text, separator, comment, keep_first=keep_first)
    rows: Iterator[list[str]]
    if separator == WHITE_SPACE:
        rows = (cells for line in lines for cells in csv.reader([" ".join(line.split())], delimiter=" "))
    else:
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for cells in rows:
        yield TextRecord(lines.first or lines.number, [cell.strip() for cell in cells], lines.offset)
        lines.first = None


def detect_separator(text: str, comment: str | None, preferred: str) -> str:
    """Return the separator that cuts the first records into equally many cells.

    Of several, the one whose cells look most like numbers; of equals, ``preferred``. White space is the last resort.
    """
    candidates = (preferred, *(other for other in _CANDIDATES if other != preferred), WHITE_SPACE)
    samples = {
        separator: [row.cells for row in islice(records(text, separator, comment, keep_first=True), _SAMPLE)]
        for separator in candidates
    }
    wide = [separator for separator, rows in samples.items() if rows and max(map(len, rows)) > 1]
    even = [separator for separator in wide if len({len(row) for row in samples[separator]}) == 1]
    if marks := [separator for separator in even if separator != WHITE_SPACE]:
        return max(marks, key=lambda separator: _share_of_numbers(samples[separator]))
    return next(iter([*even, *wide]), preferred)


def _share_of_numbers(rows: list[list[str]]) -> float:
    cells = [cell for row in rows[1:] or rows for cell in row]
    return sum(map(looks_like_number, cells)) / len(cells)


def is_plain(text: str, separator: str, comment: str | None) -> bool:
    """Return whether a parser that knows neither comments, blank lines nor padded quotes reads the same records."""
    if separator == WHITE_SPACE or (comment is not None and comment in text):
        return False
    if re.search(rf"^[{_blank(separator)[:-1]}]+$", text, re.MULTILINE):
        return False
    return '"' not in text or re.search(rf'(^|{re.escape(separator)})[ \t]+"', text, re.MULTILINE) is None
