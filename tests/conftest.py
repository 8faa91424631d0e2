"""No test reads or fills the cache of downloads of whoever runs it."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NTKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
