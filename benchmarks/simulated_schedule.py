"""How a study's cells would fill a cluster: list scheduling of its cell graph, for 64 to 4,096 workers.

    python benchmarks/simulated_schedule.py --measured RUN ... [--study NAME ...] [--size full] [--seed S] [--split 60]

Without --study: the studies of all claims, each scheduled by itself, one after another, as `ntkbench claims` runs them,
and all at once. The order is the runner's own (the most expensive ready cell first). A cell takes the time that it took
in a run given by --measured; one that was not measured takes its planned work at the pace of the measured cells of its
backend, or, of a backend without any, of all. Only cells are simulated: no transfers, no analysis.

--split says what would be gained if ensembles that take longer were computed in parts of some of their members, which
the program does not do yet.
"""

from __future__ import annotations

import argparse
import heapq
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from ntkbench.api.claims import studies_of_claims
from ntkbench.execution.schedule import CellSchedule
from ntkbench.plugin.loading import load_registry
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

if TYPE_CHECKING:
    from ntkbench.plugin.cell import Cell

WORKERS = (1, 64, 256, 1024, 4096)
COLUMNS = ["cell_id", "status", "backend", "wall_seconds"]


@dataclass(frozen=True)
class Times:
    """Seconds by cell, and the number of cells that were measured."""

    seconds: dict[str, float]
    measured: int


def measured_seconds(runs: Iterable[Path]) -> dict[str, float]:
    """Return the measured time of each finished cell of some runs, or of all runs below a folder."""
    files = [file for run in runs for file in run.rglob("cells/*.parquet")]
    rows = [row for file in files for row in pq.read_table(file, columns=COLUMNS).to_pylist()]
    return {row["cell_id"]: row["wall_seconds"] for row in rows if row["status"] == "ok"}


def times_of(cells: Sequence[Cell], measured: dict[str, float], known: Sequence[Cell]) -> Times:
    """Return the time of each cell; ``known`` are the cells whose measured times give the pace."""
    paces: dict[str, list[float]] = defaultdict(list)
    for cell in known:
        if cell.cell_id in measured and cell.estimate.flops:
            paces[cell.backend].append(measured[cell.cell_id] / cell.estimate.flops)
    if not paces:
        raise SystemExit("none of the measured runs has a cell of these studies: another seed, size or version?")
    every = median([pace for group in paces.values() for pace in group])
    pace = {backend: median(group) for backend, group in paces.items()}
    shortest = min(measured.values())
    seconds = {
        cell.cell_id: measured.get(cell.cell_id) or max(shortest, cell.estimate.flops * pace.get(cell.backend, every))
        for cell in cells
    }
    return Times(seconds, sum(cell.cell_id in measured for cell in cells))


def split(cells: Sequence[Cell], seconds: dict[str, float], longest: float) -> tuple[list[Cell], dict[str, float]]:
    """Return the cells and their times with ensembles in parts by members, none longer than ``longest`` if possible."""
    found, times = [], {}
    for cell in cells:
        parts = max(1, min(cell.members, math.ceil(seconds[cell.cell_id] / longest))) if cell.role == "subject" else 1
        for part in range(parts):
            key = cell.cell_id if parts == 1 else f"{cell.cell_id}-{part}"
            found.append(replace(cell, cell_id=key))
            times[key] = seconds[cell.cell_id] / parts
    return found, times


def makespan(cells: Sequence[Cell], seconds: dict[str, float], workers: int) -> float:
    """Return when the last cell ends if each idle worker takes the next ready cell."""
    schedule = CellSchedule(cells, solved=(), failed={})
    running: list[tuple[float, str]] = []
    now = 0.0
    while schedule.left():
        while len(running) < workers and (cell := schedule.take()):
            heapq.heappush(running, (now + seconds[cell.cell_id], cell.cell_id))
        now, ended = heapq.heappop(running)
        schedule.finish(ended, ok=True, outcome="ok")
    return now


def critical_path(cells: Sequence[Cell], seconds: dict[str, float]) -> list[Cell]:
    """Return the longest chain of cells that wait for each other, its first cell first."""
    by_id = {cell.cell_id: cell for cell in cells}
    ends: dict[str, float] = {}

    def end(cell: Cell) -> float:
        if cell.cell_id not in ends:
            waits = max((end(by_id[key]) for key in cell.references.values() if key in by_id), default=0.0)
            ends[cell.cell_id] = waits + seconds[cell.cell_id]
        return ends[cell.cell_id]

    path = [max(cells, key=end)]
    while before := [by_id[key] for key in path[0].references.values() if key in by_id]:
        path.insert(0, max(before, key=end))
    return path


def show(title: str, cells: Sequence[Cell], times: Times, workers: Sequence[int], part: float) -> None:
    """Print the table of one cell graph, its critical path, and its longest cells."""
    seconds = times.seconds
    total = sum(seconds[cell.cell_id] for cell in cells)
    path = critical_path(cells, seconds)
    longest = sum(seconds[cell.cell_id] for cell in path)
    print(f"\n{title}: {len(cells)} cells ({times.measured} measured), {total:.0f} s of work")
    parts, of_parts = split(cells, seconds, part)
    print(f"{'workers':>8}  {'seconds':>9}  {'speed-up':>8}  {'at most':>8}  in parts of {part:g} s: seconds, speed-up")
    for count in workers:
        took, least = makespan(cells, seconds, count), max(total / count, longest)
        split_up = makespan(parts, of_parts, count)
        print(
            f"{count:>8}  {took:>9.1f}  {total / took:>8.1f}  {total / least:>8.1f}"
            f"  {split_up:>22.1f}  {total / split_up:>8.1f}"
        )
    print(f"critical path, {longest:.1f} s: {' -> '.join(map(described, path))}")
    for cell in sorted(cells, key=lambda cell: -seconds[cell.cell_id])[:3]:
        print(f"  long: {seconds[cell.cell_id]:7.1f} s  {described(cell)}")


def described(cell: Cell) -> str:
    """Return a cell in words."""
    width = "" if cell.width is None else f" width {cell.width}"
    return f"{cell.study} {cell.task} {cell.label}{width}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", action="append", default=[])
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--seed", type=int, help="the seed of the measured runs, if it is not the studies' own")
    parser.add_argument("--measured", type=Path, action="append", required=True)
    parser.add_argument("--split", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--workers", type=int, action="append")
    options = parser.parse_args()
    registry, workers = load_registry(), options.workers or WORKERS
    names = options.study or list(studies_of_claims(registry))
    plans = {
        (name, size): make_plan(resolve_study(name, registry, Overrides(size=size, seed=options.seed)), registry).cells
        for name in names
        for size in {options.size, "small"}
    }
    measured = measured_seconds(options.measured)
    known = [cell for cells in plans.values() for cell in cells]
    wanted = {name: plans[name, options.size] for name in names}
    if len(names) <= 3:
        for name, cells in wanted.items():
            show(name, cells, times_of(cells, measured, known), workers, options.split)
        return
    every = tuple({cell.cell_id: cell for cells in wanted.values() for cell in cells}.values())
    times = times_of(every, measured, known)
    show(f"{len(names)} studies at once", every, times, workers, options.split)
    print("\none study after another:")
    for count in workers:
        print(f"{count:>8}  {sum(makespan(cells, times.seconds, count) for cells in wanted.values()):>9.1f} s")


if __name__ == "__main__":
    main()
