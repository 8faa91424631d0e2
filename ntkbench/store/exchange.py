"""Exchange several files of a run for others in one step, which a crash at any instant leaves done or not begun.

New files are written beside the run's own, in ``.staged``. A journal there lists them with the files that they replace:
once it is in place the exchange counts, and whoever opens the run next finishes it. Readers obey the journal too.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..plugin.hashing import digest
from .arrow import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STAGED = ".staged"
_JOURNAL = "journal.json"


@dataclass(frozen=True)
class Moves:
    """An unfinished exchange: files to put in place and files to remove, as ``table/name.parquet``."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def unfinished_moves(path: Path) -> Moves:
    """Return the exchange that a run's journal lists; no moves without one.

    :raises StoreError: if the journal is damaged.
    """
    journal = path / STAGED / _JOURNAL
    try:
        found = json.loads(journal.read_bytes())
        moves = Moves(frozenset(found["add"]), frozenset(found["remove"]))
        whole = found["digest"] == _digest(moves)
    except (FileNotFoundError, NotADirectoryError):
        return Moves()
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise StoreError(f"{journal}: damaged: it is not what was written; run the study again to mend it")
    return moves


def _digest(moves: Moves) -> str:
    return digest([sorted(moves.add), sorted(moves.remove)], 32)


def stage(path: Path, name: str, data: bytes) -> None:
    """Write a new file ``table/name.parquet`` of the next exchange to the disk."""
    file = path / STAGED / name
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(data, file, file.with_suffix(".part"), sync=True)


def exchange(path: Path, add: Iterable[str], remove: Iterable[str]) -> None:
    """Replace files of a run by those that have been staged."""
    moves = Moves(frozenset(add), frozenset(remove) - frozenset(add))
    staged = path / STAGED
    staged.mkdir(exist_ok=True)
    text = {"add": sorted(moves.add), "remove": sorted(moves.remove), "digest": _digest(moves)}
    write_bytes(json.dumps(text).encode(), staged / _JOURNAL, staged / "journal.part", sync=True)
    _sync_folder(staged)
    _finish(path, moves)


def finish_exchange(path: Path) -> None:
    """Finish the exchange that a killed process left, if its journal is in place, or else sweep up what it wrote.

    A damaged journal counts as none: cells that are lost with it are not committed any more, and run again.
    """
    if not (path / STAGED).exists():
        return
    try:
        moves = unfinished_moves(path)
    except StoreError:
        moves = Moves()
    _finish(path, moves)


def _finish(path: Path, moves: Moves) -> None:
    staged = path / STAGED
    for name in sorted(moves.remove):  # first: a folder that is read meanwhile may lack rows, but has none twice
        (path / name).unlink(missing_ok=True)
    for name in sorted(moves.add):
        if (staged / name).exists():
            (path / name).parent.mkdir(exist_ok=True)
            (staged / name).replace(path / name)
    for folder in sorted({name.partition("/")[0] for name in (*moves.add, *moves.remove)}):
        _sync_folder(path / folder)
    (staged / _JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(staged, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Write a folder's list of files to the disk, where the system can."""
    if os.name != "posix" or not folder.is_dir():
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
