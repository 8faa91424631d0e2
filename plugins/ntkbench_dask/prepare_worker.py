"""Prepare Dask workers: compare their software with the runner's, and declare what cells may use of them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import distributed
from distributed import Status, WorkerPlugin

from ntkbench.plugin import memory_bytes

from .slots import close_slots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ntkbench.plugin.executor import Software
    from ntkbench.plugin.job import WorkerConfig

_GPUS = Path("/proc/driver/nvidia/gpus")
_UNLIMITED_BYTES = 1e18


class Resources:
    """The names of the resources that cells ask for, the same for all runs of the same software.

    A worker has them only if its software is the runner's: no cell is placed on another one.
    """

    def __init__(self, software: Mapping[str, str]) -> None:
        mark = hashlib.sha256(json.dumps(dict(software), sort_keys=True).encode()).hexdigest()[:8]
        self.threads, self.memory, self.gpu = (f"ntkbench-{mark}-{what}" for what in ("threads", "memory", "gpu"))


class PrepareWorker(WorkerPlugin):  # type: ignore[misc]
    """Runs on every worker, also on one that joins late."""

    def __init__(
        self, name: str, config: WorkerConfig, expected: Mapping[str, str], own: Software, strict: bool
    ) -> None:
        """Prepare for the run ``name``. ``own`` returns a worker's software, ``expected`` is the runner's."""
        self.name, self._config, self._expected, self._own, self._strict = name, config, dict(expected), own, strict

    async def setup(self, worker: distributed.Worker) -> None:
        """Declare the worker's threads, memory and GPU, unless its software is another."""
        differing = _differences(self._expected, self._own(self._config))
        if differing:
            worker.log_event(self.name, {"event": "differs", "worker": worker.address, "what": differing})
        if differing and self._strict:
            return
        names = Resources(self._expected)
        memory = worker.memory_manager.memory_limit or memory_bytes() or _UNLIMITED_BYTES
        declared = {names.threads: float(worker.state.nthreads), names.memory: float(memory), names.gpu: _gpus()}
        await _declare(worker, {name: value for name, value in declared.items() if value})

    def teardown(self, worker: distributed.Worker) -> None:
        """End the processes of this run."""
        close_slots(self.name)


async def _declare(worker: distributed.Worker, resources: dict[str, float]) -> None:
    """Declare resources, unless an earlier run has; then let the scheduler look at tasks that wait for a worker.

    It looks at them when a worker starts to run, which this one has done before it had resources.
    """
    if resources.items() <= worker.state.total_resources.items():
        return
    await worker.set_resources(**resources)
    if worker.status == Status.running:
        worker.status = Status.paused
        worker.status = Status.running


def _differences(expected: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    names = sorted({*expected, *own})
    pairs = [(name, expected.get(name, "none"), own.get(name, "none")) for name in names]
    return [f"{name} {here} here, {there} there" for name, here, there in pairs if here != there]


def _gpus() -> float:
    """Return 1 if this process sees a GPU: cells on one share it only if their workers were started so."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return float(visible.strip() not in ("", "-1"))
    return float(_GPUS.is_dir() and any(_GPUS.iterdir()))
