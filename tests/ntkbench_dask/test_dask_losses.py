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


class Held:
    """A study whose networks wait until they are let go, and how many of them have started."""

    def __init__(self, hold, log) -> None:
        self._hold, self._log = hold, log
        self.study = self.of(WIDTHS)
        log.write_text("")
        hold.write_text(str(WIDTHS[0]))

    def of(self, widths):
        return study(subject=[subject(widths=widths, log=str(self._log))])

    def started(self):
        return self._log.read_text().count("start")

    def let_go(self):
        self._hold.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Return a file to which networks write that they have started: part of the study, so the same for all tests."""
    return tmp_path_factory.mktemp("log") / "started"


@pytest.fixture
def held(log, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_HOLD", str(tmp_path / "hold"))
    return Held(tmp_path / "hold", log)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, log):
    folder = tmp_path_factory.mktemp("inline")
    held = Held(folder / "hold", log)
    return compared(session(held.study, folder / "run", executor="inline").path)


@pytest.fixture(scope="module")
def on_one_machine(tmp_path_factory):
    return compared(session(study(), tmp_path_factory.mktemp("plain") / "run", executor="inline").path)


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


def test_cells_of_a_killed_worker_run_elsewhere(tmp_path, held, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=2) as cluster:

        def lose_one():
            kill(cluster.workers[0])
            held.let_go()

        thread = later(lambda: held.started() == 2, lose_one)
        done = session(held.study, run, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 5}
    assert_equal(compared(run), undisturbed)
    attempts = rows(run).set_index("cell_id")["attempt"]
    assert sorted(attempts) == [1, 1, 1, 1, 2]
    for table in ("measurements", "predictions", "spectra"):  # the attempt is that of the row in all tables
        frame = rows(run, table)
        assert (frame["attempt"].to_numpy() == attempts[frame["cell_id"]].to_numpy()).all()


def test_when_all_workers_are_killed_the_run_waits_for_new_ones(tmp_path, held, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:

        def replace():
            kill(cluster.workers[0])
            cluster.add_worker()
            held.let_go()

        thread = later(lambda: held.started() == 1, replace)
        done = session(held.study, run, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 5}
    assert_equal(compared(run), undisturbed)


def test_without_any_worker_the_run_ends_and_can_be_resumed(tmp_path, held, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: held.started() == 1, lambda: kill(cluster.workers[0]))
        with pytest.raises(NtkbenchError, match=r"no worker of the Dask cluster at .* can run cells, after 8 s"):
            session(held.study, run, **options(cluster, wait=8.0))
        thread.join()
    assert sorted(rows(run)["status"]) == ["interrupted", "ok"]
    held.let_go()
    session(held.study, run, executor="inline")
    assert_equal(compared(run), undisturbed)


def test_a_lost_scheduler_ends_the_run_with_one_message(tmp_path, held, undisturbed):
    run = tmp_path / "run"
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        thread = later(lambda: held.started() == 1, lambda: kill(cluster.scheduler))
        with pytest.raises(NtkbenchError, match=r"the Dask scheduler at tcp://127.* was lost; rerun the command"):
            session(held.study, run, **options(cluster))
        thread.join()
    assert sorted(rows(run)["status"]) == ["interrupted", "ok"]
    held.let_go()
    session(held.study, run, executor="inline")
    assert_equal(compared(run), undisturbed)


def command(held, folder, *arguments):
    """Start the study by the command line."""
    (folder / "held.toml").write_text(as_toml(held.study))
    words = ("run", folder / "held.toml", "--plugin", TOY, "--out", folder / "run", "--executor", "dask", *arguments)
    with (folder / "output").open("w") as output:
        return subprocess.Popen(command_line(*words), stdout=output, stderr=output, start_new_session=True)


def test_processes_of_cells_end_when_the_runner_is_killed(tmp_path, held, undisturbed):
    """And the cluster serves the next runner."""
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:
        runner = command(held, tmp_path, "--scheduler", cluster.address)
        wait_for(lambda: held.started() == 1)
        solving = children(cluster.workers[0].pid)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
        wait_for(lambda: not any(map(alive, solving)))
        held.let_go()
        session(held.study, tmp_path / "run", **options(cluster))
    assert_equal(compared(tmp_path / "run"), undisturbed)


@pytest.fixture
def listening_to_ctrl_c():
    """Let processes that are started here listen to Ctrl-C, which a shell has ignored for tests in the background."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening_to_ctrl_c")
def test_ctrl_c_ends_all_processes_and_the_run_can_be_resumed(tmp_path, held, undisturbed):
    runner = command(held, tmp_path, "--jobs", 2)
    wait_for(lambda: held.started() == 2)
    solving = children(runner.pid)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=60) == 130
    wait_for(lambda: not any(map(alive, solving)))
    said = (tmp_path / "output").read_text()
    assert "Interrupted. Rerun the command to continue." in said
    assert "Traceback" not in said
    assert sorted(rows(tmp_path / "run")["status"]) == ["interrupted", "interrupted", "ok"]
    held.let_go()
    session(held.study, tmp_path / "run", executor="dask")
    assert_equal(compared(tmp_path / "run"), undisturbed)


def test_a_solution_of_an_earlier_session_that_is_lost_is_sent_again(tmp_path, held, undisturbed):
    """Dask cannot compute it again: it was sent to the only worker, which dies while a cell reads it."""
    run = tmp_path / "run"
    session({**study(), "subject": []}, run, executor="inline")
    with dask_processes(tmp_path / "cluster", workers=1) as cluster:

        def replace():
            kill(cluster.workers[0])
            cluster.add_worker()
            held.let_go()

        thread = later(lambda: held.started() == 1, replace)
        done = session(held.study, run, **options(cluster))
        thread.join()
    assert (done.summary.kept, done.summary.counts) == (1, {"ok": 4})
    found = compared(run)
    assert_equal({name: found[name].drop(columns="run_id") for name in found}, without_run_id(undisturbed))


def without_run_id(tables):
    """Return tables without the name of the run: an extended run keeps that of its beginning in its first cells."""
    return {name: frame.drop(columns="run_id") for name, frame in tables.items()}


def test_a_cell_that_fits_no_worker_any_more_gets_the_largest(tmp_path, held):
    """Two threads are asked for, and the worker that had them dies."""
    with dask_processes(tmp_path / "cluster", workers=1, threads=2) as cluster:

        def replace():
            cluster.add_worker(threads=1)
            kill(cluster.workers[0])
            held.let_go()

        thread = later(lambda: held.started() == 1, replace)
        done = session(held.study, tmp_path / "run", threads=2, **options(cluster))
        thread.join()
    assert done.summary.counts == {"ok": 5}


def test_a_worker_without_ntkbench_stays_and_gets_no_cells(tmp_path):
    """What prepares workers is not registered with the cluster, where it would keep others from starting."""
    (tmp_path / "broken" / "ntkbench").mkdir(parents=True)
    (tmp_path / "broken" / "ntkbench" / "__init__.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(PYTHONPATH=path)
        with pytest.raises(NtkbenchError, match=r"it cannot load ntkbench \(ImportError\('not here'\)\)"):
            session(study(), tmp_path / "run", **options(cluster))
        assert cluster.workers[0].poll() is None


def test_without_a_worker_that_sees_a_gpu_cells_of_one_do_not_wait_for_ever(tmp_path):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(CUDA_VISIBLE_DEVICES="")
        with pytest.raises(NtkbenchError, match=r"can run cells: none sees a GPU"):
            session(study(), tmp_path / "run", device="cuda", **options(cluster))


def test_a_finished_run_needs_no_cluster(tmp_path):
    session(study(), tmp_path / "run", executor="inline")
    nowhere = {"scheduler": "tcp://127.0.0.1:1"}
    assert session(study(), tmp_path / "run", executor="dask", executor_options=nowhere).summary.kept == 4


@pytest.mark.exhaustive
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


def test_a_worker_with_other_software_gets_no_cells(tmp_path, other_numpy, on_one_machine):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(**other_numpy)
        with pytest.raises(NtkbenchError, match=r"(?s)can run cells.*software differs: numpy .* here, 0\.1 there"):
            session(study(), tmp_path / "none", **options(cluster))
        cluster.add_worker()
        with pytest.warns(UserWarning, match="gets no cells"):
            done = session(study(), tmp_path / "run", **options(cluster))
        assert not children(cluster.workers[0].pid)
        assert_equal(compared(done.path), on_one_machine)


@pytest.mark.exhaustive
def test_other_software_can_be_allowed(tmp_path, other_numpy, on_one_machine):
    with dask_processes(tmp_path / "cluster", workers=0) as cluster:
        cluster.add_worker(**other_numpy)
        with pytest.warns(UserWarning, match="gets cells although its software differs: numpy"):
            done = session(study(), tmp_path / "run", **options(cluster, any_software=True))
    assert_equal(compared(done.path), on_one_machine)


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


def test_fail_fast_stops_the_others(tmp_path):
    subjects = [subject("bad", behave="raise", widths=[4]), subject("slow", widths=[5, 6, 7], seconds=3.0)]
    with dask_processes(tmp_path / "cluster", workers=1, threads=2) as cluster:
        done = session(study(subject=subjects), tmp_path / "run", fail_fast=True, **options(cluster))
        wait_for(lambda: not busy(cluster.workers[0]))
    assert done.summary.counts["failed"] == 1
    assert set(rows(done)["status"]) <= {"ok", "failed", "interrupted"}
    assert (rows(done)["label"] == "slow").sum() <= 2  # one that had not started left no row
