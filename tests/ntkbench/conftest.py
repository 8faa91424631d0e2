"""Fixtures of the core's tests: a study of the toy plugin, and a shell for the command line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from toy_runs import TOY, as_toml, session, shell, study

from ntkbench.errors import StudyError
from ntkbench.plugin.loading import load_registry
from ntkbench.study.load import Overrides
from ntkbench.study.resolve import resolve_study

if TYPE_CHECKING:
    from pathlib import Path

STUDY = """
schema = 1
name = "toy"
task = [{ name = "toy/line" }]
architecture = [{ depth = 1 }]
reference = [{ label = "ntk", backend = "toy-kernel" }]
subject = [{ label = "network", backend = "toy-network", widths = [4, 16, 64], members = 3, compare_with = ["ntk"] }]
training = { learning_rate = { fraction_of_max_stable = 0.5 }, steps = 10, records = 5 }
"""


@pytest.fixture
def toy_study(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def command(tmp_path: Path):
    """Return a function that runs ``ntkbench ...`` in an empty folder and returns the finished process."""
    return partial(shell, tmp_path)


@pytest.fixture
def toy(command, toy_study):
    """Return a function that runs the toy study with further arguments."""
    return lambda *arguments, **environment: command(
        "run", toy_study, "--plugin", TOY, "--out", "run", *arguments, **environment
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Return a folder with a study, toy.toml, and its finished run, run/; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.toml").write_text(as_toml(study()))
    session(folder / "toy.toml", folder / "run", executor="inline", analyse=True)
    return folder


@pytest.fixture(scope="session")
def registry():
    return load_registry([TOY])


@pytest.fixture
def complaint(registry):
    """Return a function that gives the lines a study is refused with."""

    def lines(source, **overrides):
        with pytest.raises(StudyError) as caught:
            resolve_study(source, registry, Overrides(**overrides))
        return str(caught.value).splitlines()

    return lines
