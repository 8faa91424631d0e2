"""Finished cells in part files: the same tables, whatever instant a process is killed at, and for plain readers too."""

import os
import shutil
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from toy_runs import invoke, session, study, subject

import ntkbench
from ntkbench.errors import StoreError
from ntkbench.store import committed, compaction, parts
from ntkbench.store.exchange import STAGED, finish_exchange
from ntkbench.store.finished import finished_cells
from ntkbench.store.folder import RunFolder
from ntkbench.store.layout import layout_of
from ntkbench.store.schemas import CELL_TABLES

TABLES = ("cells", *CELL_TABLES)
TEXT = study(
    task=[{"name": "toy/line", "outputs": 2}],
    subject=[subject(widths=[4, 8]), subject("worse", behave="diverge-one", widths=[8])],
    store={"predictions": "all"},
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run of four cells with files of their own, not to be changed."""
    path = tmp_path_factory.mktemp("done") / "run"
    session(TEXT, path, executor="inline", analyse=True)
    return path


@pytest.fixture
def mine(done, tmp_path):
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))


@pytest.fixture
def packed(mine):
    """The same in one part."""
    compact(mine)
    return mine


@pytest.fixture(scope="module")
def known(done):
    return tables_of(done)


def compact(path, **options):
    RunFolder(path, "toy").compact(**{"fully": True, **options})


def tables_of(path):
    results = ntkbench.load(path)
    return {name: getattr(results, name) for name in TABLES}


def assert_same(found, known, without=()):
    for name, frame in known.items():
        pd.testing.assert_frame_equal(
            found[name].drop(columns=without, errors="ignore"), frame.drop(columns=without, errors="ignore")
        )


def files_of(path):
    return sorted(str(file.relative_to(path)) for table in TABLES for file in (path / table).iterdir())


def resume(path, text=TEXT, **options):
    return session(text, path, executor="inline", **options)


class TestTables:
    def test_a_packed_run_has_the_same_tables_in_one_file_each(self, packed, known):
        assert_same(tables_of(packed), known)
        assert len(files_of(packed)) == len(TABLES)
        assert not (packed / STAGED).exists()

    @pytest.mark.parametrize("table", TABLES)
    def test_a_plain_reader_finds_the_same_rows(self, packed, known, table):
        found = pd.read_parquet(packed / table)
        assert list(found.columns) == list(known[table].columns)
        keys = ["cell_id", *(name for name in ("metric", "reference", "split", "member", "step") if name in found)]
        keys += [name for name in ("component", "point", "output") if name in found]
        one, two = (frame.sort_values(keys, ignore_index=True) for frame in (found, known[table]))
        pd.testing.assert_frame_equal(one, two, check_dtype=False)

    def test_packing_twice_changes_no_file(self, packed):
        before = files_of(packed)
        compact(packed)
        assert files_of(packed) == before

    def test_measurements_in_parts_are_the_same_rows(self, packed, done):
        one, two = (pd.concat(ntkbench.load(path).measurement_parts) for path in (packed, done))
        pd.testing.assert_frame_equal(one.astype(object), two.astype(object))

    def test_row_groups_are_of_whole_cells_with_statistics(self, mine, monkeypatch):
        monkeypatch.setattr(parts, "_GROUP_ROWS", 40)
        compact(mine)
        (file,) = (mine / "measurements").iterdir()
        parquet = pq.ParquetFile(file)
        place = parquet.schema_arrow.get_field_index("cell_id")
        ranges = [parquet.metadata.row_group(i).column(place).statistics for i in range(parquet.num_row_groups)]
        assert len(ranges) > 2
        assert all(one.max < two.min for one, two in pairwise(ranges))

    def test_small_parts_are_joined_once_they_are_many(self, mine, known):
        for cell_id in layout_of(mine).loose:
            made = compaction.Compactor(mine)
            made.found.loose = {cell_id}
            made.pack(merged_at=99)
        assert len(layout_of(mine).parts) == 4
        compaction.Compactor(mine).pack(fewest=1, merged_at=4)
        assert len(layout_of(mine).parts) == 1
        assert_same(tables_of(mine), known)

    def test_a_part_is_bounded(self, mine, known, monkeypatch):
        monkeypatch.setattr(parts, "MOST_CELLS", 2)
        monkeypatch.setattr(compaction, "MOST_CELLS", 2)
        compact(mine)
        assert len(layout_of(mine).parts) == 2
        assert_same(tables_of(mine), known)


class Killed(BaseException):
    """The process ends here, whatever would clean up behind it."""


@contextmanager
def file_operations(at=None, before=lambda: None):
    """Call ``before`` ahead of every operation that changes a file, and end at the ``at``-th; yield their number.

    A write that is interrupted leaves half of its bytes.
    """
    count = [0]

    def step(half=lambda: None):
        count[0] += 1
        before()
        if count[0] == at:
            half()
            raise Killed

    class Torn:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            self.file.__enter__()
            return self

        def __exit__(self, *error):
            self.file.__exit__(*error)

        def write(self, data):
            step(lambda: (self.file.write(data[: len(data) // 2]), self.file.flush()))
            self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    plain = {name: getattr(Path, name) for name in ("unlink", "replace", "mkdir", "open")}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("unlink", "replace", "mkdir"):
            patch.setattr(Path, name, lambda *a, _plain=plain[name], **k: (step(), _plain(*a, **k))[1])

        def opened(self, mode="r", *arguments, **options):
            file = plain["open"](self, mode, *arguments, **options)
            return Torn(file) if mode == "wb" else file

        patch.setattr(Path, "open", opened)
        patch.setattr(os, "fsync", lambda handle: step())
        remove = shutil.rmtree
        patch.setattr(shutil, "rmtree", lambda *a, **k: (step(), remove(*a, **k)))
        yield count


def operations(path, work):
    with file_operations() as count:
        work(path)
    return count[0]


def pack_all(path):
    compact(path)


def pack_in_two(path):
    """Two exchanges, each of half of the cells, and one that joins the parts."""
    made = compaction.Compactor(path)
    every = sorted(made.found.loose)
    for some in (every[:2], every[2:]):
        made.found.loose = set(some)
        made.pack(merged_at=99)
    made.found.loose = set()
    made.pack(merged_at=2)


def release_two(path):
    made = compaction.Compactor(path)
    made.release(sorted(made.found.done)[::2])


WORKS = {"pack": (compact, False), "pack in two and join": (pack_in_two, False), "release": (release_two, True)}
NAMES = ["pack", pytest.param("pack in two and join", marks=pytest.mark.exhaustive), "release"]  # the longest


@pytest.mark.parametrize("name", NAMES)
def test_readers_see_the_same_tables_between_any_two_operations(name, mine, known):
    work, from_parts = WORKS[name]
    if from_parts:
        compact(mine)
    without = ["digests_json"] if from_parts else []
    seen = []

    def look():
        seen.append(layout_of(mine).moves)
        assert_same(tables_of(mine), known, without)

    with file_operations(before=look) as count:
        work(mine)
    assert count[0] == len(seen) > 15
    assert any(seen)  # unfinished exchanges too
    assert_same(tables_of(mine), known, without)


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_operation_a_run_has_the_same_tables_and_goes_on(name, done, known, tmp_path):
    work, from_parts = WORKS[name]
    start = Path(shutil.copytree(done, tmp_path / "start"))
    if from_parts:
        compact(start)
    without = ["digests_json"] if from_parts else []
    total = operations(Path(shutil.copytree(start, tmp_path / "counted")), work)
    assert total > 15
    for at in range(1, total + 1):
        path = Path(shutil.copytree(start, tmp_path / str(at)))
        with pytest.raises(Killed), file_operations(at):
            work(path)
        assert len(finished_cells(path).done) == 4
        for again in range(1, 100):  # and killed again while it finishes what the first one began
            with suppress(Killed), file_operations(again):
                finish_exchange(path)
                break
        assert again < 100
        assert not (path / STAGED).exists()
        assert_same(tables_of(path), known, without)
        assert sorted(pd.read_parquet(path / "cells")["cell_id"]) == sorted(known["cells"]["cell_id"])
        shutil.rmtree(path)


def test_a_process_that_is_interrupted_while_it_packs_may_pack_on(done, known, tmp_path):
    """Ctrl-C stops the exchange of files; the cells that were running are committed, and packed, after it."""
    plain = compaction._joined

    def joined_and_interrupted(*arguments):
        plain(*arguments)
        raise Killed

    total = operations(Path(shutil.copytree(done, tmp_path / "counted")), compact)
    for at in (*range(1, total + 1, 3), None):
        path = Path(shutil.copytree(done, tmp_path / str(at)))
        made = compaction.Compactor(path)
        with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch, file_operations(at):
            if at is None:
                patch.setattr(compaction, "_joined", joined_and_interrupted)
            made.pack()
        made.pack(merged_at=99)
        assert not (path / STAGED).exists()
        assert_same(tables_of(path), known)


def test_a_killed_run_resumes_with_nothing_to_do(mine, known):
    total = operations(Path(shutil.copytree(mine, mine.parent / "counted")), compact)
    for at in (total // 3, 2 * total // 3, total - 1):
        path = Path(shutil.copytree(mine, mine.parent / str(at)))
        with pytest.raises(Killed), file_operations(at):
            compact(path)
        found = resume(path)
        assert (found.summary.kept, sum(found.summary.counts.values())) == (4, 0)
        assert_same(tables_of(path), known)
        assert not (path / STAGED).exists()


class TestReaders:
    def test_files_packed_while_they_are_read(self, mine, known, monkeypatch):
        """The first file is read, and then all others are gone."""
        plain, calls = committed.read_sealed, []

        def read(file, table):
            row = plain(file, table)
            calls.append(file)
            if len(calls) == 1:
                compact(mine)
            return row

        monkeypatch.setattr(committed, "read_sealed", read)
        assert_same(tables_of(mine), known)
        assert len(calls) == 1

    def test_files_packed_between_two_tables(self, mine, known):
        results = ntkbench.load(mine)
        pd.testing.assert_frame_equal(results.cells, known["cells"])
        compact(mine)
        pd.testing.assert_frame_equal(results.measurements, known["measurements"])
        extended = {**TEXT, "subject": [TEXT["subject"][0], {**TEXT["subject"][1], "widths": [8, 32]}]}
        resume(mine, extended)
        compact(mine)
        pd.testing.assert_frame_equal(results.predictions, known["predictions"])  # not those of cells that came later
        assert len(ntkbench.load(mine).cells) == 5

    def test_a_cell_run_again_between_two_tables_is_an_error(self, tmp_path):
        text = study(subject=[subject(behave="diverge", widths=[4])])
        session(text, tmp_path / "run", executor="inline")
        results = ntkbench.load(tmp_path / "run")
        assert len(results.cells) == 2
        session(text, tmp_path / "run", executor="inline", rerun_failed=True)
        compact(tmp_path / "run")
        with pytest.raises(StoreError, match="have been run again since their rows were read; load the run again"):
            _ = results.measurements


class TestSessions:
    @pytest.fixture
    def soon(self, monkeypatch):
        """Pack cells at every second, and at the end of a run."""
        monkeypatch.setattr(compaction, "_PACKED_AT", 2)
        monkeypatch.setattr("ntkbench.store.folder._PACKED_AT_END", 1)

    def test_a_run_packs_its_cells_as_it_goes_and_at_its_end(self, soon, tmp_path, known):
        resume(tmp_path / "run")
        assert len(layout_of(tmp_path / "run").parts) == 2
        assert layout_of(tmp_path / "run").loose == ()
        assert_same(
            {name: frame.drop(columns="attempt") for name, frame in tables_of(tmp_path / "run").items()},
            {name: frame.drop(columns="attempt") for name, frame in known.items()},
            ["digests_json", "wall_seconds", "compile_seconds", "peak_memory_bytes", "started_at"],
        )

    def test_a_packed_run_has_nothing_to_do(self, packed):
        before = {file: file.stat().st_mtime_ns for file in packed.rglob("*.parquet")}
        found = resume(packed)
        assert (found.summary.kept, sum(found.summary.counts.values())) == (4, 0)
        assert {file: file.stat().st_mtime_ns for file in packed.rglob("*.parquet")} == before

    def test_extending_a_packed_run(self, packed, known):
        text = {**TEXT, "subject": [{**TEXT["subject"][0], "widths": [4, 8, 32]}, TEXT["subject"][1]]}
        assert resume(packed, text).summary.counts == {"ok": 1}
        compact(packed)
        found = tables_of(packed)
        assert (len(found["cells"]), len(layout_of(packed).parts)) == (5, 1)
        old = found["measurements"][found["measurements"]["cell_id"].isin(known["cells"]["cell_id"])]
        pd.testing.assert_frame_equal(old.reset_index(drop=True), known["measurements"])

    def test_another_plan_is_refused(self, packed):
        with pytest.raises(StoreError, match="holds 4 cells of another plan"):
            resume(packed, {**TEXT, "seed": 1})

    def test_fresh_discards_parts(self, packed):
        assert resume(packed, {**TEXT, "seed": 1}, fresh=True).summary.counts == {"ok": 4}
        assert (ntkbench.load(packed).cells["seed"] == 1).all()

    @pytest.mark.parametrize("again", [False, True])
    def test_a_failed_cell_in_a_part_is_superseded_for_every_reader(self, tmp_path, monkeypatch, again):
        import toy

        path, text = tmp_path / "run", study(subject=[subject(behave="raise", at_width=16)])
        session(text, path, executor="inline")
        compact(path)
        failed = ntkbench.load(path).cells.query("status == 'failed'")["cell_id"].item()
        (log,) = (path / "logs").iterdir()
        assert log.name == f"{failed}.1.txt"
        assert session(text, path, executor="inline").summary.kept_failures == 1
        if not again:
            monkeypatch.setattr(toy, "_misbehave", lambda how: None)
        session(text, path, executor="inline", rerun_failed=True)
        for _ in range(2):
            for cells in (ntkbench.load(path).cells, pd.read_parquet(path / "cells")):
                (row,) = cells[cells["cell_id"] == failed].to_dict("records")
                assert (row["attempt"], row["status"]) == (2, "failed" if again else "ok")
                assert cells["cell_id"].is_unique
            compact(path)
        assert len(list((path / "logs").iterdir())) == 1 + again

    def test_a_skipped_cell_in_a_part_is_not_written_again(self, tmp_path):
        path = tmp_path / "run"
        text = study(reference=[{"label": "ntk", "backend": "toy-kernel", "fail": True}])
        session(text, path, executor="inline")
        compact(path)
        session(text, path, executor="inline")
        assert (ntkbench.load(path).cells["attempt"] == 1).all()


class TestCommandLine:
    def test_compact(self, mine, known):
        found = invoke("results", "compact", mine)
        assert found.exit_code == 0
        assert "4 cells: 13 files before, 4 now" in found.stdout.replace("\n", " ")
        assert_same(tables_of(mine), known)

    def test_a_run_in_use_is_left_alone(self, mine, tmp_path):
        from filelock import FileLock

        with FileLock(mine / ".lock"):
            found = invoke("results", "compact", mine)
        assert found.exit_code == 2
        assert "in use by another ntkbench process" in found.stderr

    def test_what_is_no_run(self, tmp_path):
        found = invoke("results", "compact", tmp_path / "absent")
        assert found.exit_code == 2
        assert "no run found" in found.stderr
