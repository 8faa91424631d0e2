"""Runs on a Dask cluster: the same tables as on one machine, the same rows for cells that fail."""

import pandas as pd
import pytest
from dask_cluster import dask_processes
from toy_runs import compared, rows, session, study, subject

from ntkbench.errors import NtkbenchError, StudyError, UnknownNameError

FAULTS = {
    "well": ("ok", None),
    "raise": ("failed", "ValueError: the toy network fails on request"),
    "segfault": ("crashed", "its worker died of SIGSEGV (signal 11)"),
    "diverge": ("diverged", "all 3 members diverged, the last by step 10"),
    "sleep": ("timeout", "still running after --timeout 2 s"),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers with a thread each, and no files in common with the runner."""
    with dask_processes(tmp_path_factory.mktemp("cluster"), workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def on_one_machine(tmp_path_factory):
    return compared(session(study(), tmp_path_factory.mktemp("inline") / "run", executor="inline").path)


def assert_equal(found, expected):
    """Compare all tables. An extended run keeps the names that it was begun under in its first cells."""
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        assert len(frame)
        pd.testing.assert_frame_equal(found[name].drop(columns="run_id"), frame.drop(columns="run_id"))


def test_tables_are_those_of_one_machine(cluster, on_one_machine, tmp_path):
    done = session(study(), tmp_path / "run", executor="dask", executor_options={"scheduler": cluster.address})
    assert done.summary.counts == {"ok": 4}
    assert_equal(compared(done.path), on_one_machine)
    assert not any((done.path / "solutions").iterdir())  # they stayed with the workers


def test_a_cluster_in_the_own_process_needs_no_address(on_one_machine, tmp_path):
    done = session(study(), tmp_path / "run", executor="dask")
    assert_equal(compared(done.path), on_one_machine)
    assert len(list((done.path / "solutions").iterdir())) == 1  # for later sessions


def test_each_fault_is_the_row_that_it_is_on_one_machine(cluster, tmp_path):
    subjects = [subject(fault, behave=fault, widths=[4]) for fault in FAULTS]
    options = {"executor": "dask", "executor_options": {"scheduler": cluster.address}, "timeout": 2.0}
    done = session(study(subject=subjects), tmp_path / "run", **options)
    cells = rows(done).set_index("label")
    found = {name: (cells.loc[name, "status"], cells.loc[name, "reason"]) for name in FAULTS}
    assert {name: (status, None if pd.isna(reason) else reason) for name, (status, reason) in found.items()} == FAULTS
    assert "before the sleep" in next((done.path / "logs").glob(f"{cells.loc['sleep', 'cell_id']}.*")).read_text()
    assert (cells["attempt"] == 1).all()


def test_a_run_of_another_executor_goes_on(cluster, on_one_machine, tmp_path):
    """The solution of the earlier session is sent to the workers."""
    few, all_widths = (study(subject=[subject(widths=widths)]) for widths in ([4], [4, 16, 64]))
    session(few, tmp_path / "run", executor="inline")
    options = {"executor": "dask", "executor_options": {"scheduler": cluster.address}}
    done = session(all_widths, tmp_path / "run", **options)
    assert (done.summary.kept, done.summary.counts) == (2, {"ok": 2})
    assert_equal(compared(done.path), on_one_machine)


def test_solutions_that_are_not_here_are_computed_again(cluster, on_one_machine, tmp_path):
    few, all_widths = (study(subject=[subject(widths=widths)]) for widths in ([4], [4, 16, 64]))
    options = {"executor": "dask", "executor_options": {"scheduler": cluster.address}}
    session(few, tmp_path / "run", **options)
    done = session(all_widths, tmp_path / "run", executor="inline")
    assert_equal(compared(done.path), on_one_machine)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("ntkbench_dask.cluster._CONNECT_SECONDS", 1)


@pytest.mark.usefixtures("impatient")
def test_mistakes_are_messages(tmp_path):
    for options, error, message in (
        ({"executor": "dusk"}, UnknownNameError, 'no executor "dusk"; did you mean "dask"?'),
        ({"executor": "dask", "executor_options": {"schedular": "x"}}, StudyError, '"scheduler"'),
        (
            {"executor": "processes", "executor_options": {"scheduler": "x"}},
            StudyError,
            'executor "processes" has no option "scheduler"; choose --executor dask',
        ),
        ({"executor": "inline", "executor_options": {"speed": 2}}, StudyError, "speed: unknown key (known: none)"),
        ({"executor": "dask", "executor_options": {"scheduler": "127.0.0.1:1"}}, NtkbenchError, "no Dask scheduler"),
    ):
        with pytest.raises(error) as caught:
            session(study(), tmp_path / "run", **options)
        assert message in str(caught.value)
        assert not list((tmp_path / "run").glob("cells/*"))


@pytest.mark.usefixtures("impatient")
def test_environment_and_study_choose_the_executor(cluster, monkeypatch, tmp_path):
    """The user is stronger than the environment, and that is stronger than the study."""
    chosen = study(execution={"executor": "dask", "scheduler": "tcp://127.0.0.1:1"})
    with pytest.raises(NtkbenchError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        session(chosen, tmp_path / "run")
    monkeypatch.setenv("NTKBENCH_DASK_SCHEDULER", cluster.address)
    first = session(chosen, tmp_path / "run")
    assert first.summary.counts == {"ok": 4}
    assert first.plan.run_id == session(study(), tmp_path / "other", executor="inline").plan.run_id
    monkeypatch.delenv("NTKBENCH_DASK_SCHEDULER")
    monkeypatch.setenv("NTKBENCH_EXECUTOR", "inline")
    assert session(chosen, tmp_path / "again").summary.counts == {"ok": 4}
