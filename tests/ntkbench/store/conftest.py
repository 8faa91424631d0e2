"""A finished run, read only, and copies to be changed."""

import shutil
from pathlib import Path

import pytest
from store_runs import TEXT
from toy_runs import session


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A finished run, not to be changed."""
    path = tmp_path_factory.mktemp("done") / "run"
    session(TEXT, path, executor="inline", analyse=True)
    return path


@pytest.fixture
def mine(done, tmp_path):
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))
