"""A text file's content: decompressed, decoded, with one kind of line end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from ...errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
COMPRESSED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_KINDS = (
    (b"PAR1", "a parquet file; its name should end in .parquet"),
    (b"PK\x03\x04", "a zip file or a workbook, such as .xlsx; save the table as .csv"),
    (b"\xd0\xcf\x11\xe0", "a workbook; save the table as .csv"),
    (b"\x1f\x8b", "compressed; its name should end in .gz"),
)
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SHOWN = 40


def text_suffix(path: Path) -> str | None:
    """Return ``.csv``, ``.tsv`` or ``.txt``, also of a compressed file and in any case; None for other names."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in TEXT_SUFFIXES else None


def read_text(path: Path, encoding: str) -> str:
    r"""Return a file's text, its line ends as ``\n``.

    :raises DataError: if it cannot be read, or is not text in this encoding: where, and what it may be.
    """
    content = _bytes(path)
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    try:
        text = content.decode("utf-8-sig" if utf8 else encoding)
        if utf8 and b"\0" in content[:2]:
            raise UnicodeError("every second byte is null; give its encoding, such as utf-16-le")
        if not utf8:
            text.encode()  # half a character of UTF-16 cannot be written as UTF-8
    except UnicodeError as error:
        name = "UTF-8" if utf8 else encoding
        raise DataError(f"{path}: is not a table in a text file in {name} ({_reason(content, error)})") from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _bytes(path: Path) -> bytes:
    opener = COMPRESSED.get(path.suffix.lower())
    try:
        if opener is None:
            return path.read_bytes()
        with opener(path) as file:
            return bytes(file.read())
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is not a whole {path.suffix.lower()} file ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _reason(content: bytes, error: UnicodeError) -> str:
    for start, kind in _KINDS:
        if content.startswith(start):
            return f"it is {kind}"
    for start, name in _BYTE_ORDER_MARKS:
        if content.startswith(start):
            return f"it starts as {name} does; give its encoding, {name}"
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    before = content[: error.start]
    line_start = before.rfind(b"\n") + 1
    seen = content[max(line_start, error.start - _SHOWN // 2) : error.start + _SHOWN // 2].splitlines()[0]
    shown = seen.decode("ascii", errors="backslashreplace")
    line = before.count(b"\n") + 1
    return f"byte 0x{content[error.start]:02x} in line {line}: {shown}; give its encoding, such as latin-1"
