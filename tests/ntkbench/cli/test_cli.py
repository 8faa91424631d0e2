"""Every verb of the command line: what it prints, what it imports, how it ends."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import click
import pandas as pd
import pytest
from toy_runs import TOY, as_toml, invoke, shell, study, subject

import ntkbench
from ntkbench.api import run as api_run
from ntkbench.cli import main
from ntkbench.plugin import availability, discovery, loading

HEAVY = {"torch", "jax", "pandas", "scipy", "sklearn", "matplotlib"}
NOT_FOR_HELP = HEAVY | {"numpy", "pydantic", "pyarrow", "rich"}


def imported(*arguments):
    """Return the top-level modules that a command line imports."""
    code = (
        "import sys\n"
        "sys.argv = ['ntkbench', *sys.argv[1:]]\n"
        "from ntkbench.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('MODULES', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(found.stderr.rpartition("MODULES")[2].split())


class TestStart:
    @pytest.mark.parametrize(
        "arguments",
        [("--help",), ("--version",), ("list", "tasks"), ("plugins",), ("run", "--help"), ("plan", "--help")],
    )
    def test_light_commands_import_nothing_heavy(self, arguments):
        assert not imported(*arguments) & NOT_FOR_HELP

    def test_planning_imports_no_backend_and_no_analysis(self):
        assert not imported("plan", "quickstart") & HEAVY

    def test_planning_a_run_that_is_there_is_as_light(self, finished):
        found = imported("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run")
        assert "pyarrow" in found  # it did look
        assert "pandas" not in found

    def test_importing_the_package_is_light(self):
        code = "import sys, ntkbench; print(*sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not set(found.stdout.split()) & NOT_FOR_HELP

    def test_the_module_is_the_command(self, tmp_path):
        found = shell(tmp_path, "--version")
        assert found.stdout == f"ntkbench, version {ntkbench.__version__}\n"


def verbs(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


@pytest.mark.parametrize("verb", list(verbs(main.cli)), ids=" ".join)
def test_every_verb_has_help(verb):
    found = invoke(*verb, "--help")
    assert found.exit_code == 0
    summary = found.output.split("\n\n")[1].strip()
    assert summary.endswith(".")
    assert "..." not in invoke(*verb[:-1], "--help").output.partition("Commands:")[2]  # it has them whole
    assert summary[0].isupper()


def test_every_verb_is_known_here():
    known = {("run",), ("plan",), ("list",), ("show",), ("plugins",), ("doctor",)}
    known |= {("results",), ("results", "list"), ("results", "show"), ("results", "export")}
    assert known <= set(verbs(main.cli))


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


class TestPlan:
    def test_what_would_run(self, finished):
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new")
        assert found.exit_code == 0
        assert "4 cells: 4 to run" in found.output
        assert "0 done, 0 failed before, 0 skip" in found.output
        assert not (finished / "new").exists()

    def test_what_is_done_already(self, finished):
        found = invoke(
            "plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run", "--width", "4", "--width", "16"
        )
        assert found.exit_code == 2
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run", "--json")
        report = json.loads(found.stdout)
        assert {cell["decision"] for cell in report["cells"]} == {"done"}
        assert {cell["cell_id"] for cell in report["cells"]} == set(ntkbench.load(finished / "run").cells["cell_id"])

    def test_what_would_be_skipped_and_why(self, finished):
        arguments = (
            "plan",
            finished / "toy.toml",
            "--plugin",
            TOY,
            "--out",
            finished / "new",
            "--set",
            "architecture.depth=10",
        )
        found = invoke(*arguments)
        assert "skip: only up to depth 9" in found.output
        assert "3 skip" in found.output
        decisions = [
            (cell["decision"], cell["reason"]) for cell in json.loads(invoke(*arguments, "--json").stdout)["cells"]
        ]
        assert decisions == [("run", None)] + [("skip", "only up to depth 9")] * 3

    def test_a_claim_says_what_it_can_decide(self):
        said = invoke("plan", "claim-c3").output
        assert "What it can decide on one seed" in said
        assert "coupling of outputs in the empirical NTK" in said
        (one, *_) = json.loads(invoke("plan", "claim-c3", "--json").stdout)["power"]
        assert one["labels"] == ["network"]
        assert 0 < one["half_width"] < one["detects"]
        assert 0.8 <= one["fails_at_most"] <= 1
        unknown = json.loads(invoke("plan", "claim-c13", "--json").stdout)["power"][0]
        assert unknown["half_width"] is None

    def test_other_studies_decide_nothing_of_the_claims(self, finished):
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new")
        assert "What it can decide" not in found.output

    def test_long_plans_are_cut_unless_asked_for(self, finished):
        widths = [part for width in range(1, 61) for part in ("--width", width)]
        arguments = ("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new", *widths)
        assert "... and 21 more cells (--all lists them)" in invoke(*arguments).output
        assert "width 60" in invoke(*arguments, "--all").output

    @pytest.mark.parametrize("way", ["file", "folder"])
    def test_a_folder_that_run_would_refuse_is_refused(self, finished, tmp_path, way):
        (tmp_path / "thesis.tex").write_text("years of work")
        out = tmp_path / "thesis.tex" if way == "file" else tmp_path
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", out)
        assert found.exit_code == 2


class TestClaims:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--budget", "30m"), "--budget needs --until decided"),
            (("--until", "decided", "--budget", "30"), "'30' is not a time; expected a number of s, m or h"),
            (("--until", "decided", "--budget", "0m"), "'0m' is not a time"),
            (("--until", "decided", "--seed", "1", "--seed", "2"), "takes one --seed, the first"),
            (("C18",), 'no claim "C18"'),
        ],
    )
    def test_mistakes(self, tmp_path, arguments, message):
        found = invoke("claims", *arguments, "--out", tmp_path / "claims")
        assert found.exit_code == 2
        assert message in " ".join(found.output.split())
        assert not (tmp_path / "claims").exists()


class TestCatalogue:
    @pytest.mark.parametrize("kind", ["tasks", "backends", "metrics", "studies"])
    def test_list(self, kind):
        known = getattr(loading.load_registry(), kind)
        found = invoke("list", kind)
        assert [line.split()[0] for line in found.output.splitlines()] == [spec.name for spec in known]
        rows = json.loads(invoke("list", kind, "--json").stdout)
        assert [row["name"] for row in rows] == [spec.name for spec in known]
        assert all(row["summary"] and row["plugin"] for row in rows)

    def test_list_takes_a_plugin_of_ones_own(self):
        assert "toy/line" in invoke("list", "tasks", "--plugin", TOY).output

    def test_unavailable_things_say_what_to_type(self, monkeypatch):
        monkeypatch.setattr(
            availability, "missing_requirement", lambda requires, install: install and f"missing: {install}"
        )
        assert 'unavailable: missing: pip install "ntkbench[torch]"' in invoke("list", "backends").output
        assert 'unavailable: missing: pip install "ntkbench[torch]"' in invoke("show", "torch").output

    def test_show_everything_there_is(self):
        found = loading.load_registry()
        for known in (found.tasks, found.backends, found.metrics, found.studies):
            for spec in known:
                shown = invoke("show", spec.name)
                assert shown.exit_code == 0
                assert spec.name in shown.output

    def test_show_names_parameters_and_defaults(self):
        found = invoke("show", "toy-network", "--plugin", TOY).output
        assert "from plugin toy" in found
        assert "seconds (float, default 0.0)" in found
        assert 'log (str, default ""): a file to which every solved cell adds a line' in found
        assert "role: subject" in found

    def test_show_says_which_metrics_have_to_be_listed(self):
        assert "only in studies that list it" in invoke("show", "law_agreement").output
        assert "only in studies that list it" not in invoke("show", "rmse").output

    def test_plugins(self):
        found = invoke("plugins", "--plugin", TOY, "--json")
        reports = {report["name"]: report for report in json.loads(found.stdout)}
        assert {"ntkbench", "jax", "torch", "synthetic", "uci", "toy"} <= reports.keys()
        assert {report["status"] for report in reports.values()} == {"ok"}
        assert "built in" in invoke("plugins").output

    def test_doctor(self):
        report = json.loads(invoke("doctor", "--json", "--plugin", TOY).stdout)
        assert "toy-kernel" in report["available"]
        assert report["environment"]["python"] == sys.version.split()[0]
        text = invoke("doctor", "--plugin", TOY).output
        assert len(text.splitlines()) < 40
        assert text.rstrip().endswith("backends and tasks work. Try: ntkbench run")
        assert "toy ok" in text

    def test_a_broken_plugin_is_the_doctors_concern_and_nobody_elses(self, monkeypatch, tmp_path):
        def broken():
            raise ImportError("no such thing")

        candidate = discovery.FoundPlugin("mine", "installed: mine", "1.0", broken)
        monkeypatch.setattr(loading, "installed", lambda: [candidate])
        found = invoke("doctor")
        assert found.exit_code == 1
        assert "mine broken: ImportError: no such thing" in found.output
        assert invoke("list", "metrics").exit_code == 0
        assert "ImportError: no such thing" in invoke("plugins").output


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

    @pytest.mark.parametrize("name", ["runs[/old]", "[bold]", ":smile:", "r\udcff"], ids=ascii)
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
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


class TestResults:
    def test_list(self, finished):
        (row,) = json.loads(invoke("results", "list", finished, "--json").stdout)
        assert (row["run"], row["study"], row["cells"]) == (str(finished / "run"), "toy", "4 ok")
        assert "4 ok" in invoke("results", "list", finished).output

    def test_show(self, finished):
        found = invoke("results", "show", finished / "run")
        assert found.exit_code == 0
        assert "network against ntk" in found.output

    @pytest.mark.parametrize("table", ["cells", "measurements", "predictions", "spectra", "verdicts", "rates"])
    def test_export(self, finished, tmp_path, table):
        arguments = ("results", "export", finished / "run", "--table", table)
        lines = list(csv.DictReader(io.StringIO(invoke(*arguments).output)))
        records = [json.loads(line) for line in invoke(*arguments, "--format", "json").output.splitlines()]
        assert len(records) == len(lines) > 0
        assert list(records[0]) == list(lines[0])
        path = tmp_path / "table.parquet"
        assert invoke(*arguments, "--format", "parquet", "-o", path).output == ""
        assert len(pd.read_parquet(path)) == len(lines)

    def test_a_file_has_the_format_of_its_name_and_is_not_overwritten(self, finished, tmp_path):
        export = ("results", "export", finished / "run", "--table", "cells", "-o")
        path = tmp_path / "table.parquet"
        assert invoke(*export, path).exit_code == 0
        assert len(pd.read_parquet(path)) == 4
        again = invoke(*export, path)
        assert (again.exit_code, "exists; choose another name, or give --force" in again.output) == (2, True)
        assert invoke(*export, path, "--force").exit_code == 0
        other = invoke(*export, tmp_path / "table.csv", "--format", "json")
        assert (other.exit_code, "is the name of a csv file, but --format is json" in other.output) == (2, True)

    def test_a_run_is_found_by_its_id(self, finished, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        shutil.copytree(finished / "run", tmp_path / "results" / "mine")
        run_id = json.loads((finished / "run" / "run.json").read_text())["run_id"]
        assert "network against ntk" in invoke("results", "show", run_id).output
        assert "network against ntk" in invoke("results", "show", "mine").output
        shutil.copytree(finished / "run", tmp_path / "results" / "other")
        assert "name one of these folders" in invoke("results", "show", run_id).output
        assert "hold the same run" in invoke("results", "show", "results").output

    def test_one_broken_run_hides_no_other(self, finished, tmp_path):
        shutil.copytree(finished / "run", tmp_path / "whole")
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "run.json").write_text("{")
        broken, whole = json.loads(invoke("results", "list", tmp_path, "--json").stdout)
        assert whole["cells"] == "4 ok"
        assert "not the run file of a run" in broken["cells"]

    def test_a_run_without_cells_can_be_looked_at(self, finished, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "run.json").write_text((finished / "run" / "run.json").read_text())
        for arguments in (
            ("show", tmp_path / "run"),
            ("list", tmp_path),
            ("export", tmp_path / "run", "--table", "rates"),
        ):
            assert invoke("results", *arguments).exit_code == 0
