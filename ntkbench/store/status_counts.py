"""How many cells of a run ended how: noted in ``.counts.json``, so that lists of runs read no tables."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

from ..plugin.hashing import digest
from .committed import CommittedRows
from .exchange import STAGED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COUNTS = ".counts.json"


def note_status_counts(path: Path, statuses: Iterable[str], temporary: Path) -> None:
    """Note how a run's cells ended, for the files that are there now."""
    text = {"counts": dict(Counter(statuses).most_common()), "files": _files(path)}
    temporary.write_text(json.dumps({**text, "digest": digest(text, 32)}), encoding="utf-8")
    temporary.replace(path / COUNTS)


def status_counts(path: Path) -> dict[str, int]:
    """Return how many cells ended how, most frequent first: as noted, or read if their files have changed since.

    :raises StoreError: naming a file that is not what was written.
    """
    noted = _noted(path)
    return noted if noted is not None else dict(Counter(CommittedRows(path).cells["status"].to_pylist()).most_common())


def _noted(path: Path) -> dict[str, int] | None:
    """Return the counts that were noted, None if there are none of these very files."""
    try:
        text = json.loads((path / COUNTS).read_bytes())
        whole = text.pop("digest") == digest(text, 32) and text["files"] == _files(path)
        return dict(text["counts"]) if whole and not (path / STAGED).exists() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _files(path: Path) -> str:
    """Return a digest of the names, sizes and times of the files in ``cells``."""
    with os.scandir(path / "cells") as entries:
        facts = [(entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries]
    return digest(sorted(facts), 32)
