"""The folder of UCI files: ``NTKBENCH_DATA``, else ``../shared/uci`` beside the repository."""

import os
from pathlib import Path

import pytest
from faulty_server import serving

BESIDE = Path(__file__).parents[3] / "shared" / "uci"
FOLDER = Path(os.environ.get("NTKBENCH_DATA") or BESIDE)  # read before any test takes the variable away


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


@pytest.fixture
def server():
    """Serve files on this machine; see ``faulty_server``."""
    with serving() as files:
        yield files
