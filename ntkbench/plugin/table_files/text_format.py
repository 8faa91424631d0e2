"""How a text table is written: what a user declares, and what is detected where nothing is declared."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import DataError

WHITE_SPACE = " "
MISSING = (
    "", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The texts that pandas writes or reads as missing values, and the question mark of the UCI repository."""

_NO_SEPARATOR = '"\n\r.+-'
_GROUP_MARKS = (",", ".", "'", " ", "_")


@dataclass(frozen=True)
class TextFormat:
    """The format of a text file.

    :param separator: of columns, one character; ``" "`` for any white space; None to detect it.
    :param encoding: a codec of Python, such as ``latin-1``; a byte-order mark of UTF-8 is skipped.
    :param decimal: the decimal mark, ``.`` or ``,``.
    :param thousands: the mark between groups of three digits, ``" "`` for any space; None if there is none.
    :param comment: the character after which the rest of a line is ignored; None if there is none.
    :param header: whether the first line holds names; None to detect it: it does if none of its cells is a number.
    :param missing: the cells that hold no value, after white space around them is removed.
    :raises DataError: for a format that cannot be.
    """

    separator: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    comment: str | None = None
    header: bool | None = True
    missing: tuple[str, ...] = MISSING

    def __post_init__(self) -> None:
        separator = self.separator
        forbidden = _NO_SEPARATOR + (self.comment or "")
        if separator is not None and (len(separator) != 1 or separator in forbidden or separator.isalnum()):
            raise DataError(f"the separator is {separator!r}, expected one character such as ',', ';', a tab, or ' '")
        if self.comment is not None and (len(self.comment) != 1 or self.comment in _NO_SEPARATOR):
            raise DataError(f"comments start with {self.comment!r}, expected one character such as '#'")
        if self.decimal not in (".", ","):
            raise DataError(f"the decimal mark is {self.decimal!r}, expected '.' or ','")
        if self.thousands is not None and (self.thousands not in _GROUP_MARKS or self.thousands == self.decimal):
            marks = ", ".join(repr(mark) for mark in _GROUP_MARKS if mark != self.decimal)
            raise DataError(f"the mark of thousands is {self.thousands!r}, expected one of {marks}")
        try:
            b"a".decode(self.encoding)
        except UnicodeError:
            pass  # a letter takes more than one byte
        except (LookupError, ValueError):  # ValueError: a name with a null character
            raise DataError(f'"{self.encoding}" is no encoding of text; expected utf-8, latin-1, ...') from None


def separator_name(separator: str) -> str:
    """Return a separator in words: ``comma``, ``tab``, ``white space``, or the character itself in quotes."""
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", WHITE_SPACE: "white space"}
    return names.get(separator, repr(separator))
