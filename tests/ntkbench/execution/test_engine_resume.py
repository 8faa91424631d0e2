"""Runs that are interrupted, killed, extended and repeated end with the numbers of a run left in peace."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest
from toy_runs import (
    LISTENER,
    TOY,
    alive,
    as_toml,
    children,
    command_line,
    compared,
    rows,
    session,
    study,
    subject,
    wait_for,
)

from ntkbench.store.read import load

WIDTHS = list(range(1, 13))
SLOW = study(subject=[subject(widths=WIDTHS, seconds=0.02)])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("uninterrupted") / "run"
    session(SLOW, path, executor="inline")
    return compared(path)


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """Return a file; while it is there, networks at least as wide as the number in it do not end."""
    path = tmp_path / "hold"
    monkeypatch.setenv("TOY_HOLD", str(path))
    return path


def assert_same(found, expected):
    for name, frame in expected.items():
        assert len(frame)
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True)


@pytest.mark.parametrize("jobs", [2, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_tables_do_not_depend_on_jobs_or_executor(uninterrupted, tmp_path, jobs):
    session(SLOW, tmp_path / "run", jobs=jobs)
    assert_same(compared(tmp_path / "run"), uninterrupted)


def start(folder):
    """Start the slow study by the command line, in a process group of its own.

    It listens to Ctrl-C even if these tests were started in the background, where a shell has it ignored.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    toml = folder / "slow.toml"
    toml.write_text(as_toml(SLOW))
    log = (folder / "output").open("w")
    with log:
        return subprocess.Popen(
            command_line("run", toml, "--plugin", TOY, "--out", folder / "run", "--jobs", 2, "-v"),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def committed(folder):
    return len(list((folder / "run" / "cells").glob("*.parquet")))


def stopped(process, *, number):
    """Send a signal to a run with workers; return its exit code and those workers once they are all gone."""
    workers = children(process.pid)
    process.send_signal(number)
    process.wait(timeout=240)
    wait_for(lambda: not any(alive(worker) for worker in workers))
    return process.returncode, workers


def test_ctrl_c_leaves_a_run_that_goes_on(uninterrupted, hold, tmp_path):
    hold.write_text("4")
    process = start(tmp_path)
    wait_for(lambda: committed(tmp_path) == 4 and len(children(process.pid)) == 2)
    code, workers = stopped(process, number=signal.SIGINT)
    output = (tmp_path / "output").read_text()
    assert len(workers) == 2
    assert code == 130
    assert "Interrupted. Rerun the command to continue." in output
    assert "Traceback" not in output

    cells = rows(tmp_path / "run")
    interrupted = cells[cells["status"] == "interrupted"]
    assert sorted(interrupted["width"]) == [4, 5]
    assert set(interrupted["reason"]) == {"stopped by the user"}
    assert not (tmp_path / "run" / ".tmp").exists()

    hold.unlink()
    session(tmp_path / "slow.toml", tmp_path / "run", executor="inline")
    assert_same(compared(tmp_path / "run"), uninterrupted)
    again = rows(tmp_path / "run").set_index("cell_id")
    assert (again.loc[interrupted["cell_id"], "attempt"] == 2).all()
    untouched = cells[cells["status"] == "ok"].set_index("cell_id")
    pd.testing.assert_series_equal(again.loc[untouched.index, "started_at"], untouched["started_at"], check_exact=True)


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.exhaustive)])
def test_a_run_killed_again_and_again_ends_with_the_same_numbers(kills, uninterrupted, hold, tmp_path, session_seed):
    """It is killed at instants that no one chose, but never finished before: the widest network waits."""
    instants = random.Random(session_seed)
    hold.write_text("12")
    for _ in range(kills):
        before = committed(tmp_path)
        process = start(tmp_path)
        wait_for(lambda: committed(tmp_path) > before or (before >= len(WIDTHS) - 1 and children(process.pid)))  # noqa: B023
        time.sleep(instants.uniform(0, 0.3))
        assert process.poll() is None, (tmp_path / "output").read_text()
        code, _ = stopped(process, number=signal.SIGKILL)
        assert code == -signal.SIGKILL

    hold.unlink()
    session(tmp_path / "slow.toml", tmp_path / "run")
    assert_same(compared(tmp_path / "run"), uninterrupted)
    cells = rows(tmp_path / "run")
    assert (cells["status"] == "ok").all()
    assert not (tmp_path / "run" / ".tmp").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_with_their_runner_even_in_a_cell_that_hangs(number, hold, tmp_path):
    hold.write_text("1")
    process = start(tmp_path)
    wait_for(lambda: committed(tmp_path) == 1 and len(children(process.pid)) == 2)
    code, workers = stopped(process, number=number)
    assert code == -number
    assert len(workers) == 2


def test_a_worker_killed_from_outside_costs_one_cell(hold, tmp_path):
    hold.write_text("4")
    before = set(children(os.getpid()))

    def kill():
        wait_for(lambda: committed(tmp_path) == 4)
        workers = set(children(os.getpid())) - before
        os.kill(min(workers), signal.SIGKILL)
        hold.unlink()

    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill)
        session(SLOW, tmp_path / "run")
        killed.result()
    status = rows(tmp_path / "run")["status"].value_counts()
    assert status.to_dict() == {"ok": len(WIDTHS), "crashed": 1}


@pytest.fixture
def half_failed(tmp_path):
    """A run with two failures: one network raises, one never converges."""
    text = study(subject=[subject(behave="raise", at_width=16), subject("worse", behave="diverge", widths=[4])])
    session(text, tmp_path / "run", executor="inline")
    return text, tmp_path / "run"


def test_failures_are_left_alone(half_failed):
    text, path = half_failed
    before = rows(path)
    found = session(text, path, executor="inline")
    assert not found.summary.counts
    assert (found.summary.kept, found.summary.kept_failures, found.summary.failures) == (3, 2, 2)
    assert {status for _, status, _ in found.summary.problems} == {"failed", "diverged"}
    pd.testing.assert_frame_equal(rows(path), before)


def test_rerun_failed_counts_attempts_and_keeps_logs(half_failed):
    text, path = half_failed
    for attempt in (2, 3):
        session(text, path, executor="inline", rerun_failed=True)
        cells = rows(path)
        failed = cells[cells["status"] != "ok"]
        assert failed["attempt"].tolist() == [attempt] * 2
        assert (cells[cells["status"] == "ok"]["attempt"] == 1).all()
    cell_id = cells[cells["status"] == "failed"]["cell_id"].item()
    logs = sorted(file.name for file in (path / "logs").glob(f"{cell_id}*"))
    assert logs == [f"{cell_id}.{attempt}.txt" for attempt in (1, 2, 3)]


def test_rerun_failed_of_a_mended_backend_replaces_the_failure(half_failed, monkeypatch):
    """The very same cells, once their backend does better: an attempt 2 that is ok, with numbers."""
    import toy

    text, path = half_failed
    monkeypatch.setattr(toy, "_misbehave", lambda how: None)
    found = session(text, path, executor="inline", rerun_failed=True)
    assert found.summary.counts == {"ok": 1, "diverged": 1}
    cells = rows(path)
    mended = cells[(cells["width"] == 16)].iloc[0]
    assert (mended["status"], mended["attempt"]) == ("ok", 2)
    measured = rows(path, "measurements")
    assert (measured[measured["cell_id"] == mended["cell_id"]]["attempt"] == 2).all()


def test_a_mended_reference_lets_its_subjects_run(tmp_path, monkeypatch):
    import toy

    text = study(reference=[{"label": "ntk", "backend": "toy-kernel", "fail": True}])
    session(text, tmp_path / "run", executor="inline")
    solve = toy.solve_kernel
    fields = {"fail": False}

    def mended(request):
        return solve(replace(request, parameters=request.parameters.model_copy(update=fields)))

    monkeypatch.setattr(toy, "solve_kernel", mended)
    left = session(text, tmp_path / "run", executor="inline")
    assert left.summary.counts == {"skipped": 3}
    assert (rows(tmp_path / "run")["attempt"] == 1).all()  # the same skip is not written again
    found = session(text, tmp_path / "run", executor="inline", rerun_failed=True)
    assert found.summary.counts == {"ok": 4}
    assert (rows(tmp_path / "run")["attempt"] == 2).all()


def test_a_finished_run_does_nothing_and_keeps_its_files(tmp_path):
    text = study()
    session(text, tmp_path / "run", executor="inline")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    found = session(text, tmp_path / "run")
    assert (found.summary.kept, sum(found.summary.counts.values())) == (4, 0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before


def notes(path):
    return path.read_text().split("\n")[:-1]


def counted(path, **changes):
    """A study whose every solve adds a line to a file."""
    log = {"log": str(path)}
    return study(reference=[{"label": "ntk", "backend": "toy-kernel", **log}], subject=[subject(**log, **changes)])


def solved(path):
    return sorted(line for line in notes(path) if not line.startswith("start"))


def test_a_kernel_is_solved_once_and_more_widths_reuse_all(tmp_path):
    log = tmp_path / "log"
    session(counted(log), tmp_path / "run")
    assert solved(log) == ["kernel", "network 16", "network 4", "network 64"]
    log.unlink()
    found = session(counted(log, widths=[4, 16, 64, 256]), tmp_path / "run")
    assert solved(log) == ["network 256"]
    assert found.summary.kept == 4
    assert load(tmp_path / "run").runs[0]["resolved"]["subject"][0]["widths"] == [4, 16, 64, 256]


@pytest.mark.parametrize("loss", ["all", "one array", "the index"])
def test_solutions_may_be_deleted(tmp_path, loss):
    """They are computed again when a new subject needs them, and no row of the reference changes."""
    log, path = tmp_path / "log", tmp_path / "run"
    session(counted(log), path, executor="inline")
    reference = rows(path).query("role == 'reference'").reset_index(drop=True)
    solutions = path / "solutions"
    folder = solutions / reference["cell_id"].item()
    if loss == "all":
        shutil.rmtree(solutions)
    else:
        (folder / ("eigenvalues.npy" if loss == "one array" else "solution.json")).unlink()
    log.unlink()

    session(counted(log), path, executor="inline")
    assert not log.exists()  # nothing needs it
    found = session(counted(log, widths=[4, 16, 64, 256]), path, executor="inline")
    assert solved(log) == ["kernel", "network 256"]
    assert found.summary.counts == {"ok": 1}
    pd.testing.assert_frame_equal(rows(path).query("role == 'reference'").reset_index(drop=True), reference)
    assert (folder / "eigenvalues.npy").exists()

    fresh = tmp_path / "fresh"
    session(counted(log, widths=[4, 16, 64, 256]), fresh, executor="inline")
    expected = compared(fresh)
    found = compared(path)
    for table in ("measurements", "predictions"):
        columns = [name for name in expected[table] if name != "run_id"]
        pd.testing.assert_frame_equal(found[table][columns], expected[table][columns], check_exact=True)


def test_a_solution_that_cannot_be_recomputed_is_said(tmp_path, monkeypatch):
    import toy

    path = tmp_path / "run"
    session(study(), path, executor="inline")
    shutil.rmtree(path / "solutions")

    def broken(request):
        raise RuntimeError("gone for good")

    monkeypatch.setattr(toy, "solve_kernel", broken)
    found = session(study(subject=[subject(widths=[4, 16, 64, 256])]), path, executor="inline")
    assert found.summary.counts == {"skipped": 1}
    reasons = [reason for _, _, reason in found.summary.problems]
    assert "recomputed for the cache: RuntimeError: gone for good" in reasons
    cells = rows(path)
    assert cells[cells["role"] == "reference"]["status"].item() == "ok"
    skipped = cells[cells["status"] == "skipped"]["reason"].item()
    assert skipped == 'reference "ntk" ended as failed: RuntimeError: gone for good'


def test_hooks_hear_of_every_cell(tmp_path, monkeypatch):
    log = tmp_path / "heard"
    monkeypatch.setenv("LISTENER_LOG", str(log))
    found = session(study(), tmp_path / "run", plugins=(str(TOY), str(LISTENER)))
    heard = [json.loads(line) for line in notes(log)]
    asked = [line["cell_id"] for line in heard if line["hook"] == "skip_cell"]
    assert sorted(asked) == sorted(cell.cell_id for cell in found.plan.cells)

    told = {line["cell_id"]: line for line in heard if line["hook"] == "cell_finished"}
    cells = rows(found).set_index("cell_id")
    assert {key: line["status"] for key, line in told.items()} == cells["status"].to_dict()
    skipped = cells[cells["status"] == "skipped"]
    assert skipped[["width", "reason"]].values.tolist() == [[16, "width 16 is unlucky"]]
    for table in ("measurements", "predictions", "spectra"):
        counts = rows(found, table)["cell_id"].value_counts().to_dict()
        assert {key: line["tables"][table] for key, line in told.items() if table in line["tables"]} == counts
    environment = load(found.path).runs[0]["environments"].values()
    assert [facts["plugins"]["listener"] for facts in environment] == ["hears all"]


def test_a_listener_that_fails_does_not_end_the_run(tmp_path):
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        "import ntkbench\n@ntkbench.hookimpl\ndef ntkbench_cell_finished(cell, outcome):\n    raise OSError('deaf')\n"
    )
    with pytest.warns(UserWarning, match=r"ntkbench_cell_finished failed: OSError: deaf"):
        found = session(study(), tmp_path / "run", plugins=(str(TOY), str(deaf)))
    assert found.summary.counts == {"ok": 4}
