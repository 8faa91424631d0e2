"""The folder of one run: its write lock, its finished cells, and the commit of a cell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ..errors import StoreError
from ..plugin.hashing import canonical_json, digest_of_bytes
from .arrow import from_frame, is_intact, parquet_bytes, read_sealed, row_table, sealed, write_bytes
from .rows import cell_row
from .run_file import RUN_FILE, differences, read_run_file, run_digest
from .schemas import CELL_TABLES, RUN_TABLES, SCHEMA_VERSION
from .solution_cache import discard_unfinished
from .unwritable import unwritable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ..plugin.cell import Cell
    from ..plugin.outcome import Outcome
    from ..study.plan import Plan
    from .rows import SolvedOn

_LOCK = ".lock"
_TEMPORARY = ".tmp"
_OF_DONE = ["cell_id", "status", "attempt", "env_id", "digests_json"]
_CHECKPOINTS = "checkpoints"
_OWN_FOLDERS = ("figures", "solutions", _CHECKPOINTS, _TEMPORARY)


@dataclass(frozen=True)
class Done:
    """A committed cell: how it ended, on which attempt, and in which environment."""

    status: str
    attempt: int
    env_id: str = ""


class RunFolder:
    """A run's folder, held by this process alone. Open it with :func:`open_run`."""

    def __init__(self, path: Path, run_id: str) -> None:
        self.path, self.run_id = path, run_id

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
        return self.path / _TEMPORARY

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
        found: dict[str, Done] = {}
        for path in sorted((self.path / "cells").glob("*.parquet")):
            try:
                (row,) = read_sealed(path, "cells").select(_OF_DONE).to_pylist()
            except (StoreError, ValueError):
                continue
            if row["cell_id"] == path.stem and self._is_intact(path.stem, json.loads(row["digests_json"])):
                found[path.stem] = Done(row["status"], row["attempt"], row["env_id"])
        return found

    def _is_intact(self, cell_id: str, digests: Mapping[str, str]) -> bool:
        return all(is_intact(self.path / table / f"{cell_id}.parquet", digest) for table, digest in digests.items())

    def key(self, cell: Cell, attempt: int) -> dict[str, Any]:
        """Return the key columns that all tables of a cell share."""
        return {"schema_version": SCHEMA_VERSION, "run_id": self.run_id, "cell_id": cell.cell_id, "attempt": attempt}

    def commit(self, cell: Cell, outcome: Outcome, attempt: int, config: SolvedOn, env_id: str) -> None:
        """Write a cell's tables, and last its row in ``cells``, which makes them count.

        :raises StoreError: if a file cannot be written.
        """
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
            self._write_log(self.path / "logs" / f"{cell.cell_id}.{attempt}.txt", outcome.log)
        self._write("cells", parquet_bytes(sealed(row)), self.path / "cells" / f"{cell.cell_id}.parquet", sync=True)

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


def latest_log(path: Path, cell_id: str) -> Path | None:
    """Return the log of a cell's latest attempt in the run at ``path``: its output and traceback; None without one."""
    found = list((path / "logs").glob(f"{cell_id}.*.txt"))
    return max(found, key=lambda file: int(file.suffixes[-2].lstrip(".")), default=None)


@contextmanager
def open_run(path: Path, plan: Plan, *, fresh: bool) -> Iterator[RunFolder]:
    """Hold a run's folder for writing while the context lasts; a second process gets an error.

    :raises StoreError: if the folder is foreign, in use, unwritable, or holds cells that are not in ``plan``.
    """
    check_own(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(f"{path}: in use by another ntkbench process; wait for it, or choose another --out") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be written to ({error.strerror}); choose another --out") from None
    try:
        if fresh:
            with unwritable(path):
                discard(path)
        check_extends(path, plan)
        folder = RunFolder(path, plan.run_id)
        folder.clear_temporary()
        yield folder
    finally:
        shutil.rmtree(path / _TEMPORARY, ignore_errors=True)
        with suppress(OSError):  # it is not empty, or gone
            (path / _CHECKPOINTS).rmdir()
        lock.release()


def discard(path: Path) -> None:
    """Delete a run's own files, and no others in its folder."""
    for name in RUN_TABLES:
        _discard_files(path / name, "*.parquet")
    _discard_files(path / "logs", "*.txt")
    for name in _OWN_FOLDERS:
        shutil.rmtree(path / name, ignore_errors=True)
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
        inside = {child.name for child in path.iterdir()} - {_LOCK, _TEMPORARY}
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
    foreign = [file.stem for file in (path / "cells").glob("*.parquet") if file.stem not in planned]
    if foreign:
        differing = "\n".join(f"  {line}" for line in differences(old["resolved"], plan.resolved)[:12])
        raise StoreError(
            f"{path}: holds {len(foreign)} cells of another plan (in the folder -> in this study):\n{differing}\n"
            "choose another --out, or discard that run with --fresh"
        )
