"""A run's folder that is full, read-only or gone: one message, and never a failure of a cell."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Turn a failure of the system in the block into a message that names ``path``.

    :raises StoreError: for any OSError.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error


def is_of_the_disk(error: BaseException) -> bool:
    """Return whether an error says that a disk is full, read-only or broken, wherever it was met."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK
