"""A run's folder becomes full, read-only, a file or nothing at any change to it: one message, and a run to resume."""

import errno
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from file_faults import at_each_change
from toy_runs import TOY, as_toml, command_line, compared, invoke, rows, session, study, subject

from ntkbench.errors import NtkbenchError, StoreError
from ntkbench.store.solution_cache import has_solution, load_solution

TEXT = study(subject=[subject(widths=[4, 16])])
FIGURE = "every curve"


@pytest.fixture(scope="module", autouse=True)
def quick_figures():
    """Draw by writing a word: what may fail is writing it."""

    def draw(report, plan, registry, folder):
        folder.mkdir()
        (folder / "curves.txt").write_text(FIGURE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ntkbench.analysis.report.figures.draw_figures", draw)
        yield


@pytest.fixture(scope="module")
def peace(tmp_path_factory):
    """A run whose folder is always there, without its report, and the changes that it makes."""
    path = tmp_path_factory.mktemp("peace") / "run"
    with at_each_change(path, lambda number: None) as changes:
        session(TEXT, path, executor="inline")
    return path, changes


def failing(number, code):
    """Return what makes every change fail from one on."""

    def act(now):
        if now >= number:
            raise OSError(code, os.strerror(code))

    return act


def vanishing(number, path, *, to_file):
    """Return what removes the folder at a change, and may put a file in its place."""

    def act(now):
        if now == number:
            shutil.rmtree(path, ignore_errors=True)
            if to_file:
                path.write_text("not a folder")

    return act


def one_message(path, act, **options):
    """Run while changes fail, and return what the user reads; a run that can do without a change says nothing."""
    with at_each_change(path, act):
        try:
            session(TEXT, path, executor="inline", **options)
        except NtkbenchError as error:
            assert len(str(error).splitlines()) == 1
            return str(error)
    return None


def same_tables(path, other):
    for name, frame in compared(path).items():
        pd.testing.assert_frame_equal(frame, compared(other)[name], check_exact=True)


@pytest.mark.parametrize("fault", ["full", "read-only", "gone", "a file"])
def test_whatever_change_fails_there_is_one_message_and_a_run_to_resume(fault, peace, tmp_path):
    whole, changes = peace
    said = []
    for number in range(1, len(changes), 3 if fault == "full" else 6):
        path = tmp_path / str(number) / "run"
        path.parent.mkdir()
        codes = {"full": errno.ENOSPC, "read-only": errno.EROFS}
        act = failing(number, codes[fault]) if fault in codes else vanishing(number, path, to_file=fault == "a file")
        said.append(one_message(path, act))
        if path.is_file():
            path.unlink()
        session(TEXT, path, executor="inline")
        same_tables(path, whole)
    messages = [message for message in said if message]
    assert len(messages) > len(said) // 2
    assert all("run" in message for message in messages)


def test_a_report_that_cannot_be_written_is_one_message_and_made_by_the_next_session(peace, tmp_path):
    whole, _ = peace
    with at_each_change(shutil.copytree(whole, tmp_path / "run"), lambda number: None) as changes:
        session(TEXT, tmp_path / "run", executor="inline", analyse=True)
    assert is_reported(tmp_path / "run")
    report = [number for number, change in enumerate(changes) if "figures" in change or "verdicts" in change]
    assert len(report) == 6
    for number in report:
        path = Path(shutil.copytree(whole, tmp_path / str(number)))
        said = one_message(path, failing(number, errno.ENOSPC), analyse=True)
        assert str(path) in said, changes[number]
        assert not is_reported(path), changes[number]
        session(TEXT, path, executor="inline", analyse=True)
        assert is_reported(path), changes[number]


def is_reported(path):
    figure, verdicts = path / "figures" / "curves.txt", path / "verdicts" / "toy.parquet"
    return verdicts.exists() and figure.exists() and figure.read_text() == FIGURE


def test_no_cell_counts_as_failed_because_the_disk_is_full(peace, tmp_path):
    """It would be left alone by the next session."""
    _, changes = peace
    number = next(i for i, change in enumerate(changes) if change.startswith("open /solutions"))
    with (
        at_each_change(tmp_path / "run", failing(number, errno.ENOSPC)),
        pytest.raises(StoreError, match="No space left"),
    ):
        session(TEXT, tmp_path / "run", executor="inline")
    assert rows(tmp_path / "run").empty
    found = session(TEXT, tmp_path / "run", executor="inline")
    assert found.summary.counts == {"ok": 3}


@pytest.mark.parametrize("where", ["cells", "measurements", "logs", "solutions", "checkpoints", ".tmp", "run.json"])
def test_a_file_or_folder_in_the_way_is_named(where, tmp_path):
    path = tmp_path / "run"
    session(TEXT, path, executor="inline")
    more = study(subject=[subject(widths=[4, 16, 64])])
    target = path / where
    shutil.rmtree(target, ignore_errors=True)
    if where == "run.json":
        target.unlink()
        target.mkdir()
    else:
        target.write_text("in the way")
    with pytest.raises(NtkbenchError) as caught:
        session(more, path, executor="inline")
    assert where in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_worker_whose_disk_is_full_ends_the_run(tmp_path):
    """Files of at most 10 kB: a real write that stops midway, in a worker and in the runner."""
    path, toml = tmp_path / "run", tmp_path / "toy.toml"
    toml.write_text(as_toml(study(task=[{"name": "toy/line", "n_train": 40}])))
    limited = subprocess.run(
        command_line("run", toml, "--plugin", TOY, "--out", path, "--jobs", 1, "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert limited.returncode == 2, limited.stderr
    assert "cannot be written" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert rows(path).query("status == 'failed'").empty
    assert not any((path / "solutions").iterdir())


def test_the_command_line_says_it_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(as_toml(TEXT))
    command = ("run", "toy.toml", "--plugin", TOY, "--out", "run", "--executor", "inline", "--quiet")
    with at_each_change(Path("run"), failing(20, errno.ENOSPC)):
        done = invoke(*command)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith("cannot be written (No space left on device)")
    assert invoke(*command).exit_code == 0


def test_a_report_of_fewer_cells_does_not_outlive_them(tmp_path):
    """A run with a report is extended, and killed between its last cell and the new report."""
    path = tmp_path / "run"
    session(TEXT, path, executor="inline", analyse=True)
    assert is_reported(path)
    more = study(subject=[subject(widths=[4, 16, 64])])
    session(more, path, executor="inline")  # which makes no report
    assert not is_reported(path)
    found = session(more, path, executor="inline", analyse=True)
    assert not found.summary.counts
    assert is_reported(path)


def test_an_unfinished_solution_of_a_killed_process_is_swept_away(tmp_path):
    path = tmp_path / "run"
    session(TEXT, path, executor="inline")
    (path / "solutions" / ".tmp-abc").mkdir()
    (path / "solutions" / ".tmp-abc" / "times.npy").write_bytes(b"half")
    session(TEXT, path, executor="inline")
    assert [folder.name for folder in (path / "solutions").iterdir() if folder.name.startswith(".")] == []


def test_a_solution_that_is_lost_while_it_is_needed_is_named(tmp_path):
    path = tmp_path / "run"
    session(TEXT, path, executor="inline")
    (cell_id,) = (folder.name for folder in (path / "solutions").iterdir())
    assert has_solution(path / "solutions", cell_id)
    (path / "solutions" / cell_id / "times.npy").write_bytes(b"")
    assert not has_solution(path / "solutions", cell_id)
    with pytest.raises(StoreError, match=rf"{cell_id}: cannot be read"):
        load_solution(path / "solutions", cell_id)
