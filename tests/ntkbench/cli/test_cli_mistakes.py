"""What becomes of a mistake in a command: one message, exit code 2, and nothing left behind."""

import pytest
from toy_runs import TOY, as_toml, invoke, shell, study

MISTAKES = {
    "unknown study": ("plan", "quickstrat"),
    "missing file": ("plan", "absent.toml"),
    "unknown task": ("plan", "{toml}", "--task", "toy/lin"),
    "unknown key": ("plan", "{toml}", "--set", "subjects=3"),
    "bad assignment": ("plan", "{toml}", "--set", "seed"),
    "bad value": ("plan", "{toml}", "--set", "seed=[1"),
    "negative width": ("plan", "{toml}", "--width", "-3"),
    "huge width": ("plan", "{toml}", "--set", f"subject.widths=[{10**30}]"),
    "huge seed": ("plan", "{toml}", "--seed", str(10**30)),
    "negative seed": ("plan", "{toml}", "--set", "seed=-1"),
    "no number": ("plan", "{toml}", "--members", "many"),
    "unknown option": ("run", "--widht", "3"),
    "unknown verb": ("rnu",),
    "unknown kind": ("list", "task"),
    "unknown name": ("show", "synthetic/sin"),
    "absent plugin": ("plugins", "--plugin", "absent.py"),
    "bad device": ("run", "{toml}", "--device", "gpu"),
    "zero jobs": ("run", "{toml}", "--jobs", "0"),
    "zero timeout": ("run", "{toml}", "--timeout", "0"),
    "out is a file": ("run", "{toml}", "--out", "{toml}"),
    "out is below a file": ("run", "{toml}", "--out", "{toml}/run"),
    "out is foreign": ("run", "{toml}", "--out", "{folder}"),
    "no data there": ("run", "{toml}", "--data-dir", "absent"),
    "a task that is a number": ("plan", "{toml}", "--set", "task=3", "--task", "toy/line"),
    "a list that is too short": ("plan", "{toml}", "--set", "task.7.name=x"),
    "below a number": ("plan", "{toml}", "--set", "seed.x=3"),
    "an index in superscript": ("plan", "{toml}", "--set", "task.\u00b2.name=x"),
    "an index of thousands of digits": ("plan", "{toml}", "--set", f"task.{'9' * 5000}.name=x"),
    "a number of thousands of digits": ("plan", "{toml}", "--set", f"seed={'9' * 5000}"),
    "deep brackets": ("plan", "{toml}", "--set", f"seed={'[' * 5000}{']' * 5000}"),
    "deep tables": ("plan", "{toml}", "--set", ".".join(["seed", *"a" * 500]) + "=1"),
    "records without end": ("plan", "{toml}", "--set", "training.records=9000000000"),
    "long name": ("run", "{toml}", "--set", "name=" + "x" * 300),
    "no runs": ("results", "list", "absent"),
    "no run": ("results", "show", "{folder}"),
    "unknown table": ("results", "export", "{folder}", "--table", "cell"),
    "parquet to a terminal": ("results", "export", "{run}", "--format", "parquet"),
    "unwritable file": ("results", "export", "{run}", "-o", "/proc/x/y.csv"),
    "unwritable parquet": ("results", "export", "{run}", "--format", "parquet", "-o", "/proc/x/y.parquet"),
}
WITH_PLUGIN = {"plan", "run"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_and_exit_code_2(finished, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.toml").write_text(as_toml(study()))
    places = {"toml": tmp_path / "toy.toml", "folder": tmp_path, "run": finished / "run"}
    arguments = [argument.format(**places) for argument in MISTAKES[mistake]]
    if arguments[0] in WITH_PLUGIN:
        arguments += ["--plugin", str(TOY)]
    found = invoke(*arguments)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert found.stderr.count("Error") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"toy.toml"}, "something was left behind"


def test_mistakes_of_real_processes_have_no_traceback(finished, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_this_name\n")
    for arguments in (("run", finished / "toy.toml"), ("run", "--plugin", broken), ("show", "nothing")):
        found = shell(tmp_path, *arguments)
        assert found.returncode == 2
        assert found.stdout == ""
        assert found.stderr.startswith("Error: ")
        assert "Traceback" not in found.stderr
    strict = shell(tmp_path, "plugins", NTKBENCH_STRICT_PLUGINS="1")
    assert strict.returncode == 0
