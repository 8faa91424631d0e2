"""Pairs that need care, of all tiles, until they fill the lists that :mod:`.pairs` is compiled for."""

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


class Waiting:
    """Places (row, column) of pairs; safe to share between threads.

    A tile of a few hundred points has a few hundred such pairs where the inputs have few dimensions: computed tile by
    tile, most of each list would be padding.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: list[tuple[Index, Index]] = []
        self._count = 0

    def add(self, rows: Index, columns: Index) -> Iterator[tuple[Index, Index]]:
        """Add pairs (P,); return the full lists that there are now, some at a time, to be computed by the caller."""
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
        """Return what is left as lists, for one thread each."""
        with self._lock:
            return _pieces(*self._joined(), LONGEST_LIST)

    def _joined(self) -> tuple[Index, Index]:
        rows, columns = zip((_NONE, _NONE), *self._parts, strict=True)
        return np.concatenate(rows), np.concatenate(columns)


def _pieces(rows: Index, columns: Index, size: int) -> Iterator[tuple[Index, Index]]:
    return ((rows[start : start + size], columns[start : start + size]) for start in range(0, len(rows), size))
