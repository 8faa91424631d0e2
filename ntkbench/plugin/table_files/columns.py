"""A column with a type: numbers, booleans, dates or categories; and what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ColumnType = Literal["number", "boolean", "date", "category"]
DeclaredType = Literal["number", "category"]

_EXACT = 2**53
_FAR = 1e10


@dataclass(frozen=True, eq=False)
class TypedColumn:
    """The values (rows,) of a column, and which are missing: float64, but texts of categories, integers of labels.

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

    def shown(self, value: Any) -> str:
        """Return one of the values as the file may have it: ``1`` and not ``1.0``."""
        if isinstance(value, str | np.integer):
            return str(value)
        if self.type == "boolean":
            return "true" if value else "false"
        return str(int(value)) if float(value).is_integer() and abs(value) < _EXACT else repr(float(value))

    def rounded(self) -> bool:
        """Return whether the file holds integers that float64 may not."""
        return self.whole and self.type == "number" and bool(np.abs(self.values).max() >= _EXACT)

    def counts_rows(self) -> bool:
        """Return whether the values are consecutive integers, as those of an index."""
        return self.type == "number" and len(self.values) > 2 and bool(np.all(np.diff(self.values) == 1))

    def outlier(self) -> tuple[float, float] | None:
        """Return the value that is ten orders of magnitude beyond all others, and the next magnitude, or None."""
        sizes = np.unique(np.abs(self.values)) if self.type == "number" else np.zeros(0)
        if len(sizes) < 3 or sizes[-1] / _FAR <= sizes[-2]:
            return None
        return float(self.values[np.argmax(np.abs(self.values))]), float(sizes[-2])
