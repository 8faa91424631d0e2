"""The executor for debugging a plugin: cells run in this process, so breakpoints work.

It enforces no timeout and survives no crash.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..plugin.executor import Event, Finished
from .solve_cell import run_job
from .threads import thread_environment

if TYPE_CHECKING:
    from ..plugin.executor import ExecutorContext
    from ..plugin.job import Job, WorkerConfig
    from ..plugin.registry import Registry


def inline(context: ExecutorContext) -> InlineExecutor:
    """Return the executor that runs cells in this process."""
    return InlineExecutor(context.registry, context.config)


class InlineExecutor:
    """Runs one job at a time, when asked for events."""

    def __init__(self, registry: Registry, config: WorkerConfig) -> None:
        """Limit the threads of numerical libraries; libraries loaded earlier may keep their own number."""
        from threadpoolctl import threadpool_limits

        os.environ.update({k: v for k, v in thread_environment(config.threads).items() if k not in os.environ})
        threadpool_limits(limits=config.threads)
        self._registry, self._config = registry, config
        self._job: Job | None = None

    def free(self) -> int:
        """Return 1 unless a job is waiting."""
        return 0 if self._job else 1

    def submit(self, job: Job) -> bool:
        """Keep a job for the next call of :meth:`events`."""
        self._job = job
        return True

    def events(self, timeout: float) -> list[Event]:
        """Run the waiting job to its end."""
        if self._job is None:
            return []
        job, self._job = self._job, None
        outcome = run_job(job, self._registry, self._config, _no_progress)
        return [Finished(job.cell.cell_id, outcome)]

    def release(self, cell_id: str) -> None:
        """Do nothing: solutions stay in the run's folder, for later sessions."""

    def close(self) -> None:
        """Do nothing: nothing runs between calls."""


def _no_progress(done: float, total: float) -> None:
    return None
