"""The runner's overhead: 1,000 cells with nothing to compute, in two processes, each committed with one fsync.

    python benchmarks/runner_overhead.py [--cells 1000] [--jobs 2] [--executor processes] [--out DIR]

Prints wall and processor time per cell, beyond that of the cells' own work. Target: under 5 ms per cell, under 15 ms
with the executor dask, which then starts a cluster of as many threads in this process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

import ntkbench
from ntkbench.api.run import NullProgress, Options, execute
from ntkbench.plugin.specs import BackendSpec, Estimate, Sizes, TaskSpec
from ntkbench.plugin.types import Problem, Request, Solution
from ntkbench.study.load import Overrides

TARGETS_MS = {"processes": 5.0, "inline": 5.0, "dask": 15.0}


class Nothing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(parameters: Nothing, split_index: int, seed: int) -> Problem:
    x = np.random.default_rng([seed, split_index]).standard_normal((8, 2))
    return Problem(x_train=x[:4], y_train=x[:4, :1], x_test=x[4:], y_test=x[4:, :1])


def solve(request: Request) -> Solution:
    outputs = np.zeros((request.members, len(request.training.steps), 4, 1))
    return Solution(
        times=request.training.times,
        steps=request.training.steps,
        training=request.training,
        members_train=outputs,
        members_test=outputs,
        diverged_at=np.full(request.members, -1),
    )


@ntkbench.hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="overhead/points",
            version=1,
            summary="eight points",
            parameters=f"{__name__}:Nothing",
            target=f"{__name__}:load",
            sizes=lambda parameters: Sizes(4, 4, 2, 1, 1_000_000),
            fingerprint=lambda parameters: "",
        )
    ]


@ntkbench.hookimpl
def ntkbench_register_backends() -> list[BackendSpec]:
    return [
        BackendSpec(
            name="overhead",
            version=1,
            summary="networks that are zero",
            role="subject",
            parameters=f"{__name__}:Nothing",
            target=f"{__name__}:solve",
            supports=lambda architecture: None,
            estimate=lambda work: Estimate(1.0, 1.0),
        )
    ]


def study(cells: int) -> dict[str, Any]:
    """Return a study of a number of cells: ten widths, and enough splits."""
    return {
        "schema": 1,
        "name": "overhead",
        "task": [{"name": "overhead/points", "splits": max(1, cells // 10)}],
        "architecture": [{"depth": 1}],
        "subject": [{"label": "network", "backend": "overhead", "widths": list(range(1, 11)), "members": 2}],
        "training": {"learning_rate": 0.1, "steps": 10, "records": 2},
    }


class Clock(NullProgress):
    """Notes when the cells began and when the last was committed."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0

    def started(self, *about: Any) -> None:
        self.began = time.perf_counter()

    def finished(self, *about: Any) -> None:
        self.ended = time.perf_counter()


def cpu_seconds() -> tuple[float, float]:
    """Return the processor time of this process, and of its children that have ended."""
    here, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return here.ru_utime + here.ru_stime, below.ru_utime + below.ru_stime


class CpuClock(Clock):
    """Also notes the processor time of this process between the two."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_began = self.cpu_ended = 0.0

    def started(self, *about: Any) -> None:
        super().started(*about)
        self.cpu_began = cpu_seconds()[0]

    def finished(self, *about: Any) -> None:
        super().finished(*about)
        self.cpu_ended = cpu_seconds()[0]


def disk_seconds(folder: Path, files: int = 100) -> float:
    """Return the time of this disk to make, flush and rename a small file."""
    start = time.perf_counter()
    for i in range(files):
        with (folder / "part").open("wb") as file:
            file.write(bytes(10_000))
            file.flush()
            os.fsync(file.fileno())
        (folder / "part").replace(folder / str(i))
    return (time.perf_counter() - start) / files


def measure(cells: int, jobs: int, executor: str, out: Path) -> None:
    """Run the study once and print its times."""
    clock, start = CpuClock(), time.perf_counter()
    options = Options(jobs=jobs, executor=executor, plugins=(str(Path(__file__)),))
    found = execute(study(cells), Overrides(), options, out / "run", listener=clock)
    end = time.perf_counter()
    count = sum(found.summary.counts.values())
    assert found.summary.counts["ok"] == count, found.summary.counts
    work = found.results.cells["wall_seconds"].sum()
    wall = clock.ended - clock.began
    print(f"{count} cells, --jobs {jobs}, executor {executor}, one fsync per cell")
    print(f"before the first cell  {clock.began - start:8.2f} s   (plugins, plan, run.json)")
    print(f"cells                  {wall:8.2f} s   (workers starting, solving, committing)")
    print(f"after the last cell    {end - clock.ended:8.2f} s   (reading back, verdicts, figures)")
    print("per cell:")
    print(f"  wall                 {1e3 * wall / count:8.2f} ms")
    print(f"  work in a worker     {1e3 * work / count:8.2f} ms   (loading, solving, measuring)")
    overhead, target = 1e3 * (wall - work / jobs) / count, TARGETS_MS[executor]
    print(f"  overhead             {overhead:8.2f} ms   (target: under {target:g} ms)")
    print(f"  of it the disk alone {1e3 * disk_seconds(out):8.2f} ms   (one small file made, flushed, renamed)")
    print(f"  processor, runner    {1e3 * (clock.cpu_ended - clock.cpu_began) / count:8.2f} ms")
    print(f"  processor, workers   {1e3 * cpu_seconds()[1] / count:8.2f} ms   (with their start)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--executor", choices=TARGETS_MS, default="processes")
    parser.add_argument("--out", type=Path, help="an empty folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        measure(options.cells, options.jobs, options.executor, Path(folder))


if __name__ == "__main__":
    main()
