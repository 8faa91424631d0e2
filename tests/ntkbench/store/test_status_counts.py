"""Counts of how cells ended: noted by a session, and read from the tables where these have changed since."""

import json

import pytest
from toy_runs import invoke, session, study, subject

from ntkbench.store import status_counts as counts
from ntkbench.store.status_counts import COUNTS, status_counts

TEXT = study(subject=[subject(behave="raise", at_width=16)])
ENDED = {"ok": 3, "failed": 1}


@pytest.fixture
def run(tmp_path):
    session(TEXT, tmp_path / "run", executor="inline")
    return tmp_path / "run"


@pytest.fixture
def no_tables(monkeypatch):
    """Reading any table is an error."""
    monkeypatch.setattr(counts, "CommittedRows", None)


def test_a_session_notes_them(run, no_tables):
    assert status_counts(run) == ENDED
    (line,) = json.loads(invoke("results", "list", run, "--json").stdout)
    assert line["cells"] == "3 ok, 1 failed"


def test_they_follow_reruns_extensions_and_compaction(run, no_tables, monkeypatch):
    import toy

    monkeypatch.setattr(toy, "_misbehave", lambda how: None)
    session(TEXT, run, executor="inline", rerun_failed=True)
    assert status_counts(run) == {"ok": 4}
    more = study(subject=[subject(behave="raise", at_width=16, widths=[4, 16, 64, 128])])
    session(more, run, executor="inline")
    assert status_counts(run) == {"ok": 5}
    assert invoke("results", "compact", run).exit_code == 0
    assert status_counts(run) == {"ok": 5}


@pytest.mark.parametrize("loss", ["a cell", "the note", "half of the note", "a number in the note"])
def test_they_are_read_where_the_note_is_of_other_files(run, loss):
    if loss == "a cell":
        sorted((run / "cells").iterdir())[0].unlink()
    elif loss == "the note":
        (run / COUNTS).unlink()
    else:
        text = (run / COUNTS).read_text()
        (run / COUNTS).write_text(text[:20] if loss == "half of the note" else text.replace("3", "4", 1))
    assert sum(status_counts(run).values()) == (3 if loss == "a cell" else 4)


def test_a_damaged_cell_is_named(run):
    file = sorted((run / "cells").iterdir())[0]
    file.write_bytes(file.read_bytes()[:-1])
    (line,) = json.loads(invoke("results", "list", run, "--json").stdout)
    assert str(file) in line["cells"]


def test_fresh_discards_them(run):
    session(study(seed=3), run, executor="inline", fresh=True)
    assert status_counts(run) == {"ok": 4}
