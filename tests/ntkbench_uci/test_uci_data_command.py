"""``ntkbench data``: what is listed, and what verifying finds."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import pooch
import pytest
from click.testing import CliRunner
from faulty_server import serving

from ntkbench.errors import UnknownNameError
from ntkbench_uci import locations
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.data_command import data_command


def ran(*arguments, code=0):
    result = CliRunner().invoke(data_command, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("NTKBENCH_DATA", raising=False)
    monkeypatch.setattr(locations, "_package", lambda: None)


def test_without_a_folder_only_scikit_learns_own_sets_are_here():
    facts = {fact["name"]: fact for fact in json.loads(ran("list", "--json"))["data_sets"]}
    assert facts.keys() == COLLECTION.keys()
    assert {name for name, fact in facts.items() if fact["here"]} == {
        "breast-cancer-wisc-diag", "optical-digits", "wine",
    }  # fmt: skip
    assert facts["a19/titanic"]["redistributable"] is False
    assert facts["concrete"]["page"] == "https://archive.ics.uci.edu/dataset/165"
    shown = ran("list")
    assert "uci/concrete" in shown and "1,030" in shown and "not found" in shown
    assert "NTKBENCH_DATA" in shown.splitlines()[-2]
    assert shown.splitlines()[-1] == f"Download cache: {locations.cache_folder()}"


def test_verifying_what_is_here_by_default(data_folder):
    assert "143 of 143 data sets match the published data." in ran("verify")


def test_a_set_that_differs_or_is_missing_is_named_with_the_reason(data_folder, tmp_path):
    for name in ("zoo", "iris"):
        shutil.copytree(data_folder / "classification_fd" / name, tmp_path / "classification_fd" / name)
    file = tmp_path / "classification_fd" / "zoo" / "conxuntos.dat"
    file.chmod(0o644)
    file.write_text(file.read_text() + "7\n")
    options = ("--data-dir", str(tmp_path))
    assert "1 of 1 data sets match the published data." in ran("verify", "uci/a19/iris", *options)
    answer = ran("verify", "a19/zoo", "a19/iris", "concrete", *options, code=1)
    assert f"uci/a19/zoo ({file})" in answer
    assert "no regression/concrete/data.txt" in answer
    assert "1 of 3 data sets match the published data." in answer
    found = json.loads(ran("verify", "a19/zoo", "--json", *options, code=1))["data_sets"]
    assert found[0]["ok"] is False and "sha256" in found[0]["reason"]


def test_an_unknown_name_gets_a_suggestion():
    result = CliRunner().invoke(data_command, ["verify", "uci/concret"])
    assert isinstance(result.exception, UnknownNameError)
    assert "concrete" in str(result.exception)


@pytest.fixture
def archive(data_folder, server, tmp_path, monkeypatch):
    """Serve an archive of four A19 sets where their authors have theirs: as the proxy that requests is set to use."""
    monkeypatch.delenv("NTKBENCH_DATA")
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for name in ("zoo", "iris", "titanic", "lenses"):
            packed.add(data_folder / "classification_fd" / name, f"./{name}")
    server.content[COLLECTION["a19/zoo"].forms[0].url] = content.getvalue()
    return server


def test_fetching_puts_into_the_cache_what_tasks_then_read(archive, tmp_path):
    answer = ran("fetch", "uci/a19/zoo", code=1)  # the 86 others of the real archive are not in this one
    assert f"4 data sets fetched into {tmp_path / 'cache'}, 86 not fetched." in answer
    assert "no abalone/abalone_R.dat; it holds ./zoo/" in answer
    assert "Not redistributable: a19/titanic." in answer
    assert "4 of 4 data sets match the published data." in ran(
        "verify", "a19/zoo", "a19/iris", "a19/titanic", "a19/lenses"
    )
    facts = {fact["name"]: fact for fact in json.loads(ran("list", "--json"))["data_sets"]}
    assert facts["a19/zoo"]["location"] == "cache"
    assert facts["a19/zoo"]["file"] == str(tmp_path / "cache" / "classification_fd" / "zoo" / "zoo_R.dat")
    assert len(archive.asked) == 1
    assert "0 data sets fetched" in ran("fetch", "a19/zoo", "wine")
    assert len(archive.asked) == 1
    found = json.loads(ran("fetch", "a19/lenses", "--again", "--json", code=1))
    assert found["cache"] == str(tmp_path / "cache")
    assert {"name": "a19/lenses", "reason": None}.items() <= found["data_sets"][0].items()


def test_fetching_without_a_connection_says_what_to_do(archive, monkeypatch):
    with serving() as gone:
        monkeypatch.setenv("http_proxy", gone.address)
    answer = ran("fetch", "a19/zoo", code=1)
    assert "cannot be reached" in answer and "--data-dir" in answer
    assert "0 data sets fetched" in answer


@pytest.mark.parametrize(
    ("arguments", "message"), [((), "Missing argument"), (("--patience", "0", "iris"), "patience")]
)
def test_fetching_what_makes_no_sense(arguments, message):
    assert message in ran("fetch", *arguments, code=2)


def test_optical_digits_can_only_come_from_scikit_learn(monkeypatch):
    assert "no address to download it from" in ran("fetch", "optical-digits", "--again", code=1)
