"""``ntkbench data``: what is listed, and what verifying finds."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from ntkbench.errors import UnknownNameError
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.data_command import data_command


def ran(*arguments, code=0):
    result = CliRunner().invoke(data_command, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("NTKBENCH_DATA", raising=False)


def test_without_a_folder_only_scikit_learns_own_sets_are_here():
    facts = {fact["name"]: fact for fact in json.loads(ran("list", "--json"))["data_sets"]}
    assert facts.keys() == COLLECTION.keys()
    assert {name for name, fact in facts.items() if fact["here"]} == {
        "breast-cancer-wisc-diag", "optical-digits", "wine",
    }  # fmt: skip
    assert facts["a19/titanic"]["redistributable"] is False
    assert facts["concrete"]["page"] == "https://archive.ics.uci.edu/dataset/165"
    shown = ran("list")
    assert "uci/concrete" in shown and "1,030" in shown and "not here" in shown
    assert "NTKBENCH_DATA" in shown.splitlines()[-1]


def test_verifying_what_is_here_by_default(data_folder):
    assert "143 of 143 data sets are as published." in ran("verify")


def test_a_set_that_differs_or_is_missing_is_named_with_the_reason(data_folder, tmp_path):
    for name in ("zoo", "iris"):
        shutil.copytree(data_folder / "classification_fd" / name, tmp_path / "classification_fd" / name)
    file = tmp_path / "classification_fd" / "zoo" / "conxuntos.dat"
    file.chmod(0o644)
    file.write_text(file.read_text() + "7\n")
    options = ("--data-dir", str(tmp_path))
    assert "1 of 1 data sets are as published." in ran("verify", "uci/a19/iris", *options)
    answer = ran("verify", "a19/zoo", "a19/iris", "concrete", *options, code=1)
    assert "uci/a19/zoo (classification_fd/zoo/conxuntos.dat)" in answer
    assert "no regression/concrete/data.txt" in answer
    assert "1 of 3 data sets are as published." in answer
    found = json.loads(ran("verify", "a19/zoo", "--json", *options, code=1))["data_sets"]
    assert found[0]["ok"] is False and "sha256" in found[0]["reason"]


def test_an_unknown_name_gets_a_suggestion():
    result = CliRunner().invoke(data_command, ["verify", "uci/concret"])
    assert isinstance(result.exception, UnknownNameError)
    assert "concrete" in str(result.exception)
