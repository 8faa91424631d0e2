"""The files of a scoreboard, where they cannot be written."""

import errno
import os
from types import SimpleNamespace

import pytest
from file_faults import at_each_change

from ntkbench.api.claims import write_board
from ntkbench.errors import StoreError


def test_a_scoreboard_that_cannot_be_written_is_one_message(tmp_path):
    report = SimpleNamespace(findings=(), replication=None, scores=())
    board = SimpleNamespace(path=tmp_path / "claims", report=report)
    board.path.mkdir()

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with at_each_change(board.path, full) as changes, pytest.raises(StoreError) as caught:
        write_board(board)
    assert str(caught.value) == f"{board.path}: cannot be written (No space left on device)"
    assert len(changes) == 1
    assert list(board.path.iterdir()) == []
