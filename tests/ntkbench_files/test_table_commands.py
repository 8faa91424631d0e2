"""A user's table on the command line: what ``plan`` and ``show`` say was read, and how a bad one ends."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import ntkbench
from ntkbench.cli.main import cli

ROWS = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(ROWS, 3)), columns=["a", "b", "y"]).assign(colour=["red", "blue"] * (ROWS // 2))


def invoke(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)


def study(folder, frame, name="own.csv", **keys):
    """Write a table and a study of it; return the study's path."""
    frame.to_csv(folder / name, index=keys.pop("index", False), sep=keys.pop("sep", ","))
    task = {"name": "file/table", "path": str(folder / name), "target": "y", **keys}
    entry = ", ".join(f"{key} = {json.dumps(value)}" for key, value in task.items())
    (folder / "mine.toml").write_text(
        f'schema = 1\nname = "mine"\ntask = [{{ {entry} }}]\narchitecture = [{{ depth = 1 }}]\n'
        'reference = [{ label = "ntk", backend = "jax" }]\ntraining = { learning_rate = 0.1, steps = 50 }\n'
    )
    return folder / "mine.toml"


def test_plan_and_show_say_what_was_read(tmp_path):
    frame = FRAME.sort_values("y", ignore_index=True).assign(same=3, a=FRAME["a"].astype(object))
    frame.loc[[3, 7], "a"] = "?"
    path = study(tmp_path, frame, index=True, sep=";", missing="drop")
    expected = [
        f"{tmp_path / 'own.csv'}: 40 rows, 2 of them dropped for missing values; columns separated by semicolon, utf-8",
        f"target y: numbers from {frame['y'].min():g} to {frame['y'].max():g}",
        "4 features, 5 inputs",
        "3 numbers: a, b, same",
        "colour: 2 categories (blue, red)",
        "left out: column 1 (it has no name: row names, as pandas and R write them)",
        "note: constant, so of no use: same (3)",
    ]
    planned = json.loads(invoke("plan", path, "--json").stdout)
    assert planned["data"] == [{"task": "file/table", "label": None, "data": expected}]
    for command in (("plan", path), ("show", path)):
        shown = invoke(*command)
        assert shown.exit_code == 0
        assert shown.stdout.count("file/table reads") == 1
        assert all(f"  {line}\n" in shown.stdout for line in expected)
    assert path.read_text().rstrip() in invoke("show", path).stdout


def test_show_a_task_with_parameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.assign(kind=["cat", "dog"] * 20, day="2020-01-02", number=range(2**60, 2**60 + 40)).to_csv("own.csv")
    shown = invoke(
        "show", "file/table", "--set", "path=own.csv", "--set", "target=kind", "--set", "kind=classification"
    )
    assert shown.exit_code == 0
    for line in (
        "target kind: 2 classes (cat: 20 rows, dog: 20 rows)",
        "1 date: day (days since 1970)",
        "note: integers beyond 2^53, which are rounded; an identifier? number",
    ):
        assert f"  {line}\n" in shown.stdout
    table = invoke("show", "file/table", "--set", "path=own.csv", "--set", "target=y", "--set", "types.day=ignore")
    assert "left out: day (ignored)" in table.stdout
    assert "encoding (str" in table.stdout
    assert "reads no file of yours" in invoke("show", "synthetic/circle", "--set", "n_train=8").stdout


NUMBERS = FRAME
MISTAKES = {
    "a question mark": (
        NUMBERS.assign(b=["1", "?", *range(38)]),
        {},
        """line 3, column 2 ("b") is '?', a missing value""",
    ),
    "a word": (NUMBERS.assign(b=["1", "low", *range(38)]), {}, """line 3, column 2 ("b") is 'low', not a number"""),
    "thousands": (NUMBERS.assign(b=[f"{k},500.5" for k in range(40)]), {}, 'with thousands = "," all are numbers'),
    "decimal commas": (NUMBERS.assign(b=[f"{k},5" for k in range(40)]), {}, 'with decimal = "," all are numbers'),
    "a class alone": (FRAME.assign(y=["u", *"vw" * 19, "v"]), {"kind": "classification"}, "only one row of class u"),
    "no classes": (FRAME, {"kind": "classification"}, "40 different values in 40 rows: no classes; to learn numbers"),
    "twice": (FRAME.rename(columns={"b": "a"}), {}, 'columns 1 and 2 are called "a"'),
    "a number beyond": (NUMBERS.assign(b=["1.8e308", *range(39)]), {}, "is 1.8e308, beyond float64"),
    "an option": (FRAME, {"decimal": "x"}, "the decimal mark is 'x', expected '.' or ','"),
    "text": (FRAME.drop(columns="y").rename(columns={"colour": "y"}), {}, 'for classes set kind = "classification"'),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_table_is_one_message_before_anything_runs(tmp_path, mistake):
    frame, keys, message = MISTAKES[mistake]
    path = study(tmp_path, frame, **keys)
    for command in (("plan", path), ("show", path), ("run", path, "--out", tmp_path / "run")):
        found = invoke(*command)
        assert (found.exit_code, found.stdout) == (2, "")
        assert message in found.stderr
        assert found.stderr.count("task[0]") == 1
    assert not (tmp_path / "run").exists()


def test_mistakes_of_show(tmp_path):
    for arguments, message in (
        (("file/table", "--set", "path=gone.csv", "--set", "target=y"), "no file gone.csv"),
        (("file/table", "--set", "path=gone.csv"), "task.target: is missing"),
        (("rmse", "--set", "x=1"), '"rmse" is none'),
        ((tmp_path / "absent.toml",), "absent.toml"),
    ):
        found = invoke("show", *arguments)
        assert (found.exit_code, found.stdout) == (2, "")
        assert message in found.stderr


def rmse(path, out):
    results = ntkbench.run(path, out=out, executor="inline")
    assert results.cells["status"].tolist() == ["ok"]
    rows = results.measurements.query("metric == 'rmse' and split == 'test'")
    return rows["value"].iloc[-1], results.cells["target_scale"].iloc[0][0]


def test_units_near_the_limits_of_float64_change_no_result(tmp_path):
    expected, scale = rmse(study(tmp_path, FRAME), tmp_path / "plain")
    huge, huge_scale = rmse(study(tmp_path, FRAME.assign(y=FRAME["y"] * 1e200)), tmp_path / "huge")
    tiny = FRAME.assign(a=FRAME["a"] * 1e-170, b=FRAME["b"] * 1e-300)
    small, small_scale = rmse(study(tmp_path, tiny), tmp_path / "tiny")
    assert huge == pytest.approx(expected, rel=1e-12)
    assert small == pytest.approx(expected, rel=1e-12)
    assert huge_scale == pytest.approx(scale * 1e200, rel=1e-12)
    assert small_scale == scale


def test_one_sentinel_is_noted(tmp_path):
    frame = FRAME.assign(b=[1.7e308, *FRAME["b"][1:]])
    shown = invoke("plan", study(tmp_path, frame)).stdout
    assert "note: b holds 1.7e+308, all others are within" in shown
    again = pd.concat([FRAME, FRAME.iloc[:3]])
    assert "note: rows that repeat an earlier one: 3;" in invoke("plan", study(tmp_path, again)).stdout
