"""Prepare a Dask worker: compare its software with the runner's, and declare what cells may use of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distributed import Status

from ntkbench.plugin import memory_bytes

from .slots import close_slots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distributed import Worker

    from ntkbench.plugin.executor import Software
    from ntkbench.plugin.job import WorkerConfig

THREADS, MEMORY, GPU = "ntkbench-threads", "ntkbench-memory", "ntkbench-gpu"  # resources that all runs share
_PERMITS = 1e9
_GPUS = Path("/proc/driver/nvidia/gpus")
_UNLIMITED_BYTES = 1e18


@dataclass(frozen=True)
class PreparedWorker:
    """What a worker has for cells, and how its software differs from the runner's."""

    threads: float
    memory: float
    gpu: bool
    differences: tuple[str, ...]


def permit(software: Mapping[str, str]) -> str:
    """Return the resource that a worker has if cells that need this software may run on it."""
    mark = hashlib.sha256(json.dumps(dict(software), sort_keys=True).encode()).hexdigest()[:12]
    return f"ntkbench-{mark}"


async def prepare_worker(
    config: WorkerConfig, expected: Mapping[str, str], own: Software, strict: bool, dask_worker: Worker
) -> PreparedWorker:
    """Declare the worker's threads, memory and GPU as resources, unless ``strict`` and its software differs.

    ``own`` returns a worker's software, ``expected`` is the runner's.
    """
    memory = dask_worker.memory_manager.memory_limit or memory_bytes() or _UNLIMITED_BYTES
    differences = tuple(_differences(expected, own(config)))
    found = PreparedWorker(float(dask_worker.state.nthreads), float(memory), _sees_gpu(), differences)
    if not (strict and differences):
        declared = {THREADS: found.threads, MEMORY: found.memory, GPU: float(found.gpu), permit(expected): _PERMITS}
        await _declare(dask_worker, {name: value for name, value in declared.items() if value})
    return found


async def _declare(worker: Worker, resources: dict[str, float]) -> None:
    """Declare resources, unless an earlier run has; then let the scheduler look at tasks that wait for a worker.

    It looks at them when a worker starts to run, which this one has done before it had resources.
    """
    if resources.items() <= worker.state.total_resources.items():
        return
    await worker.set_resources(**resources)
    if worker.status == Status.running:
        worker.status = Status.paused
        worker.status = Status.running


def leave_worker(run: str, dask_worker: Worker) -> None:
    """End the idle processes of a run on this worker, and delete its files."""
    close_slots(run)
    shutil.rmtree(Path(dask_worker.local_directory) / run, ignore_errors=True)


def _differences(expected: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    names = sorted({*expected, *own})
    pairs = [(name, expected.get(name, "none"), own.get(name, "none")) for name in names]
    return [_difference(name, here, there) for name, here, there in pairs if here != there]


def _difference(name: str, here: str, there: str) -> str:
    """Return one difference in words; only versions mean something to a reader."""
    if name.startswith("code of "):
        return f"{name} is not the same"
    if name.startswith("--plugin "):
        return f"{name} is missing or another file there"
    return f"{name} {here} here, {there} there"


def _sees_gpu() -> bool:
    """Return whether this process sees a GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return visible.strip() not in ("", "-1")
    return _GPUS.is_dir() and any(_GPUS.iterdir())
