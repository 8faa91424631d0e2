"""The interface of executors: accept jobs while there is room, and report events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from .job import Job, WorkerConfig
    from .outcome import Outcome
    from .registry import Registry


@dataclass(frozen=True)
class Started:
    """A queued cell has begun; again if what ran it was lost and it runs elsewhere, as another attempt."""

    cell_id: str


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


Event = Started | Progressed | Finished


class Executor(Protocol):
    """Runs jobs somewhere. The solution of a reference stays available to later jobs until it is released."""

    def free(self) -> int:
        """Return how many more jobs can be submitted now."""

    def submit(self, job: Job) -> bool:
        """Start a job and return True, or queue it and return False; then :class:`Started` says when it starts.

        The solutions that it reads are finished, by this executor or in an earlier session.
        """

    def events(self, timeout: float) -> list[Event]:
        """Return what happened since the last call, waiting up to ``timeout`` seconds for something to happen.

        :raises NtkbenchError: if no job can finish any more.
        """

    def release(self, cell_id: str) -> None:
        """No later job reads this cell's solution."""

    def close(self) -> None:
        """Stop everything that is still running, at once."""


# ``slot(config, timeout, folder)`` returns an executor of one job at a time, in a process of its own; it can be pickled
# and called on another machine. A crash ends the job alone; ``folder`` is for temporary files.
Slot = Callable[["WorkerConfig", "float | None", Path], Executor]
# ``software(config)`` returns what has to be equal on all machines: versions by package, digests of code by file.
Software = Callable[["WorkerConfig"], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class ExecutorContext:
    """Everything an executor is made from.

    :param jobs: how many cells to run at a time on this machine.
    :param timeout: seconds a cell may take, or None.
    :param folder: for temporary files; deleted when the run ends.
    :param options: an instance of the spec's model of options.
    """

    jobs: int
    timeout: float | None
    config: WorkerConfig
    folder: Path
    options: Any
    registry: Registry
    slot: Slot
    software: Software


class NoOptions(BaseModel):
    """The options of an executor without any."""

    model_config = ConfigDict(extra="forbid")
