"""Fixtures that write plugin files and make them be installed."""

import sys
from importlib import metadata

import pytest
from plugin_files import HEAD

from ntkbench.plugin import discovery


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that writes a plugin file; its module is forgotten afterwards."""
    before = set(sys.modules)

    def write(name, text, head=HEAD):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def installed(monkeypatch):
    """Return a function that makes entry points of plugin files, and nothing else, be installed."""

    def install(*files):
        points = [metadata.EntryPoint(file.stem, f"at.{file.stem}", "ntkbench") for file in files]
        places = {f"at.{file.stem}": file for file in files}
        monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "ntkbench" else [])
        monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: discovery._import_file(places[self.value]))

    return install
