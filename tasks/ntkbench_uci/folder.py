"""The folder of data files: where it is, and files in it that are what they should be."""

from __future__ import annotations

import os
from pathlib import Path

from ntkbench.errors import DataError

VARIABLE = "NTKBENCH_DATA"


def missing(path: str) -> str | None:
    """Return why a file of the data folder, at ``path`` in it, cannot be read, or None if it is there."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"give its folder of data files as --data-dir, or set {VARIABLE}"
    if not (Path(folder) / path).is_file():
        return f"the data folder {folder} has no {path}"
    return None


def read_bytes(path: str, owner: str) -> bytes:
    """Return the content of a file of the data folder.

    :raises DataError: if there is no such folder, or no such file in it, for ``owner`` to read.
    """
    if reason := missing(path):
        raise DataError(f"{owner}: {reason}")
    return (Path(os.environ[VARIABLE]) / path).read_bytes()


def check_hash(content: bytes, expected: str, path: str, owner: str) -> None:
    """Make sure that a file is byte for byte the one that it should be.

    :raises DataError: if it is not.
    """
    from hashlib import sha256  # not at the top, since describing the tasks needs none

    if (found := sha256(content).hexdigest()) != expected:
        raise DataError(
            f"{owner} ({path}): the file has sha256 {found}, expected {expected}; something in it differs from the "
            "published file, so take a fresh copy"
        )
