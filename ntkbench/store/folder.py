"""The folder of one run: its write lock, its finished cells, and the commit of a cell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ..errors import StoreError
from ..plugin.hashing import canonical_json, digest_of_bytes
from .arrow import from_frame, parquet_bytes, read_sealed, row_table, sealed, write_bytes
from .compaction import MERGED_AT, Compactor
from .exchange import finish_exchange
from .logs import log_file
from .ownership import LOCK, TEMPORARY, check_extends, check_own, discard
from .rows import cell_row
from .run_file import RUN_FILE, read_run_file, run_digest
from .schemas import CELL_TABLES, SCHEMA_VERSION
from .solution_cache import discard_unfinished
from .status_counts import COUNTS, note_status_counts
from .unwritable import unwritable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ..plugin.cell import Cell
    from ..plugin.outcome import Outcome
    from ..study.plan import Plan
    from .finished import Done
    from .rows import SolvedOn

_CHECKPOINTS = "checkpoints"
_PACKED_AT_END = 128  # cells with files of their own


class RunFolder:
    """A run's folder, held by this process alone. Open it with :func:`open_run`."""

    def __init__(self, path: Path, run_id: str) -> None:
        self.path, self.run_id = path, run_id
        self._ended: dict[str, str] = {}  # the status of each cell that this session has committed

    @property
    def solutions(self) -> Path:
        """The folder of reference solutions."""
        return self.path / "solutions"

    def scratch(self, cell: Cell) -> Path:
        """Return the folder for a backend's checkpoints of a cell; it is deleted once the cell has ended."""
        return self.path / _CHECKPOINTS / cell.cell_id

    def clear_scratch(self, cell: Cell) -> None:
        """Delete the checkpoints of a cell."""
        shutil.rmtree(self.scratch(cell), ignore_errors=True)

    @property
    def temporary(self) -> Path:
        """The folder where files are written before they are renamed."""
        return self.path / TEMPORARY

    def clear_temporary(self) -> None:
        """Delete the unfinished files of an earlier process.

        :raises StoreError: if the folder for them cannot be made.
        """
        discard_unfinished(self.solutions)
        shutil.rmtree(self.temporary, ignore_errors=True)
        with unwritable(self.temporary):
            self.temporary.mkdir()

    def done(self) -> dict[str, Done]:
        """Return the committed cells; a cell with a damaged file does not count as committed."""
        return self._compactor.found.done

    @cached_property
    def _compactor(self) -> Compactor:
        return Compactor(self.path)

    def release(self, cell_ids: Collection[str]) -> None:
        """Give cells that are about to run again files of their own; delete part files that are damaged.

        :raises StoreError: if a file cannot be written.
        """
        with unwritable(self.path):
            self._compactor.release(cell_ids)

    def compact(self, *, fully: bool = False) -> None:
        """Move the rows of finished cells to part files, if they are many; ``fully``: all of them, to few files.

        :raises StoreError: if a file cannot be written.
        """
        with unwritable(self.path):
            self._compactor.pack(1 if fully else _PACKED_AT_END, 2 if fully else MERGED_AT)

    def note_status_counts(self) -> None:
        """Note how the cells ended, for lists of runs; not of a run with damaged files, which lists shall name."""
        found = self._compactor.found
        statuses = {cell_id: done.status for cell_id, done in found.done.items()} | self._ended
        if not found.broken and statuses.keys() == found.loose.union(*found.parts.values()):
            with unwritable(self.path / COUNTS):
                note_status_counts(self.path, statuses.values(), self.path / f"{COUNTS}.part")

    def key(self, cell: Cell, attempt: int) -> dict[str, Any]:
        """Return the key columns that all tables of a cell share."""
        return {"schema_version": SCHEMA_VERSION, "run_id": self.run_id, "cell_id": cell.cell_id, "attempt": attempt}

    def commit(self, cell: Cell, outcome: Outcome, attempt: int, config: SolvedOn, env_id: str) -> None:
        """Write a cell's tables, and last its row in ``cells``, which makes them count.

        :raises StoreError: if a file cannot be written.
        """
        if self._compactor.is_packed(cell.cell_id):
            self.release([cell.cell_id])
        written = cell_row(cell, outcome, config, env_id)
        files = {name: parquet_bytes(outcome.tables[name]) for name in CELL_TABLES if name in outcome.tables}
        digests = {"digests_json": canonical_json({name: digest_of_bytes(data) for name, data in files.items()})}
        row = row_table("cells", {**written, **self.key(cell, attempt), **digests})
        for name in CELL_TABLES:
            path = self.path / name / f"{cell.cell_id}.parquet"
            if name in files:
                self._write(name, files[name], path, sync=False)
            else:
                with unwritable(path):
                    path.unlink(missing_ok=True)
        if outcome.log:
            self._write_log(log_file(self.path, cell.cell_id, attempt), outcome.log)
        self._write("cells", parquet_bytes(sealed(row)), self.path / "cells" / f"{cell.cell_id}.parquet", sync=True)
        self._ended[cell.cell_id] = outcome.status
        with unwritable(self.path):
            tables = {name: outcome.tables[name] for name in files}
            self._compactor.committed(cell.cell_id, {"cells": row, **tables})

    def _write(self, name: str, data: bytes, path: Path, *, sync: bool) -> None:
        with unwritable(path):
            write_bytes(data, path, self.temporary / f"{name}-{path.name}", sync=sync)

    def _write_log(self, path: Path, text: str) -> None:
        with unwritable(path):
            path.write_text(text, encoding="utf-8", errors="backslashreplace")

    def write_verdicts(self, study: str, verdicts: pd.DataFrame) -> None:
        """Write the verdicts of a study: the last of its report, which makes it count.

        :raises StoreError: if they cannot be written.
        """
        path = self._verdicts(study)
        with unwritable(path):
            path.parent.mkdir(exist_ok=True)
        self._write("verdicts", parquet_bytes(sealed(from_frame("verdicts", verdicts))), path, sync=False)

    def discard_verdicts(self, study: str) -> None:
        """Delete the verdicts of a study, whose cells are about to change: they would outlive a run that is killed.

        :raises StoreError: if they cannot be deleted.
        """
        with unwritable(self._verdicts(study)):
            self._verdicts(study).unlink(missing_ok=True)

    def _verdicts(self, study: str) -> Path:
        return self.path / "verdicts" / f"{study}.parquet"

    def report_is_whole(self, study: str) -> bool:
        """Return whether figures are there, and a study's verdicts are those that were written."""
        try:
            read_sealed(self._verdicts(study), "verdicts")
        except StoreError:
            return False
        return (self.path / "figures").is_dir()

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Give a path for a new folder; once it is filled it replaces the folder ``name``.

        :raises StoreError: if it cannot be filled or put in its place; the old one stays as long as it can.
        """
        part = self.temporary / name
        shutil.rmtree(part, ignore_errors=True)
        with unwritable(self.path / name):
            yield part
            if part.is_dir():
                if (self.path / name).exists():
                    shutil.rmtree(self.path / name)
                part.replace(self.path / name)

    def is_of(self, plan: Plan) -> bool:
        """Return whether ``run.json`` is of this very plan, with all that its report depends on."""
        if not (self.path / RUN_FILE).exists():
            return False
        old, study = read_run_file(self.path), plan.study.study
        words = study.title, study.description.strip()
        return (old.get("title"), old.get("description")) == words and bool(old["resolved"] == plan.resolved)

    def write_run_file(self, plan: Plan, arguments: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Write ``run.json``, keeping the environments of earlier sessions, and make the folders of the tables."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        old = read_run_file(self.path) if (self.path / RUN_FILE).exists() else {}
        text = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "study": plan.study.study.name,
            "title": plan.study.study.title,
            "description": plan.study.study.description.strip(),
            "created_at": old.get("created_at", now),
            "updated_at": now,
            "arguments": dict(arguments),
            "resolved": plan.resolved,
            "environments": {**old.get("environments", {}), environment["env_id"]: dict(environment)},
        }
        text["digest"] = run_digest(text)
        part = self.temporary / RUN_FILE
        with unwritable(self.path / RUN_FILE):
            part.write_text(
                json.dumps(text, indent=2, ensure_ascii=False) + "\n",
                encoding="utf-8",
                errors="backslashreplace",  # bytes of a path that are no UTF-8 become JSON's own escapes
            )
            part.replace(self.path / RUN_FILE)
        for name in ("cells", *CELL_TABLES, "logs", "solutions", _CHECKPOINTS):
            with unwritable(self.path / name):
                (self.path / name).mkdir(exist_ok=True)


@contextmanager
def open_run(path: Path, plan: Plan, *, fresh: bool) -> Iterator[RunFolder]:
    """Hold a run's folder for writing while the context lasts; a second process gets an error.

    :raises StoreError: if the folder is foreign, in use, unwritable, or holds cells that are not in ``plan``.
    """
    check_own(path)
    with _held(path):
        with unwritable(path):
            if fresh:
                discard(path)
            finish_exchange(path)
        check_extends(path, plan)
        folder = RunFolder(path, plan.run_id)
        folder.clear_temporary()
        try:
            yield folder
        finally:
            shutil.rmtree(path / TEMPORARY, ignore_errors=True)
            with suppress(OSError):  # it is not empty, or gone
                (path / _CHECKPOINTS).rmdir()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a folder's lock while the context lasts.

    :raises StoreError: if it is in use or unwritable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(f"{path}: in use by another ntkbench process; wait for it, or choose another --out") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be written to ({error.strerror}); choose another --out") from None
    try:
        yield
    finally:
        lock.release()


def compact_run(path: Path) -> tuple[int, int, int]:
    """Move the rows of all cells of a finished run to few files; return how many cells, files before and files now.

    :raises StoreError: if the folder is no run, is in use or unwritable.
    """
    run_id = read_run_file(path)["run_id"]
    with _held(path):
        with unwritable(path):
            finish_exchange(path)
        folder, before = RunFolder(path, run_id), _files(path)
        folder.compact(fully=True)
        folder.note_status_counts()
        return len(folder.done()), before, _files(path)


def _files(path: Path) -> int:
    return sum(1 for table in ("cells", *CELL_TABLES) for _ in (path / table).glob("*.parquet"))
