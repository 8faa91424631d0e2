"""No test touches the user's download cache; UCI files come from ``NTKBENCH_DATA`` or beside the repository."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "uci"
FOLDER = Path(os.environ.get("NTKBENCH_DATA") or BESIDE)  # read before any test takes the variable away


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def real_files():
    """Return the real folder of UCI files; skip, saying so, where there is none."""
    if not FOLDER.is_dir():
        pytest.skip("no folder of UCI files: set NTKBENCH_DATA to test against the real ones")
    return FOLDER


@pytest.fixture
def data_folder(monkeypatch, real_files):
    """Make the real folder of UCI files the program's, and return it."""
    monkeypatch.setenv("NTKBENCH_DATA", str(real_files))
    return real_files
