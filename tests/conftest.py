"""Tests are deterministic but for ``--hypothesis-profile random``; none touches the user's download cache.

UCI files come from ``NTKBENCH_DATA`` or from beside the repository.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

BESIDE = Path(__file__).parents[2] / "shared" / "uci"
FOLDER = Path(os.environ.get("NTKBENCH_DATA") or BESIDE)  # read before any test takes the variable away

# Nothing fails for taking long: the machine may have other work.
PATIENT = settings(database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deterministic", PATIENT, derandomize=True)
settings.register_profile("random", PATIENT, derandomize=False, print_blob=True)
settings.load_profile("deterministic")


@pytest.fixture(scope="session")
def session_seed(request):
    """Return 0, or the number given as ``--hypothesis-seed``, for tests that choose at random themselves."""
    return int(request.config.getoption("--hypothesis-seed") or 0)


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
