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
from .status_counts import COUNTS, note_status_counts

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ..plugin.cell import Cell
    from ..plugin.outcome import Outcome
    from ..study.plan import Plan
    from .finished import Done
    from .rows import SolvedOn

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
        return self.path / "checkpoints" / cell.cell_id

    def clear_scratch(self, cell: Cell) -> None:
        """Delete the checkpoints of a cell."""
        shutil.rmtree(self.scratch(cell), ignore_errors=True)
        with suppress(OSError):
            self.scratch(cell).parent.rmdir()

    @property
    def temporary(self) -> Path:
        """The folder where files are written before they are renamed."""
        return self.path / TEMPORARY

    def clear_temporary(self) -> None:
        """Delete the unfinished files of an earlier process."""
        shutil.rmtree(self.temporary, ignore_errors=True)
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
        with _said(self.path):
            self._compactor.release(cell_ids)

    def compact(self, *, fully: bool = False) -> None:
        """Move the rows of finished cells to part files, if they are many; ``fully``: all of them, to few files.

        :raises StoreError: if a file cannot be written.
        """
        with _said(self.path):
            self._compactor.pack(1 if fully else _PACKED_AT_END, 2 if fully else MERGED_AT)

    def note_status_counts(self) -> None:
        """Note how the cells ended, for lists of runs; not of a run with damaged files, which lists shall name."""
        found = self._compactor.found
        statuses = {cell_id: done.status for cell_id, done in found.done.items()} | self._ended
        if not found.broken and statuses.keys() == found.loose.union(*found.parts.values()):
            with _said(self.path / COUNTS):
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
                path.unlink(missing_ok=True)
        if outcome.log:
            self._write_log(log_file(self.path, cell.cell_id, attempt), outcome.log)
        self._write("cells", parquet_bytes(sealed(row)), self.path / "cells" / f"{cell.cell_id}.parquet", sync=True)
        self._ended[cell.cell_id] = outcome.status
        with _said(self.path):
            tables = {name: outcome.tables[name] for name in files}
            self._compactor.committed(cell.cell_id, {"cells": row, **tables})

    def _write(self, name: str, data: bytes, path: Path, *, sync: bool) -> None:
        with _said(path):
            write_bytes(data, path, self.temporary / f"{name}-{path.name}", sync=sync)

    def _write_log(self, path: Path, text: str) -> None:
        with _said(path):
            path.write_text(text, encoding="utf-8", errors="backslashreplace")

    def write_verdicts(self, study: str, verdicts: pd.DataFrame) -> None:
        """Write the verdicts of a study."""
        (self.path / "verdicts").mkdir(exist_ok=True)
        data = parquet_bytes(sealed(from_frame("verdicts", verdicts)))
        self._write("verdicts", data, self.path / "verdicts" / f"{study}.parquet", sync=False)

    def report_is_whole(self, study: str) -> bool:
        """Return whether figures are there, and a study's verdicts are those that were written."""
        try:
            read_sealed(self.path / "verdicts" / f"{study}.parquet", "verdicts")
        except StoreError:
            return False
        return (self.path / "figures").is_dir()

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Give a path for a new folder; once it is filled it replaces the folder ``name``."""
        part = self.temporary / name
        shutil.rmtree(part, ignore_errors=True)
        yield part
        if part.is_dir():
            shutil.rmtree(self.path / name, ignore_errors=True)
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
        with _said(self.path / RUN_FILE):
            part.write_text(
                json.dumps(text, indent=2, ensure_ascii=False) + "\n",
                encoding="utf-8",
                errors="backslashreplace",  # bytes of a path that are no UTF-8 become JSON's own escapes
            )
            part.replace(self.path / RUN_FILE)
            for name in ("cells", *CELL_TABLES, "logs", "solutions"):
                (self.path / name).mkdir(exist_ok=True)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn a failure to write ``path`` into a message that names it."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def open_run(path: Path, plan: Plan, *, fresh: bool) -> Iterator[RunFolder]:
    """Hold a run's folder for writing while the context lasts; a second process gets an error.

    :raises StoreError: if the folder is foreign, in use, unwritable, or holds cells that are not in ``plan``.
    """
    check_own(path)
    with _held(path):
        if fresh:
            discard(path)
        with _said(path):
            finish_exchange(path)
        check_extends(path, plan)
        folder = RunFolder(path, plan.run_id)
        folder.clear_temporary()
        try:
            yield folder
        finally:
            shutil.rmtree(path / TEMPORARY, ignore_errors=True)


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
        with _said(path):
            finish_exchange(path)
        folder, before = RunFolder(path, run_id), _files(path)
        folder.compact(fully=True)
        folder.note_status_counts()
        return len(folder.done()), before, _files(path)


def _files(path: Path) -> int:
    return sum(1 for table in ("cells", *CELL_TABLES) for _ in (path / table).glob("*.parquet"))
