"""Ctrl-C that is not lost: a library that is being imported may swallow the exception that it raises."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_seen = threading.Event()


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """Note each Ctrl-C while the context lasts, beside raising KeyboardInterrupt."""
    _seen.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: Any) -> None:
        _seen.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def was_interrupted() -> bool:
    """Return whether Ctrl-C was noted in the last context."""
    return _seen.is_set()


def raise_if_interrupted() -> None:
    """Raise the KeyboardInterrupt that something has swallowed.

    :raises KeyboardInterrupt: if Ctrl-C was noted.
    """
    if was_interrupted():
        raise KeyboardInterrupt
