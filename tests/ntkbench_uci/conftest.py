"""A file server of this machine for the tests of downloads."""

import pytest
from faulty_server import serving


@pytest.fixture
def server():
    """Serve files on this machine; see ``faulty_server``."""
    with serving() as files:
        yield files
