"""Give a column of a table its type: the declared one, the file's own, or the one that all its texts have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...errors import DataError
from .columns import TypedColumn
from .numbers import looks_like_number, parse_numbers, share_a_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .columns import ColumnType, DeclaredType
    from .table_file import TableFile

_MANY = 20  # different texts: if also more than half as many as rows, they are no categories
_MOSTLY = 0.5
_SHOWN = 40  # characters
_TIMES = (pa.date32(), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"))
_PATTERNS = {
    pa.int64(): r"^(?:-?[0-9]{1,19}|0[xX][0-9a-fA-F]{1,16})$",
    pa.bool_(): r"^(?i:true|false|0|1)$",
}
_ISO_8601 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+(?:Z|[-+][0-9:]+)?)?$"
_HEAD = 100  # cells
_NOTATIONS: tuple[dict[str, Any], ...] = (
    {"decimal": ","},
    *({"thousands": mark} for mark in (",", " ", "'", "_")),
    *({"decimal": ",", "thousands": mark} for mark in (".", " ", "'")),
)
_UNITS = {"D": "days", "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


class _Present(NamedTuple):
    """The values of a column that are not missing, and which are."""

    table: TableFile
    name: str
    array: Any
    missing: NDArray[np.bool_]

    def error(self, position: int, message: str) -> DataError:
        """Return an error about one of the values."""
        row = int(np.flatnonzero(~self.missing)[position])
        return DataError(f"{self.table.path}: {self.table.place(row, self.name)} is {message}")

    def column(self, kind: ColumnType, values: NDArray[Any], unit: str = "", *, whole: bool = False) -> TypedColumn:
        """Return the column; ``values`` are those that are not missing."""
        spread = np.zeros(len(self.missing), dtype=values.dtype)
        spread[~self.missing] = values
        return TypedColumn(self.name, kind, spread, self.missing, unit, whole)


def typed_column(table: TableFile, name: str, declared: DeclaredType | None = None) -> TypedColumn:
    """Return a column with its type.

    :raises DataError: for a text among numbers, numbers in another notation, texts that are no categories, infinite
        numbers, and values that are neither numbers nor text, naming the place.
    """
    present = _present(table, name)
    if declared is None and pa.types.is_dictionary(table.columns[table.index_of(name)].type):
        declared = "category"
    if not _is_text(present.array.type):
        return _of_values(present, declared)
    if declared == "category":
        return present.column("category", _as_text(present.array))
    if declared == "number":
        return _of_numbers(present, f'; types = {{ "{name}" = "category" }} takes it for categories')
    return _of_text(present)


def number_column(table: TableFile, name: str, hint: str = "") -> TypedColumn:
    """Return a column of numbers, booleans or dates.

    :param hint: is added to the message about the first text that is none of these.
    :raises DataError: as :func:`typed_column`, and for text.
    """
    present = _present(table, name)
    if not _is_text(present.array.type):
        return _of_values(present, None)
    column = _of_whole_numbers(present) or _of_words_for_values(present)
    return column or _of_numbers(present, hint)


def label_column(table: TableFile, name: str, declared: DeclaredType | None = None) -> TypedColumn:
    """Return a column of classes: numbers or booleans if all are, whole numbers as integers, else any text.

    :raises DataError: as :func:`typed_column`, but not for texts that are no categories.
    """
    present = _present(table, name)
    array = present.array
    if declared is not None:
        return typed_column(table, name, declared)
    if pa.types.is_integer(array.type):
        return present.column("number", array.to_numpy(zero_copy_only=False))
    if not _is_text(array.type):
        return typed_column(table, name)
    if table.text is not None:
        if (numbers := _as_type(array, pa.int64())) is not None:
            return present.column("number", numbers.to_numpy(zero_copy_only=False))
        if parse_numbers(array, table.form)[1].all():
            return _of_numbers(present, "")
        if (words := _as_type(array, pa.bool_())) is not None:
            return present.column("boolean", words.to_numpy(zero_copy_only=False).astype(np.float64))
    return present.column("category", _as_text(array))


def _present(table: TableFile, name: str) -> _Present:
    array = table.columns[table.index_of(name)]
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    missing = np.array(array.is_null(nan_is_null=True).to_numpy(zero_copy_only=False), dtype=bool)
    if _is_text(array.type):
        array = pc.utf8_trim_whitespace(array.cast(pa.string()))
        marks = pa.array(table.form.missing, pa.string())
        missing |= np.asarray(pc.is_in(array, marks).to_numpy(zero_copy_only=False), dtype=bool)
    if missing.all():
        raise DataError(f'{table.path}: column "{name}" has no values')
    return _Present(table, name, array.filter(pa.array(~missing)), missing)


def _is_text(kind: Any) -> bool:
    view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or view(kind))


def _as_text(array: Any) -> NDArray[np.str_]:
    return np.asarray(array.to_pylist(), dtype=str)


def _of_values(present: _Present, declared: DeclaredType | None) -> TypedColumn:
    """Return a column of a file that stores values, with the file's own type."""
    array, kind, types = present.array, present.array.type, pa.types
    column: ColumnType = "number"
    unit, whole = "", bool(types.is_integer(kind) or types.is_decimal(kind))
    if types.is_decimal(kind):
        values = np.array(array.to_pylist(), dtype=np.float64)  # pyarrow's own cast may round twice
    elif types.is_boolean(kind):
        column, values = "boolean", array.to_numpy(zero_copy_only=False).astype(np.float64)
    elif types.is_integer(kind) or types.is_floating(kind):
        values = array.to_numpy(zero_copy_only=False).astype(np.float64)
    elif types.is_date(kind) or types.is_timestamp(kind) or types.is_duration(kind):
        column, (values, unit) = "date", _dates(array)
    else:
        raise DataError(
            f'{present.table.path}: column "{present.name}" holds {kind}, expected numbers, text, booleans or dates; '
            f'types = {{ "{present.name}" = "ignore" }} leaves it out'
        )
    if not np.isfinite(values).all():
        position = int(np.argmin(np.isfinite(values)))
        raise present.error(position, f"{values[position]}; numbers must be finite")
    if declared == "category":
        return present.column("category", values)
    return present.column(column, values, unit, whole=whole)


def _dates(array: Any) -> tuple[NDArray[np.float64], str]:
    """Return dates or durations as numbers, and their unit."""
    found = array.to_numpy(zero_copy_only=False)
    since = "" if found.dtype.kind == "m" else " since 1970"
    return found.astype(np.float64), _UNITS[np.datetime_data(found.dtype)[0]] + since


def _of_text(present: _Present) -> TypedColumn:
    """Return a column of text with the type that all texts have.

    Only a text file's are taken for numbers and dates unasked: in others the file says that they are text.
    """
    array, form = present.array, present.table.form
    if present.table.text is not None:
        if column := _of_whole_numbers(present) or _of_words_for_values(present):
            return column
        if parse_numbers(array[:_HEAD], form)[1].all() and parse_numbers(array, form)[1].all():
            return _of_numbers(present, "")
    _check_categories(present, pc.unique(array).to_pylist())
    return present.column("category", _as_text(array))


def _of_whole_numbers(present: _Present) -> TypedColumn | None:
    values = _as_type(present.array, pa.int64())
    if values is None:
        return None
    return present.column("number", values.to_numpy(zero_copy_only=False).astype(np.float64), whole=True)


def _of_words_for_values(present: _Present) -> TypedColumn | None:
    """Return a column of ``true`` and ``false``, or of dates of ISO 8601; None for others."""
    if (values := _as_type(present.array, pa.bool_())) is not None:
        return present.column("boolean", values.to_numpy(zero_copy_only=False).astype(np.float64))
    for kind in _TIMES:
        if (values := _as_type(present.array, kind)) is not None:
            return present.column("date", *_dates(values))
    return None


def _as_type(array: Any, kind: Any) -> Any:
    """Return texts as another type of pyarrow; None if one of them is none of it.

    pyarrow's cast of text that is none takes long, for its messages: it is tried only where it may do.
    """
    pattern = _PATTERNS.get(kind, _ISO_8601)
    try:
        for part in (array[:_HEAD], array):
            if not pc.all(pc.match_substring_regex(part, pattern)).as_py():
                return None
            found = part.cast(kind)
    except pa.ArrowInvalid:
        return None
    return found


def _of_numbers(present: _Present, hint: str) -> TypedColumn:
    """Return a column of numbers.

    :raises DataError: naming the first text that is none, or that is not finite.
    """
    form = present.table.form
    values, valid = parse_numbers(present.array, form)
    if not valid.all():
        position = int(np.argmin(valid))
        text = present.array[position].as_py()
        raise present.error(position, f"{_short(text)}, not a number{_notation(present)}{hint}")
    if not np.isfinite(values).all():
        position = int(np.argmin(np.isfinite(values)))
        text = present.array[position].as_py()
        beyond = "; numbers must be finite" if text.lower().strip("+-")[:3] in ("inf", "nan") else ", beyond float64"
        raise present.error(position, f"{text}{beyond}")
    return present.column("number", values)


def _check_dates(present: _Present) -> None:
    """Raise :class:`DataError` for a text among dates, or a day that is none, such as 30 February."""
    texts = present.array
    alike = np.asarray(pc.match_substring_regex(texts, _ISO_8601).to_numpy(zero_copy_only=False), dtype=bool)
    if present.table.text is None or alike.mean() < _MOSTLY:
        return
    others = (
        k for k, text in enumerate(texts) if not alike[k] or all(_as_type(pa.array([text]), t) is None for t in _TIMES)
    )
    if (position := next(others, None)) is not None:
        raise present.error(position, f"{_short(texts[position].as_py())}, not a date; {_declare(present.name)}")


def _declare(name: str) -> str:
    return f'types = {{ "{name}" = "category" }} takes them for categories, "ignore" leaves the column out'


def _check_categories(present: _Present, distinct: list[str]) -> None:
    """Raise :class:`DataError` for texts that are numbers, or too many to be categories."""
    path, name = present.table.path, present.name
    _check_dates(present)
    valid = parse_numbers(present.array, present.table.form)[1]
    declare = _declare(name)
    alike = {text for text in distinct if looks_like_number(text)}
    if len(distinct) > _MANY and share_a_unit(distinct):
        alike = set(distinct)
    cells = pc.is_in(present.array, pa.array(sorted(alike), pa.string())).to_numpy(zero_copy_only=False)
    if alike and max(cells.mean(), len(alike) / len(distinct)) >= _MOSTLY:
        if valid.all():
            raise DataError(f'{path}: column "{name}" holds text that reads as numbers; write numbers, or {declare}')
        position = int(np.argmin(valid))
        text = present.array[position].as_py()
        others = int((~valid).sum()) - 1
        more = f" (and {others} more of {len(valid)})" if others else ""
        raise present.error(position, f"{_short(text)}, not a number{_notation(present)}{more}; {declare}")
    if len(distinct) > max(_MANY, _MOSTLY * len(present.array)):
        example = _short(present.array[0].as_py())
        raise DataError(
            f'{path}: column "{name}" has {len(distinct)} different texts, such as {example}, in {len(present.array)} '
            f"rows; {declare}"
        )


def _notation(present: _Present) -> str:
    """Return the fewest options that read the most texts as numbers, as a hint; "" if none reads more."""
    form = present.table.form
    now = {"decimal": form.decimal, "thousands": form.thousands}
    possible = [options for options in _NOTATIONS if len({*(now | options).values()}) == 2]
    counts = [int(parse_numbers(present.array, replace(form, **options))[1].sum()) for options in possible]
    if max(counts) <= int(parse_numbers(present.array, form)[1].sum()):
        return ""
    best = [options for options, count in zip(possible, counts, strict=True) if count == max(counts)]
    fewest = [options for options in best if len(options) == len(best[0])]
    words = " or ".join(" and ".join(f'{key} = "{mark}"' for key, mark in options.items()) for options in fewest)
    share = "all are" if max(counts) == len(present.array) else f"{max(counts)} of {len(present.array)} are"
    return f"; with {words} {share} numbers"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
