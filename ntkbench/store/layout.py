"""Where the rows of a run are: a cell's own files, part files of many cells, and files on their way between the two."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .exchange import STAGED, Moves, unfinished_moves

if TYPE_CHECKING:
    from pathlib import Path

PART = "part-"
_SUFFIX = ".parquet"


def file_name(table: str, name: str) -> str:
    """Return ``table/name.parquet``."""
    return f"{table}/{name}{_SUFFIX}"


@dataclass(frozen=True)
class FileLayout:
    """The files of a run at one instant.

    :param loose: the cells that have files of their own, sorted.
    :param parts: names of the parts' files in ``cells``, sorted.
    :param moves: the exchange that was under way.
    """

    path: Path
    loose: tuple[str, ...]
    parts: tuple[str, ...]
    moves: Moves

    def file(self, table: str, name: str) -> Path:
        """Return the file of a cell or part, which may still be staged."""
        wanted = file_name(table, name)
        staged = self.path / STAGED / wanted
        return staged if wanted in self.moves.add and staged.exists() else self.path / wanted

    def parts_of(self, table: str) -> frozenset[str]:
        """Return the names of the part files of a table."""
        return frozenset(name for name in _names(self.path, table, self.moves) if name.startswith(PART))

    def follows(self, other: FileLayout) -> bool:
        """Return whether no files have been exchanged since ``other``; cells may have been added."""
        return (self.parts, self.moves) == (other.parts, other.moves)


def layout_of(path: Path) -> FileLayout:
    """Return the files of a run.

    :raises StoreError: if its journal is damaged.
    """
    moves = unfinished_moves(path)
    names = sorted(_names(path, "cells", moves))
    parts = tuple(name for name in names if name.startswith(PART))
    return FileLayout(path, tuple(name for name in names if not name.startswith(PART)), parts, moves)


def _names(path: Path, table: str, moves: Moves) -> set[str]:
    """Return the names of a table's files, as if the exchange were finished."""
    try:
        with os.scandir(path / table) as entries:  # of many files several times as fast as pathlib
            there = {f"{table}/{entry.name}" for entry in entries if entry.name.endswith(_SUFFIX)}
    except (FileNotFoundError, NotADirectoryError):
        there = set()
    there = (there - moves.remove) | {name for name in moves.add if name.startswith(f"{table}/")}
    return {name.removeprefix(f"{table}/").removesuffix(_SUFFIX) for name in there}
