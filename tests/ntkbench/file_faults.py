"""Faults at a chosen change to the files of a folder, such as a full disk from the third rename on."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_hooks: list[Callable[[str, tuple[Any, ...]], None]] = []
_installed: list[bool] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _hooks and (event == "open" or event in _CHANGES):
        _hooks[-1](event, arguments)


@contextmanager
def at_each_change(folder: Path, act: Callable[[int], None]) -> Iterator[list[str]]:
    """Call ``act`` with the number, from 0, of each change to ``folder`` before it happens: it fails as ``act`` does.

    Give the changes so far: opening a file for writing, renaming, removing, making and removing a folder.
    """
    if not _installed:
        sys.addaudithook(_audit)
        _installed.append(True)
    seen: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = str(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if not path.startswith(str(folder)) or (event == "open" and not int(arguments[2] or 0) & _WRITING):
            return
        seen.append(f"{event} {path[len(str(folder)) :]}")
        _hooks.append(lambda event, arguments: None)  # what ``act`` does itself does not count
        try:
            act(len(seen) - 1)
        finally:
            _hooks.pop()

    _hooks.append(hook)
    try:
        yield seen
    finally:
        _hooks.pop()
