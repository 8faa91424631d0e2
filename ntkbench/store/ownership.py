"""Whose folder it is: a run's own files may be discarded; foreign folders and runs of other studies are kept."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ..errors import StoreError
from .exchange import STAGED
from .finished import committed_ids
from .run_file import RUN_FILE, differences, read_run_file
from .schemas import RUN_TABLES
from .status_counts import COUNTS

if TYPE_CHECKING:
    from pathlib import Path

    from ..study.plan import Plan

LOCK = ".lock"
TEMPORARY = ".tmp"
_OWN_FOLDERS = ("figures", "solutions", "checkpoints", TEMPORARY)


def discard(path: Path) -> None:
    """Delete a run's own files, and no others in its folder."""
    shutil.rmtree(path / STAGED, ignore_errors=True)  # first: nobody may finish an exchange of what is gone
    for name in RUN_TABLES:
        _discard_files(path / name, "*.parquet")
    _discard_files(path / "logs", "*.txt")
    for name in _OWN_FOLDERS:
        shutil.rmtree(path / name, ignore_errors=True)
    (path / COUNTS).unlink(missing_ok=True)
    (path / RUN_FILE).unlink(missing_ok=True)


def _discard_files(folder: Path, pattern: str) -> None:
    for file in folder.glob(pattern):
        file.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def check_own(path: Path) -> None:
    """Refuse a folder that is neither absent, nor empty, nor a run.

    :raises StoreError: naming the obstacle.
    """
    try:
        if not path.exists():
            return
        if not path.is_dir():
            raise StoreError(f"{path}: a file is in the way; --out names the run's own folder")
        inside = {child.name for child in path.iterdir()} - {LOCK, TEMPORARY}
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); choose another --out") from None
    if inside and RUN_FILE not in inside:
        raise StoreError(f"{path}: holds files but no run, so it is left alone; choose a new or empty folder for --out")


def check_extends(path: Path, plan: Plan) -> None:
    """Refuse a run with cells that are not in the plan: their numbers would belong to another study."""
    if not (path / RUN_FILE).exists():
        return
    old = read_run_file(path)
    planned = plan.by_id()
    foreign = [cell_id for cell_id in committed_ids(path) if cell_id not in planned]
    if foreign:
        differing = "\n".join(f"  {line}" for line in differences(old["resolved"], plan.resolved)[:12])
        raise StoreError(
            f"{path}: holds {len(foreign)} cells of another plan (in the folder -> in this study):\n{differing}\n"
            "choose another --out, or discard that run with --fresh"
        )
