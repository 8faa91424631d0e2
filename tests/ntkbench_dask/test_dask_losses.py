"""What a lost worker, scheduler or runner costs: the time of its cells, and nothing else."""

import os
import signal
import subprocess
import threading

import pandas as pd
import pytest
from dask_cluster import dask_processes, kill
from toy_runs import TOY, alive, as_toml, children, command_line, compared, rows, session, study, subject, wait_for

from ntkbench.errors import NtkbenchError

WIDTHS = [4, 5, 6, 7]
SLOW = study(subject=[subject(widths=WIDTHS, seconds=1.0)])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return compared(session(SLOW, tmp_path_factory.mktemp("inline") / "run", executor="inline").path)


def assert_equal(found, expected):
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)


def options(cluster, **others):
    return {"executor": "dask", "executor_options": {"scheduler": cluster.address, **others}}


def finished_cells(run):
    return len(list(run.glob("cells/*.parquet")))


def busy(worker):
    """Return whether a worker has a process for cells."""
    return bool(children(worker.pid))


def later(condition, act):
    """Do something in another thread once a condition holds; return the thread."""

    def work():
        wait_for(condition, 60.0)
        act()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_cells_of_a_killed_worker_run_elsewhere(tmp_path, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=2) as cluster:
        first = cluster.workers[0]
        thread = later(lambda: finished_cells(run) >= 1 and busy(first), lambda: kill(first))
        done = session(SLOW, run, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 5}
    assert_equal(compared(run), undisturbed)
    attempts = rows(run).set_index("cell_id")["attempt"]
    assert attempts.max() == 2  # that of the cell that was lost
    for table in ("measurements", "predictions", "spectra"):  # in all of its tables
        frame = rows(run, table)
        assert (frame["attempt"].to_numpy() == attempts[frame["cell_id"]].to_numpy()).all()


def test_when_all_workers_are_killed_the_run_waits_for_new_ones(tmp_path, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        only = cluster.workers[0]

        def replace():
            kill(only)
            cluster.add_worker()

        thread = later(lambda: finished_cells(run) >= 2, replace)
        done = session(SLOW, run, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 5}
    assert_equal(compared(run), undisturbed)


def test_without_any_worker_the_run_ends_and_can_be_resumed(tmp_path, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: finished_cells(run) >= 2, lambda: kill(cluster.workers[0]))
        with pytest.raises(NtkbenchError, match=r"no worker of the Dask cluster at .* can run cells, after 1 s"):
            session(SLOW, run, **options(cluster, wait=1.0))
        thread.join()
    assert "interrupted" in set(rows(run)["status"])
    session(SLOW, run, executor="inline")
    assert_equal(compared(run), undisturbed)


def test_a_lost_scheduler_ends_the_run_with_one_message(tmp_path, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: finished_cells(run) >= 2, lambda: kill(cluster.scheduler))
        with pytest.raises(NtkbenchError, match=r"the Dask scheduler at tcp://127.* was lost; rerun the command"):
            session(SLOW, run, **options(cluster))
        thread.join()
    session(SLOW, run, executor="inline")
    assert_equal(compared(run), undisturbed)


def test_processes_of_cells_end_when_the_runner_is_killed(tmp_path, undisturbed):
    """And the cluster serves the next runner."""
    run, toml = tmp_path / "run", tmp_path / "slow.toml"
    toml.write_text(as_toml(SLOW))
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        (worker,) = cluster.workers
        command = command_line(
            "run", toml, "--plugin", TOY, "--out", run, "--executor", "dask", "--scheduler", cluster.address
        )
        runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: finished_cells(run) >= 2 and busy(worker))
        solving = children(worker.pid)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
        wait_for(lambda: not any(map(alive, solving)))
        session(SLOW, run, **options(cluster))
    assert_equal(compared(run), undisturbed)


def test_a_solution_of_an_earlier_session_that_is_lost_is_sent_again(tmp_path, undisturbed):
    """Dask cannot compute it again: it was sent to the only worker, which dies while a cell reads it."""
    run = tmp_path / "run"
    session(study(subject=[subject(widths=[4], seconds=1.0)]), run, executor="inline")
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        only = cluster.workers[0]

        def replace():
            kill(only)
            cluster.add_worker()

        thread = later(lambda: finished_cells(run) >= 3, replace)
        done = session(SLOW, run, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 3}
    for name, frame in undisturbed.items():
        pd.testing.assert_frame_equal(compared(run)[name].drop(columns="run_id"), frame.drop(columns="run_id"))


def test_without_a_worker_that_sees_a_gpu_cells_of_one_do_not_wait_for_ever(tmp_path):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(CUDA_VISIBLE_DEVICES="")
        with pytest.raises(NtkbenchError, match=r"can run cells, after 1 s: none sees a GPU"):
            session(SLOW, tmp_path / "run", device="cuda", **options(cluster, wait=1.0))


def test_a_cell_that_fits_no_worker_any_more_gets_the_largest(tmp_path):
    """Two threads are asked for, and the worker that had them dies."""
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1, threads=2) as cluster:
        only = cluster.workers[0]

        def replace():
            cluster.add_worker(threads=1)
            kill(only)

        thread = later(lambda: finished_cells(run) >= 2, replace)
        assert session(SLOW, run, threads=2, **options(cluster)).summary.counts == {"ok": 5}
        thread.join()


def test_a_finished_run_needs_no_cluster(tmp_path):
    session(study(), tmp_path / "run", executor="inline")
    nowhere = {"scheduler": "tcp://127.0.0.1:1"}
    assert session(study(), tmp_path / "run", executor="dask", executor_options=nowhere).summary.kept == 4


def test_a_worker_without_ntkbench_joins_and_gets_no_cells(tmp_path, undisturbed):
    """What prepares workers is not registered with the cluster, where it would keep others from starting."""
    (tmp_path / "broken" / "ntkbench").mkdir(parents=True)
    (tmp_path / "broken" / "ntkbench" / "__init__.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: finished_cells(tmp_path / "run") >= 1, lambda: cluster.add_worker(PYTHONPATH=path))
        with pytest.warns(UserWarning, match=r"gets no cells: it cannot load ntkbench \(ImportError\('not here'\)\)"):
            done = session(SLOW, tmp_path / "run", **options(cluster))
        thread.join()
        assert cluster.workers[1].poll() is None
    assert_equal(compared(done.path), undisturbed)


def test_a_worker_that_joins_late_gets_cells(tmp_path):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: finished_cells(run) >= 1, cluster.add_worker)
        second = later(lambda: len(cluster.workers) == 2 and busy(cluster.workers[1]), lambda: None)
        many = study(subject=[subject(widths=list(range(4, 16)), seconds=1.0)])
        assert session(many, run, **options(cluster)).summary.counts == {"ok": 13}
        thread.join()
        second.join()


@pytest.fixture
def other_numpy(tmp_path):
    """Return the environment of a worker whose numpy calls itself 0.1."""
    metadata = tmp_path / "old" / "numpy-0.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    return {"PYTHONPATH": os.pathsep.join([str(metadata.parents[1]), os.environ.get("PYTHONPATH", "")])}


def test_a_worker_with_other_software_gets_no_cells(tmp_path, other_numpy, undisturbed):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(**other_numpy)
        with (
            pytest.warns(UserWarning, match=r"gets no cells: its software differs: numpy .* here, 0\.1 there"),
            pytest.raises(NtkbenchError, match=r"(?s)can run cells.*software differs: numpy .* here, 0\.1 there"),
        ):
            session(SLOW, tmp_path / "none", **options(cluster, wait=1.0))
        cluster.add_worker()
        with pytest.warns(UserWarning, match="gets no cells"):
            done = session(SLOW, tmp_path / "run", **options(cluster))
        assert not busy(cluster.workers[0])
        assert_equal(compared(done.path), undisturbed)


def test_other_software_can_be_allowed(tmp_path, other_numpy, undisturbed):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(**other_numpy)
        with pytest.warns(UserWarning, match="gets cells although its software differs: numpy"):
            done = session(SLOW, tmp_path / "run", **options(cluster, any_software=True))
    assert_equal(compared(done.path), undisturbed)


def test_a_worker_without_the_data_or_with_others_fails_their_cells(tmp_path, monkeypatch):
    table = "x,y\n" + "".join(f"{x},{x * x}\n" for x in range(12))
    (tmp_path / "data.csv").write_text(table)
    monkeypatch.chdir(tmp_path)
    task = [{"name": "file/table", "path": "data.csv", "target": "y", "n_train": 8}]
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        done = session(study(task=task), tmp_path / "run", **options(cluster))
        assert done.summary.counts["failed"] == 1
        (reason,) = rows(done).query("status == 'failed'")["reason"]
        assert "data.csv" in reason
        (tmp_path / "cluster" / "data.csv").write_text(table.replace("11,121", "11,122"))
        done = session(study(task=task), tmp_path / "run", rerun_failed=True, **options(cluster))
        (reason,) = rows(done).query("status == 'failed'")["reason"]
        assert "are not those that were planned with" in reason


def test_ctrl_c_ends_all_processes_and_the_run_can_be_resumed(tmp_path, undisturbed):
    run, toml = tmp_path / "run", tmp_path / "slow.toml"
    toml.write_text(as_toml(SLOW))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # these tests run in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command = command_line("run", toml, "--plugin", TOY, "--out", run, "--executor", "dask", "--jobs", 2)
    with (tmp_path / "output").open("w") as output:
        runner = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    wait_for(lambda: finished_cells(run) >= 2 and len(children(runner.pid)) == 2)
    solving = children(runner.pid)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=60) == 130
    wait_for(lambda: not any(map(alive, solving)))
    said = (tmp_path / "output").read_text()
    assert "Interrupted. Rerun the command to continue." in said
    assert "Traceback" not in said
    assert set(rows(run)["status"]) == {"ok", "interrupted"}
    session(SLOW, run, executor="dask")
    assert_equal(compared(run), undisturbed)


def test_fail_fast_stops_the_others(tmp_path):
    subjects = [subject("bad", behave="raise", widths=[4]), subject("slow", widths=[5, 6, 7], seconds=3.0)]
    with dask_processes(tmp_path / "cluster", workers=1, threads=2) as cluster:
        done = session(study(subject=subjects), tmp_path / "run", fail_fast=True, **options(cluster))
        wait_for(lambda: not busy(cluster.workers[0]))
    assert done.summary.counts["failed"] == 1
    assert set(rows(done)["status"]) <= {"ok", "failed", "interrupted"}
    assert (rows(done)["label"] == "slow").sum() <= 2  # one that had not started left no row
