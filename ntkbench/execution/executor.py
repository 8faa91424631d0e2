"""The interface of executors: accept jobs while there is room, and report events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..plugin.outcome import Outcome
    from .job import Job


@dataclass(frozen=True)
class Progressed:
    """A cell has completed this fraction of its work."""

    cell_id: str
    fraction: float


@dataclass(frozen=True)
class Finished:
    """A cell has ended, successfully or not."""

    cell_id: str
    outcome: Outcome


Event = Progressed | Finished


class Executor(Protocol):
    """Runs jobs somewhere."""

    def free(self) -> int:
        """Return how many more jobs can be submitted now."""

    def submit(self, job: Job) -> None:
        """Start a job."""

    def events(self, timeout: float) -> list[Event]:
        """Return what happened since the last call, waiting up to ``timeout`` seconds for something to happen."""

    def close(self) -> None:
        """Stop everything that is still running, at once."""
