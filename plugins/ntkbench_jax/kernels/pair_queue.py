"""A queue for the pairs of all tiles that need high precision, in lists as long as :mod:`.near_parallel` takes."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from .near_parallel import LONGEST_LIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Index = NDArray[np.int64]

_NONE = np.empty(0, dtype=np.int64)
_AT_ONCE = 16 * LONGEST_LIST  # pairs: their inputs are gathered beside each other


class PairQueue:
    """Positions (row, column) of pairs; thread-safe.

    If inputs have few dimensions, a tile of a few hundred points has only a few hundred such pairs: computed tile by
    tile, most of each list would be padding.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: list[tuple[Index, Index]] = []
        self._count = 0

    def add(self, rows: Index, columns: Index) -> Iterator[tuple[Index, Index]]:
        """Add pairs (P,); return the lists that are now full, for the caller to compute."""
        if not len(rows):
            return iter(())
        with self._lock:
            self._parts.append((rows, columns))
            self._count += len(rows)
            full = self._count - self._count % LONGEST_LIST
            if not full:
                return iter(())
            rows, columns = self._joined()
            self._parts = [(rows[full:], columns[full:])]
            self._count -= full
        return _pieces(rows[:full], columns[:full], _AT_ONCE)

    def rest(self) -> Iterator[tuple[Index, Index]]:
        """Return the remaining pairs as lists, each for one thread."""
        with self._lock:
            return _pieces(*self._joined(), LONGEST_LIST)

    def _joined(self) -> tuple[Index, Index]:
        rows, columns = zip((_NONE, _NONE), *self._parts, strict=True)
        return np.concatenate(rows), np.concatenate(columns)


def _pieces(rows: Index, columns: Index, size: int) -> Iterator[tuple[Index, Index]]:
    return ((rows[start : start + size], columns[start : start + size]) for start in range(0, len(rows), size))
