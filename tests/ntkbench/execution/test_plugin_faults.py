"""Plugins whose specs or values are wrong: said by ``plan`` where it can be, else by the cell, with who is to blame."""

import json
import re
import sys
import warnings
from pathlib import Path

import pytest
from toy_runs import TOY, as_toml, invoke, rows, session, study, subject

from ntkbench.errors import PluginError, PluginWarning, StudyError
from ntkbench.execution import source_code
from ntkbench.store.logs import latest_logs

PLUGIN = """
import sys
from dataclasses import replace
import numpy as np
import ntkbench, toy
from ntkbench.plugin import BackendSpec, Estimate, Measurement, MetricSpec, Sizes, TaskSpec

{networks}, {tasks} = toy.ntkbench_register_backends()[1], toy.ntkbench_register_tasks()[0]

def solve(request):
    return toy.solve_network(request)

def lost(request):
    return replace(toy.solve_network(request), members_test=np.full((request.members, 6, 3, 1), np.nan))

def leave(request):
    sys.exit(3)

def nan(problem, solution, reference):
    yield Measurement(metric="mine", value=float("nan"), unit="1")

def stranger(problem, solution, reference):
    yield Measurement(metric="rmse", value=1.0, unit="1")

def fail(problem, solution, reference):
    raise KeyError("no such thing")

@ntkbench.hookimpl
def ntkbench_register_backends():
    return [replace(networks, name="mine", {backend})]

@ntkbench.hookimpl
def ntkbench_register_tasks():
    return [replace(tasks, name="mine/line", {task})]

@ntkbench.hookimpl
def ntkbench_register_metrics():
    return [MetricSpec(**dict(name="mine", version=1, summary="a", unit="1", goal="none", target="toy:measure_offset",
                              default=False) | dict({metric}))]
"""


@pytest.fixture
def plugin(tmp_path):
    """Return a function that writes the plugin with changes of its specs; it is forgotten afterwards."""
    before = set(sys.modules)

    def write(backend="target='mine:solve'", task="", metric=""):
        path = tmp_path / "mine.py"
        names = {"networks": "networks", "tasks": "tasks"}
        path.write_text(PLUGIN.format(backend=backend, task=task, metric=metric, **names))
        return path

    yield write
    for name in set(sys.modules) - before:
        if name == "mine":
            del sys.modules[name]


def text(**changes):
    return study(**{"task": [{"name": "mine/line"}], "subject": [subject(backend="mine", widths=[4])]} | changes)


def run(tmp_path, path, **changes):
    return session(text(**changes), tmp_path / "run", plugins=(str(TOY), str(path)), executor="inline")


def failure(found):
    (row,) = rows(found).query("status == 'failed'").to_dict("records")
    return row


PLANNED = {
    "target": (
        {"backend": "target='mine:slove'"},
        'backend "mine" (mine:slove) cannot be used: mine has no "slove"; did',
    ),
    "module": ({"backend": "target='minne:solve'"}, "cannot be used: there is no module minne"),
    "task": ({"task": "target='mine:laod'"}, 'plugin "mine": task "mine/line" (mine:laod) cannot be used: mine has no'),
    "metric": ({"metric": "target='mine:nam'"}, 'metric "mine" (mine:nam) cannot be used: mine has no "nam"; did you'),
    "parameters": ({"task": "parameters='mine:np'"}, "its parameters mine:np are no pydantic model"),
    "no parameters": (
        {"task": "parameters='mine:P'"},
        """the import of its parameters mine:P failed: AttributeError: mine has no "P";""",
    ),
    "supports": ({"backend": "supports=lambda a: sys.exit(4)"}, "supports() failed: SystemExit: 4 ("),
    "estimate": ({"backend": "estimate=lambda w: 3"}, "estimate() returned 3, expected an Estimate of finite flops"),
    "facts": ({"backend": "facts=lambda p: None"}, "facts() returned None, expected MethodFacts"),
    "sizes": ({"task": "sizes=lambda p: 1 / 0"}, "sizes() failed: ZeroDivisionError: division by zero ("),
    "no sizes": ({"task": "sizes=lambda p: (4, 3, 2, 1)"}, "sizes() returned (4, 3, 2, 1), expected Sizes of positive"),
    "fingerprint": ({"task": "fingerprint=lambda p: None"}, "fingerprint() returned None, expected a text"),
}


@pytest.mark.parametrize("fault", PLANNED)
def test_plan_finds_it_before_anything_is_computed(plugin, tmp_path, fault):
    changes, message = PLANNED[fault]
    with pytest.raises((PluginError, StudyError)) as caught:
        run(tmp_path, plugin(**changes), metrics=["mine"])
    assert message in str(caught.value)
    assert 'plugin "mine"' in str(caught.value)
    assert not (tmp_path / "run").exists()


WITHOUT_REFERENCE = {
    "reference": [],
    "subject": [subject(backend="mine", widths=[4], compare_with=[])],
    "training": {"learning_rate": 0.1, "steps": 10, "records": 5},
}
RETURNED = {
    "nan members": (
        {"backend": "target='mine:lost'"},
        'plugin "mine": backend "mine" (mine:lost): members_test of member 0 is not finite at step 0, but its',
    ),
    "an exit": ({"backend": "target='mine:leave'"}, "SystemExit: 3"),
    "nan metric": ({"metric": "target='mine:nan'"}, 'plugin "mine": metric "mine" (mine:nan): "mine" is nan, expected'),
    "other metric": (
        {"metric": "target='mine:stranger'"},
        'metric "mine" (mine:stranger): yielded "rmse", which it does not declare',
    ),
    "failing metric": (
        {"metric": "target='mine:fail'"},
        'plugin "mine": metric "mine" (mine:fail) failed: KeyError: \'no such thing\' (',
    ),
}


@pytest.mark.parametrize("fault", RETURNED)
def test_a_cell_says_what_came_back_and_from_whom(plugin, tmp_path, fault):
    changes, message = RETURNED[fault]
    row = failure(run(tmp_path, plugin(**changes), metrics=["mine"], **WITHOUT_REFERENCE))
    assert message in row["reason"]


@pytest.mark.parametrize("what", ["figure", "page"])
def test_plan_warns_of_what_will_not_be_drawn(plugin, tmp_path, what):
    with pytest.warns(PluginWarning, match=f'study "toy": {what} toy:lien will not be made: toy has no "lien"'):
        assert run(tmp_path, plugin(), **{f"{what}s": ["toy:lien"]}).summary.counts == {"ok": 2}


def test_a_default_metric_that_cannot_be_imported_is_left_out(plugin, tmp_path, monkeypatch):
    path = plugin(metric="target='mine:nam', default=True")
    with pytest.warns(PluginWarning, match='plugin "mine": metric "mine" .mine:nam. is left out: mine has no "nam"'):
        assert run(tmp_path, path).summary.counts == {"ok": 2}
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "1")
    with pytest.raises(StudyError, match=r'metric "mine" \(mine:nam\) cannot be used'):
        run(tmp_path, path)


def test_a_task_that_delivers_other_sizes_than_it_declares(plugin, tmp_path):
    path = plugin(task="sizes=lambda p: Sizes(12, 3, 2, 1, 9)")
    row = failure(run(tmp_path, path))
    assert row["role"] == "reference"
    assert row["reason"] == (
        'plugin "mine": task "mine/line" (toy:load): sizes() declares n_train = 12, but load() delivered n_train = 4'
    )


def test_members_that_diverged_are_rows_and_not_a_fault(plugin, tmp_path):
    found = run(tmp_path, plugin(), subject=[subject(backend="mine", widths=[4], behave="diverge")])
    assert found.summary.counts == {"ok": 1, "diverged": 1}


def test_a_failure_says_where_its_traceback_is(plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(as_toml(text(metrics=["mine"])))
    path = plugin(metric="target='mine:fail'")
    command = ("run", "toy.toml", "--plugin", TOY, "--plugin", path, "--out", "run", "--executor", "inline")
    done = invoke(*command)
    assert done.exit_code == 1
    (log,) = set(re.findall(r"\(log: (.*)\)", done.stdout))
    content = Path(log).read_text()
    assert content.startswith('plugin "mine": metric "mine" (mine:fail) failed: KeyError')
    assert "Traceback" in content and "in fail" in content
    assert "Traceback" not in done.stdout + done.stderr
    assert f"(log: {log})" in invoke("results", "show", "run").stdout
    problems = json.loads(invoke(*command, "--rerun", "failed", "--json").stdout)["problems"]
    assert {problem["log"] for problem in problems if problem["status"] == "failed"} == {
        log.replace(".1.txt", ".2.txt")
    }


def test_the_latest_log_is_of_the_last_attempt(tmp_path):
    (tmp_path / "logs").mkdir()
    for attempt in (2, 10, 9):
        (tmp_path / "logs" / f"abc.{attempt}.txt").write_text("")
    assert latest_logs(tmp_path) == {"abc": tmp_path / "logs" / "abc.10.txt"}
    assert latest_logs(tmp_path / "absent") == {}


class TestChangedCode:
    def test_edited_code_of_the_same_version_is_named(self, plugin, tmp_path, monkeypatch):
        path = plugin()
        first = run(tmp_path, path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert run(tmp_path, path).summary.kept == 2
        path.write_text(path.read_text() + "# edited\n")
        expected = re.escape(
            "the code has changed since 1 finished cell was computed, which this run keeps: mine.py, used by backend "
            '"mine" (version 1); if results change with it, raise the version of that spec, or compute all again'
        )
        with pytest.warns(PluginWarning, match=expected):
            assert run(tmp_path, path).summary.kept == 2
        monkeypatch.chdir(tmp_path)
        Path("toy.toml").write_text(as_toml(text()))
        with pytest.warns(PluginWarning, match=expected):
            invoke("plan", "toy.toml", "--plugin", TOY, "--plugin", path, "--out", first.path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # cells of the new code only
            again = session(text(), first.path, plugins=(str(TOY), str(path)), executor="inline", fresh=True)
        assert again.summary.counts["ok"] == 2

    def test_a_package_is_recorded_by_files_and_subfolders(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path))
        for name in ("__init__.py", "solve.py", "parts/__init__.py", "parts/deep/a.py", "notes.txt"):
            file = tmp_path / "kit_of_code" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")
        before = source_code._digests("kit_of_code")
        assert sorted(before) == ["kit_of_code/__init__.py", "kit_of_code/parts/", "kit_of_code/solve.py"]
        (tmp_path / "kit_of_code" / "parts" / "deep" / "a.py").write_text("edited")
        assert source_code._differing(before, source_code._digests("kit_of_code")) == {"kit_of_code/parts/"}
        assert source_code._digests("no_kit_of_code") == {}
