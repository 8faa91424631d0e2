"""``ntkbench run``: what it prints, where it writes, how it ends."""

import contextlib
import json
import os
import shutil
import signal
import time

import pytest
from grids import each_once
from toy_runs import TOY, as_toml, invoke, shell, study, subject

import ntkbench
from ntkbench.api import run as api_run


@pytest.fixture
def run(tmp_path, monkeypatch, toy_study):
    """Return a function that runs the toy study by the command line, in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: invoke("run", toy_study, "--plugin", TOY, "--executor", "inline", *arguments)


class TestRun:
    def test_from_nothing_to_a_table(self, toy, run, tmp_path):
        """First in a process of its own, with worker slots; then here."""
        first = toy()
        assert first.returncode == 0
        assert "4 cells: 4 ok" in first.stdout
        assert "Tables and figures: run" in first.stdout
        assert list((tmp_path / "run" / "figures").iterdir())
        assert first.stderr.startswith("toy-")
        second = run("--out", "run")
        assert second.exit_code == 0
        assert "nothing to do, 4 finished before" in second.stdout
        assert "4 cells, 4 finished before, 0 to run" in second.stderr

    def test_json_is_all_that_is_on_stdout(self, run):
        """Whatever cells print, in their own processes."""
        found = run("--out", "run", "--executor", "processes", "--json", "--set", "subject.behave=print")
        assert found.exit_code == 0
        assert found.stderr == ""
        report = json.loads(found.stdout)
        assert (report["cells"], report["computed"], report["kept"]) == (4, {"ok": 4}, 0)
        assert (report["failures"], report["problems"], report["interrupted"]) == (0, [], False)
        assert report["path"] == "run"
        assert {row["metric"] for row in report["rates"]} >= {"ntk_distance_frobenius"}
        assert all(row["verdict"] for row in report["verdicts"])

    def test_the_default_folder_is_named_after_the_run(self, run, finished, tmp_path):
        found = run("-q")
        assert found.exit_code == 0
        assert found.stderr == ""
        (path,) = (tmp_path / "results").iterdir()
        assert path.name == ntkbench.load(finished / "run").runs[0]["run_id"]

    def test_options_that_replace_the_studys_lists(self, finished):
        arguments = ("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "other", "--json")
        more = ("--width", "8", "--width", "32", "--members", "2", "--seed", "9", "--task", "synthetic/sine")
        report = json.loads(invoke(*arguments, *more).stdout)
        cells = report["cells"]
        assert [cell["width"] for cell in cells] == [None, 8, 32]
        assert {cell["members"] for cell in cells} == {0, 2}
        assert {cell["task"] for cell in cells} == {"synthetic/sine"}
        assert report["run_id"] != json.loads(invoke(*arguments[:4], "--json").stdout)["run_id"]

    def test_a_study_that_compares_with_nothing(self, run, toy_study):
        training = {"learning_rate": 0.1, "steps": 10, "records": 5}
        toy_study.write_text(as_toml(study(reference=[], subject=[subject(compare_with=[])], training=training)))
        found = run("-q")
        assert found.exit_code == 0
        assert "3 cells: 3 ok" in found.stdout
        assert "Traceback" not in found.stderr

    def test_verbose_has_a_line_for_every_cell(self, run):
        found = run("-v")
        lines = [line for line in found.stderr.splitlines() if line.startswith("[")]
        assert [line.split("]")[0] for line in lines] == [f"[{i}/4" for i in range(1, 5)]
        assert any("toy/line network width 64: ok in" in line for line in lines)


def test_an_interrupt_that_a_library_swallows_is_not_lost(finished, tmp_path, monkeypatch):
    """As where Ctrl-C meets the import of a module that catches everything."""

    def swallowing(*arguments):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return make_plan(*arguments)

    make_plan = api_run.make_plan
    monkeypatch.setattr(api_run, "make_plan", swallowing)
    before = signal.getsignal(signal.SIGINT)
    command = ("run", finished / "toy.toml", "--plugin", TOY, "--out", tmp_path / "run")
    assert invoke(*command).exit_code == 130
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    assert invoke("plan", finished / "toy.toml", "--plugin", TOY).exit_code == 0  # it is forgotten


class TestAnyText:
    """Names and paths are printed as they are, on any terminal."""

    @pytest.mark.parametrize(
        ("encoding", "name"),
        each_once(["utf-8", "ascii", "cp1252"], ["runs[/old]", ":smile:", "r\udcff", "[bold]"]),
        ids=ascii,
    )
    def test_a_finished_run_is_shown(self, finished, tmp_path, name, encoding):
        shutil.copytree(finished / "run", tmp_path / name)
        options = ("--plugin", TOY, "--out", name)
        found = shell(tmp_path, "run", finished / "toy.toml", *options, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert (found.returncode, found.stderr.count("Traceback")) == (0, 0)
        assert f"Tables and figures: {name}".encode(errors="backslashreplace").decode() in found.stdout

    def test_a_byte_order_mark_begins_a_study(self, finished, tmp_path):
        study = tmp_path / "toy.toml"
        study.write_bytes(b"\xef\xbb\xbf" + (finished / "toy.toml").read_bytes())
        assert invoke("plan", study, "--plugin", TOY).exit_code == 0


def test_a_run_with_nothing_to_do_keeps_its_provenance(finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    command = ("run", finished / "toy.toml", "--plugin", TOY, "--out", tmp_path / "run")
    assert invoke(*command, "--device", "cuda").exit_code == 0
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert invoke(*command, "--set", "title='another'").exit_code == 0
    assert b"another" in (tmp_path / "run" / "run.json").read_bytes()
