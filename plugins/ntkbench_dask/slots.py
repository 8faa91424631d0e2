"""The processes in which a Dask worker solves cells: one per thread, kept for the next cell for a while."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ntkbench.plugin.executor import Executor

IDLE_SECONDS = 30.0
_Key = tuple[str, object]
_lock = threading.Lock()
_idle: dict[_Key, tuple[Executor, threading.Timer]] = {}
_thread = threading.local()


@contextmanager
def slot_of_thread(run: str, new: Callable[[], Executor]) -> Iterator[Executor]:
    """Lend the slot that this thread keeps for a run, or a new one; it is closed if the block raises.

    A slot is used by one thread only: Linux ends a process with the thread that has started it.
    """
    key = (run, _own_token())
    slot = _take(key) or new()
    try:
        yield slot
    except BaseException:
        slot.close()
        raise
    timer = threading.Timer(IDLE_SECONDS, _close, [key, slot])
    timer.daemon = True
    with _lock:
        _idle[key] = slot, timer
    timer.start()


def close_slots(run: str) -> None:
    """Close the idle slots of a run."""
    with _lock:
        keys = [key for key in _idle if key[0] == run]
    for key in keys:
        if slot := _take(key):
            slot.close()


def _own_token() -> object:
    """Return an object that is this thread's own; its number may be given to another thread later."""
    if not hasattr(_thread, "token"):
        _thread.token = object()
    return _thread.token


def _take(key: _Key) -> Executor | None:
    with _lock:
        slot, timer = _idle.pop(key, (None, None))
    if timer is not None:
        timer.cancel()
    return slot


def _close(key: _Key, slot: Executor) -> None:
    with _lock:
        if _idle.get(key, (None, None))[0] is not slot:
            return  # another cell has taken it
        del _idle[key]
    slot.close()
