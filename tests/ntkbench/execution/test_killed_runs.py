"""Runs killed by SIGKILL at chosen changes to their folder: each resumes to the tables of a run left in peace."""

import os
import signal
import warnings

import pandas as pd
import pytest
from file_faults import at_each_change
from toy_runs import compared, rows, session, study, subject

TEXT = study(subject=[subject(widths=[4, 16])])
STRIDE = 4


@pytest.fixture(scope="module")
def peace(tmp_path_factory):
    """The tables of a run that nobody kills, and the changes that it makes to its folder."""
    path = tmp_path_factory.mktemp("peace") / "run"
    with at_each_change(path, lambda number: None) as changes:
        session(TEXT, path, executor="inline")
    return compared(path), changes


def killed(path, number):
    """Run in a process of its own, which is killed before a change to the run's folder; return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the child starts none
        child = os.fork()
    if child == 0:
        try:
            with at_each_change(path, lambda now: os.kill(os.getpid(), signal.SIGKILL) if now == number else None):
                session(TEXT, path, executor="inline")
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def assert_as_in_peace(path, tables):
    for name, frame in compared(path).items():
        pd.testing.assert_frame_equal(frame, tables[name], check_exact=True)
    assert (rows(path)["status"] == "ok").all()
    left = [file.name for file in path.rglob("*") if file.name.startswith(".")]
    assert sorted(left) == [".counts.json", ".lock"]


def test_a_run_killed_at_a_change_to_its_folder_resumes(peace, tmp_path):
    tables, changes = peace
    for number in range(0, len(changes), STRIDE):
        path = tmp_path / str(number) / "run"
        path.parent.mkdir()
        assert killed(path, number) == -signal.SIGKILL, changes[number]
        session(TEXT, path, executor="inline")
        assert_as_in_peace(path, tables)


def test_the_unfinished_files_of_a_killed_worker_are_swept_away(peace, tmp_path):
    tables, changes = peace
    number = next(i for i, change in enumerate(changes) if "kernel_train.npy" in change)
    assert killed(tmp_path / "run", number) == -signal.SIGKILL
    assert any((tmp_path / "run" / "solutions").glob(".tmp-*"))
    session(TEXT, tmp_path / "run")
    assert_as_in_peace(tmp_path / "run", tables)
