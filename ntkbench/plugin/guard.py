"""Calls into plugins: whatever one raises, prints or does not return from is reported with its name."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import NtkbenchError, PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTICE_SECONDS = 5.0
_KEPT_BYTES = 4000
_LONGEST_QUOTE = 80
_calls: list[tuple[str, float]] = []
_CORE = str(Path(__file__).parents[1])
_LIBRARY = str(Path(os.__file__).parent)


def described(error: BaseException) -> str:
    """Return ``RuntimeError: not today (acme.py, line 3)``; of an error of ntkbench's own only its message."""
    if isinstance(error, NtkbenchError):
        return str(error)
    try:
        message = str(error)
    except Exception:  # whose __str__ fails, too
        message = ""
    text = type(error).__name__ + (f": {message}" if message else "")
    place = None if isinstance(error, SyntaxError) else _place(error)
    return f"{text} ({place})" if place else text


def _place(error: BaseException) -> str | None:
    """Return the last file and line on the way to an exception that is neither ntkbench's nor Python's, or None."""
    from traceback import extract_tb

    frames = [frame for frame in extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None


def _is_ours(file: str) -> bool:
    """Return whether a file is part of the core or of Python itself."""
    library = file.startswith(_LIBRARY + os.sep) and "site-packages" not in file
    return library or file.startswith(("<", _CORE + os.sep))


@contextmanager
def entered(what: str) -> Iterator[None]:
    """Note that code of a plugin runs, for :func:`watching`; an interrupt prints where it struck."""
    _calls.append((what, time.monotonic()))
    try:
        with _exits_raised():
            yield
    except KeyboardInterrupt as error:
        if is_interrupt(error):
            print(f"ntkbench: interrupted in {what}", file=sys.__stderr__, flush=True)
        raise
    finally:
        _calls.pop()


def is_interrupt(error: BaseException) -> bool:
    """Return whether an exception is Ctrl-C itself, and no class of a plugin's own derived from it."""
    return type(error) is KeyboardInterrupt


@contextmanager
def _exits_raised() -> Iterator[None]:
    """Make ``os._exit``, which ends the process at once, raise SystemExit in this process and thread."""
    real, here = os._exit, (os.getpid(), threading.get_ident())

    def leave(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != here:
            real(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = leave
    try:
        yield
    finally:
        os._exit = real


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn whatever a plugin raises, exits included, into a :class:`PluginError`; what it prints goes to stderr.

    :raises PluginError: saying ``what`` failed, and where. Errors of ntkbench's own pass unchanged.
    """
    try:
        with entered(what), redirect_stdout(sys.stderr):
            yield
    except NtkbenchError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise PluginError(f"{what} failed: {described(error)}") from error


@contextmanager
def watching() -> Iterator[None]:
    """Print a line on standard error for each call of a plugin in the block that takes longer than a few seconds."""
    stream, done = sys.stderr, threading.Event()

    def watch() -> None:
        said: tuple[str, float] | None = None
        while not done.wait(_NOTICE_SECONDS / 5):
            now = _calls[-1] if _calls else None
            if now is not None and now != said and time.monotonic() - now[1] >= _NOTICE_SECONDS:
                said = now
                with suppress(OSError, ValueError):
                    print(
                        f"ntkbench: still waiting for {now[0]}, {_NOTICE_SECONDS:g} s so far", file=stream, flush=True
                    )

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _PrintedBytes(io.RawIOBase):
    """Keeps the beginning of what is written and counts the rest; once ended, passes everything on."""

    def __init__(self, behind: object) -> None:
        self.head, self.size, self.ended = b"", 0, False
        self._behind = behind

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._behind.fileno()  # type: ignore[attr-defined, no-any-return]

    def write(self, data: object) -> int:
        content = bytes(data)  # type: ignore[call-overload]
        if self.ended:  # a logging handler made meanwhile still holds this stream
            self._behind.write(content.decode(errors="replace"))  # type: ignore[attr-defined]
        else:
            self.size += len(content)
            self.head += content[: _KEPT_BYTES - len(self.head)]
        return len(content)


@dataclass
class Printed:
    """The output of a block: its size in bytes, and how it begins."""

    size: int = 0
    head: str = field(default="", repr=False)

    def sentence(self) -> str:
        """Return ``printed 3.1 MB, beginning with "hello"``; "" if nothing was printed."""
        if not self.size:
            return ""
        from .terminal import quantity

        first = next((line.strip() for line in self.head.splitlines() if line.strip()), "")
        quote = first if len(first) <= _LONGEST_QUOTE else first[: _LONGEST_QUOTE - 3] + "..."
        return f"printed {quantity(self.size, 'B')}" + (f', beginning with "{quote}"' if quote else "")


@contextmanager
def captured() -> Iterator[Printed]:
    """Keep standard output and error of the block off the screen; standard output also where C code writes to it."""
    import tempfile

    printed = Printed()
    raw = [_PrintedBytes(sys.stdout), _PrintedBytes(sys.stderr)]
    streams = [io.TextIOWrapper(part, "utf-8", "backslashreplace", write_through=True) for part in raw]  # type: ignore[type-var]
    with tempfile.TemporaryFile() as file:
        try:
            with redirect_stdout(streams[0]), redirect_stderr(streams[1]), _descriptor_to(file.fileno()):
                yield printed
        finally:
            for part in raw:
                part.ended = True
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            head = b"".join(part.head for part in raw) + file.read(_KEPT_BYTES)
            printed.size = size + sum(part.size for part in raw)
            printed.head = head.decode(errors="replace")


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send standard output of the block to standard error, also where C code writes to it."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))
        stack.enter_context(_descriptor_to(2))
        yield


@contextmanager
def _descriptor_to(target: int) -> Iterator[None]:
    """Point file descriptor 1 at ``target`` while the block lasts; do nothing where one of them is closed."""
    try:
        with suppress(OSError, ValueError, AttributeError):
            sys.__stdout__.flush()  # type: ignore[union-attr]
        before = os.dup(1)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(target, 1)
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)
