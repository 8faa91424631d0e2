"""Networks that crash, hang, raise and return rubbish in real processes: each becomes a row, and the run goes on."""

import itertools
import json
import signal
import time

import numpy as np
import pytest
from toy_runs import TOY, as_toml, invoke, rows, session, study, subject

from ntkbench.errors import NtkbenchError
from ntkbench.execution import process_pool

FAULTS = (
    "well",
    "raise",
    "segfault",
    "exit",
    "kill",
    "memory",
    "unavailable",
    "surrogate",
    "diverge",
    "diverge-one",
    "shape",
    "nothing",
    "word",
    "fact",
    "stranger",
    "print",
)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """One run with a subject for every fault, two hidden layers and two outputs."""
    subjects = [subject(fault, behave=fault, widths=[4]) for fault in FAULTS]
    text = study(
        name="faults", subject=subjects, architecture=[{"depth": 2}], task=[{"name": "toy/line", "outputs": 2}]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_pool, "_oom_kills", lambda: 0)  # whatever the machine is short of
        return session(text, tmp_path_factory.mktemp("faults") / "run")


@pytest.fixture(scope="module")
def cells(faulty):
    found = rows(faulty).set_index("label")
    return found.astype(object).where(found.notna(), None)


EXPECTED = {
    "well": ("ok", None, None),
    "raise": ("failed", "ValueError", "the toy network fails on request"),
    "segfault": ("crashed", None, "SIGSEGV (signal 11)"),
    "exit": ("crashed", None, "exited with code 3"),
    "kill": ("crashed", None, "SIGKILL (signal 9)"),
    "memory": ("out_of_memory", "MemoryError", "no room on request"),
    "unavailable": ("failed", "UnavailableError", "the toy device is missing"),
    "surrogate": ("failed", "ValueError", r"no text: \udcff"),
    "diverge": ("diverged", None, "all 3 members diverged, the last by step 10"),
    "diverge-one": ("ok", None, "1 of 3 members diverged"),
    "shape": ("failed", "PluginError", "members_test has shape (3, 6, 2, 2), expected (3, 6, 3, 2)"),
    "nothing": ("failed", "PluginError", "returned NoneType, expected a Solution"),
    "word": ("failed", "PluginError", "\"ntk_distance_frobenius\" is 'far', expected a finite number"),
    "fact": ("failed", "TypeError", "'str' object cannot be interpreted as an integer"),
    "stranger": ("failed", "PluginError", "measurements name references ['stranger'], but this cell has ['ntk']"),
    "print": ("ok", None, None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_a_row_with_its_status_and_reason(cells, fault):
    status, exception, reason = EXPECTED[fault]
    row = cells.loc[fault]
    assert row["status"] == status
    assert row["exception_type"] == exception
    assert (reason in row["reason"]) if reason else row["reason"] is None
    assert row["attempt"] == 1


def test_there_is_one_row_for_every_cell(cells, faulty):
    """Also where there are several layers and outputs: they are lists inside one row."""
    assert sorted(cells.index) == sorted([*FAULTS, "ntk"])
    assert cells.loc["well", "widths"].tolist() == [4, 4]
    assert cells.loc["well", "target_scale"].tolist() == [1.0, 1.0]
    assert cells.loc["segfault", "widths"].tolist() == [4, 4]


def test_signals_are_recorded(cells):
    assert cells.loc["segfault", "exit_signal"] == signal.SIGSEGV
    assert cells.loc["kill", "exit_signal"] == signal.SIGKILL
    assert cells.drop(["segfault", "kill"])["exit_signal"].isna().all()


def test_a_cell_is_timed_from_when_its_worker_was_ready(tmp_path):
    """Workers start more slowly than a cell may take, and no cell pays for it."""
    start, timeout = 1.5, 1.0
    slow = tmp_path / "slow_to_start.py"
    slow.write_text(f"import sys, time\ntime.sleep({start} * sys.argv[0].endswith('worker_process.py'))\n")
    fast, both = (study(subject=[subject(behave="sleep", at_width=4, widths=widths)]) for widths in ([16], [16, 4]))
    session(fast, tmp_path / "run", executor="inline")  # the reference and one network, without haste
    began = time.monotonic()
    session(both, tmp_path / "run", plugins=(str(TOY), str(slow)), timeout=timeout)
    elapsed = time.monotonic() - began
    cells = rows(tmp_path / "run")
    cell = cells[cells["width"] == 4].iloc[0]
    assert (cell["status"], cell["reason"]) == ("timeout", "still running after --timeout 1 s")
    assert timeout <= cell["wall_seconds"] <= elapsed - start
    assert "before the sleep" in (tmp_path / "run" / "logs" / f"{cell['cell_id']}.1.txt").read_text()


@pytest.mark.parametrize(("step", "status"), [(1, "out_of_memory"), (0, "crashed")])
def test_a_killed_worker_was_out_of_memory_if_the_kernel_killed_for_it_meanwhile(step, status, tmp_path, monkeypatch):
    counts = itertools.count(7, step)
    monkeypatch.setattr(process_pool, "_oom_kills", lambda: next(counts))
    found = session(study(subject=[subject(behave="kill", widths=[4])]), tmp_path / "run", jobs=1)
    assert found.summary.counts == {"ok": 1, status: 1}


def test_kills_are_those_of_the_own_control_group_where_it_counts_them(tmp_path, monkeypatch):
    monkeypatch.setattr(process_pool, "_PROC", tmp_path)
    monkeypatch.setattr(process_pool, "_GROUPS", tmp_path / "groups")
    assert process_pool._oom_kills() == 0
    (tmp_path / "vmstat").write_text("nr_free_pages 5\noom_kill 11\n")
    assert process_pool._oom_kills() == 11
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("4:memory:/a\n3:cpu:/\n0::/a/b\n")
    assert process_pool._oom_kills() == 11
    for folder, file, count in (
        ("memory/a", "memory.oom_control", 4),  # version 1
        ("", "memory.events", 3),  # version 2, its group seen as the root
        ("a/b", "memory.events", 2),
    ):
        (tmp_path / "groups" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / folder / file).write_text(f"oom 9\noom_kill {count}\n")
        assert process_pool._oom_kills() == count


def log_of(faulty, cells, label):
    path = faulty.path / "logs" / f"{cells.loc[label, 'cell_id']}.1.txt"
    return path.read_text() if path.exists() else None


def test_logs_hold_what_was_printed_and_tracebacks(cells, faulty):
    printed = log_of(faulty, cells, "print")
    assert all(text in printed for text in ("a word on stdout", "a word on stderr", "a warning"))
    assert "Traceback" in log_of(faulty, cells, "raise") and "in _misbehave" in log_of(faulty, cells, "raise")
    assert "Fatal Python error: Segmentation fault" in log_of(faulty, cells, "segfault")
    assert log_of(faulty, cells, "well") is None
    assert log_of(faulty, cells, "unavailable") is None  # a mistake the user can mend needs no traceback


def test_logs_hold_no_word_of_other_cells(cells, faulty):
    for path in (faulty.path / "logs").iterdir():
        mine = path.name.startswith(cells.loc["print", "cell_id"])
        assert ("a word on stdout" in path.read_text()) == mine


def test_failed_cells_leave_no_numbers(cells, faulty):
    with_numbers = set(rows(faulty, "measurements")["cell_id"])
    finished = cells[cells["status"].isin(["ok", "diverged"])]["cell_id"]
    assert with_numbers == set(finished)


def test_the_others_are_as_if_nothing_had_happened(cells, faulty, tmp_path):
    """The cell that behaved has the numbers it has in a run of its own."""
    alone = study(
        name="faults",
        subject=[subject("well", behave="well", widths=[4])],
        architecture=[{"depth": 2}],
        task=[{"name": "toy/line", "outputs": 2}],
    )
    other = rows(session(alone, tmp_path / "run", executor="inline"), "measurements")
    here = rows(faulty, "measurements")
    mine = [frame[frame["cell_id"] == cells.loc["well", "cell_id"]]["value"].to_numpy() for frame in (here, other)]
    assert len(mine[0]) > 0
    np.testing.assert_array_equal(*mine)


def test_a_member_that_diverged_counts_as_diverged_not_as_failed(cells, faulty):
    found = rows(faulty, "measurements")
    mine = found[(found["cell_id"] == cells.loc["diverge-one", "cell_id"]) & (found["metric"] == "rmse")]
    last = mine[(mine["step"] == 10) & (mine["split"] == "test")]
    assert sorted(last["member"].dropna()) == [1, 2]
    assert last["member"].isna().sum() == 1  # the mean of the two that survive
    assert np.isfinite(mine["value"]).all()


def test_no_member_left_is_no_value_of_the_ensemble(cells, faulty):
    found = rows(faulty, "predictions")
    mine = found[found["cell_id"] == cells.loc["diverge", "cell_id"]]
    assert mine["member"].notna().all()


def test_the_summary_counts_failures(faulty):
    assert faulty.summary.counts == {
        "ok": 4,
        "failed": 8,
        "crashed": 3,
        "out_of_memory": 1,
        "diverged": 1,
    }
    assert faulty.summary.failures == 13
    assert not faulty.summary.interrupted


def test_failed_references_take_their_subjects_with_them(tmp_path):
    text = study(reference=[{"label": "ntk", "backend": "toy-kernel", "fail": True}])
    found = rows(session(text, tmp_path / "run"))
    assert found[found["role"] == "reference"]["status"].tolist() == ["failed"]
    subjects = found[found["role"] == "subject"]
    assert subjects["status"].tolist() == ["skipped"] * 3
    assert set(subjects["reason"]) == {'reference "ntk" ended as failed: RuntimeError: the toy kernel fails on request'}


def test_data_that_are_not_finite_are_named(tmp_path):
    found = rows(session(study(task=[{"name": "toy/line", "nan": True}]), tmp_path / "run", executor="inline"))
    reference = found[found["role"] == "reference"].iloc[0]
    assert (reference["status"], reference["exception_type"]) == ("failed", "DataError")
    assert reference["reason"] == "problem: x_train[1, 1] is nan; data must be finite"
    assert (found[found["role"] == "subject"]["status"] == "skipped").all()


@pytest.fixture
def inline(tmp_path, monkeypatch):
    """Return a function that runs the toy study by the command line, in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.toml").write_text(as_toml(study()))
    command = ("run", "toy.toml", "--plugin", TOY, "--out", "run", "--executor", "inline")
    return lambda *arguments: invoke(*command, *arguments)


def test_a_failed_cell_is_exit_code_1_and_named(inline):
    done = inline("--set", "subject.behave=raise", "--set", "subject.at_width=16")
    assert done.exit_code == 1
    assert "toy/line network width 16: failed: ValueError: the toy network fails on request" in done.stdout
    assert "ValueError: the toy network fails on request" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_fail_fast_stops_at_the_first_failure(tmp_path):
    subjects = [subject("first", behave="raise", widths=[4]), subject("later", widths=list(range(5, 30)))]
    found = session(study(subject=subjects), tmp_path / "run", jobs=1, fail_fast=True)
    assert found.summary.counts["failed"] == 1
    assert sum(found.summary.counts.values()) < 10
    again = session(study(subject=subjects), tmp_path / "run", jobs=1)
    assert again.summary.kept_failures == 1  # left alone
    assert sum(rows(again)["status"] == "ok") == 26


@pytest.mark.parametrize("deaths", [2, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_a_worker_killed_while_it_starts_is_replaced(tmp_path, deaths):
    plugin = tmp_path / f"fragile_{deaths}.py"  # a module of one name is loaded once
    plugin.write_text(
        "import os, pathlib, signal, sys\n"
        "if sys.argv[0].endswith('worker_process.py'):\n"
        f"    for name in range({deaths}):\n"
        "        try:\n"
        f"            pathlib.Path({str(tmp_path)!r}, str(name)).touch(exist_ok=False)\n"
        "        except FileExistsError:\n"
        "            continue\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    found = session(study(), tmp_path / "run", plugins=(str(TOY), str(plugin)), jobs=1)
    assert found.summary.counts == {"ok": 4}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdigit()) == ["0", "1"][:deaths]


def test_a_worker_that_cannot_start_ends_the_run_with_a_message(tmp_path):
    """A plugin that loads here but not in the worker: nothing else could run either."""
    plugin = tmp_path / "shy.py"
    plugin.write_text("import sys\nif sys.argv[0].endswith('worker_process.py'):\n    sys.exit(7)\n")
    with pytest.raises(NtkbenchError, match="a worker could not start, 3 times in a row"):
        session(study(), tmp_path / "run", plugins=(str(TOY), str(plugin)))
    found = rows(tmp_path / "run")
    assert (found["status"] == "interrupted").all()
    assert session(study(), tmp_path / "run").summary.counts["ok"] == 4


def test_inline_failures_are_rows_too(tmp_path):
    found = session(study(subject=[subject(behave="raise", at_width=16)]), tmp_path / "run", executor="inline")
    assert found.summary.counts == {"ok": 3, "failed": 1}
    row = rows(found).query("status == 'failed'").iloc[0]
    assert row["exception_message"] == "the toy network fails on request"
    assert "Traceback" in (found.path / "logs" / f"{row['cell_id']}.1.txt").read_text()


def test_all_cells_failing_still_ends_well(inline):
    done = inline("--set", "reference.fail=true", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["computed"] == {"failed": 1, "skipped": 3}
    assert "Traceback" not in done.stderr
    shown = invoke("results", "show", "run")
    assert shown.exit_code == 0
    assert "RuntimeError: the toy kernel fails on request" in shown.stdout
