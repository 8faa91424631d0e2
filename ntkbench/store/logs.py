"""The logs of cells that failed or printed something: ``logs/<cell_id>.<attempt>.txt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def log_file(path: Path, cell_id: str, attempt: int) -> Path:
    """Return the log of an attempt in the run at ``path``."""
    return path / "logs" / f"{cell_id}.{attempt}.txt"


def latest_logs(path: Path) -> dict[str, Path]:
    """Return the logs of the latest attempts in the run at ``path``, by cell: output and traceback."""
    found: dict[str, tuple[int, Path]] = {}
    for file in (path / "logs").glob("*.*.txt"):
        cell_id, _, attempt = file.stem.rpartition(".")
        if attempt.isdecimal():
            found[cell_id] = max(found.get(cell_id, (0, file)), (int(attempt), file))
    return {cell_id: file for cell_id, (_, file) in found.items()}
