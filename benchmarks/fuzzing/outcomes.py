"""What became of an input: accepted, refused with a message, or a fault."""

from __future__ import annotations

import resource
import signal
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ntkbench.errors import NtkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 5.0
BYTES = 2**30
LONGEST_MESSAGE = 20_000
_SHOWN = 600


class OverTimeError(BaseException):
    """An input has taken longer than it may."""


@dataclass
class Outcomes:
    """Counts of outcomes, and the inputs that were faults, with their numbers."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def take(self, given: object, use: Callable[[], Any]) -> None:
        """Use an input, and count how it ended."""
        started = time.process_time()  # not by the clock: other processes may have the machine
        how, said = _ended(use)
        seconds = time.process_time() - started
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            how, said = "slow", f"{seconds:.1f} s, then {how} {said}"
        self.counts[how] += 1
        if how not in ("accepted", "refused"):
            self.faults.append(f"{how}: {said}\n    {repr(given)[:_SHOWN]}")
            print(self.faults[-1], flush=True)


def _ended(use: Callable[[], Any]) -> tuple[str, str]:
    try:
        with _limited():
            use()
    except NtkbenchError as error:
        return _refusal(str(error))
    except OverTimeError:
        return "slow", "stopped"
    except BaseException as error:
        return "traceback", repr(error)[:_SHOWN]
    return "accepted", ""


def _refusal(message: str) -> tuple[str, str]:
    if not message.strip():
        return "empty message", ""
    if len(message) > LONGEST_MESSAGE:
        return "long message", f"{len(message)} characters"
    return "refused", ""


@contextmanager
def _limited() -> Iterator[None]:
    """Stop the block after some seconds of work, and let it allocate only so much more memory."""

    def stop(*_: object) -> NoReturn:
        raise OverTimeError

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)
