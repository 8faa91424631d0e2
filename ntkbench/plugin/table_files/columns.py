"""A column with a type: numbers, booleans, dates or categories; and what is noteworthy about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ColumnType = Literal["number", "boolean", "date", "category"]
DeclaredType = Literal["number", "category"]

_EXACT = 2**53
_SENTINEL = 1e10  # how much larger than all others a number is that looks like a code


@dataclass(frozen=True, eq=False)
class TypedColumn:
    """The values (rows,) of a column: float64, but for categories, which are texts or numbers; and which are missing.

    ``unit`` is that of dates; ``whole`` tells whether the file holds integers or exact decimals, which float64 may
    round.
    """

    name: str
    type: ColumnType
    values: NDArray[Any]
    missing: NDArray[np.bool_]
    unit: str
    whole: bool = False

    def kept(self, rows: NDArray[np.bool_]) -> TypedColumn:
        """Return the column of some of the rows."""
        return replace(self, values=self.values[rows], missing=self.missing[rows])

    def categories(self) -> NDArray[Any]:
        """Return the different values, sorted."""
        return np.unique(self.values)

    def notes(self) -> list[str]:
        """Return what may be wrong with the column, in sentences; it has no missing values."""
        different = self.categories()
        if len(different) == 1:
            return [f'column "{self.name}" is constant ({self._shown(different[0])})']
        if self.type == "category":
            return []
        found = (self._counting(), self._rounded(), self._sentinel())
        return [f'column "{self.name}" {note}' for note in found if note]

    def _shown(self, value: Any) -> str:
        return str(value) if self.type == "category" else f"{value:g}"

    def _counting(self) -> str:
        counts = self.type == "number" and len(self.values) > 2 and bool(np.all(np.diff(self.values) == 1))
        return "counts the rows: is it an index?" if counts else ""

    def _rounded(self) -> str:
        rounded = self.whole and bool(np.abs(self.values).max() > _EXACT)
        return "has integers beyond 2^53, which are rounded: is it an identifier?" if rounded else ""

    def _sentinel(self) -> str:
        sizes = np.unique(np.abs(self.values))
        if len(sizes) < 3 or sizes[-1] / _SENTINEL <= sizes[-2]:
            return ""
        value = self.values[np.argmax(np.abs(self.values))]
        return f"holds {value:g}, and no other number beyond {sizes[-2]:g}: is it a code for a missing value?"
