"""Decide which cells of a plan to run, and in which order, given what is already finished."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Literal

from ..store.solution_cache import has_solution

if TYPE_CHECKING:
    from pathlib import Path

    from ..plugin.cell import Cell
    from ..store.finished import Done
    from ..study.plan import Plan

Decision = Literal["run", "done", "failed before", "skip"]
FAILURES = frozenset({"failed", "timeout", "crashed", "out_of_memory", "diverged"})


def decide(cell: Cell, done: Mapping[str, Done], *, rerun_failed: bool) -> Decision:
    """Return what to do with a cell, given how its last attempt ended."""
    before = done.get(cell.cell_id)
    if before is not None and before.status == "ok":
        return "done"
    if cell.skip:
        return "skip"
    if before is not None and before.status in FAILURES and not rerun_failed:
        return "failed before"
    return "run"


class CellSchedule:
    """Cells still to run. A cell is ready once the solutions it reads exist; the most expensive ready cell goes first.

    Ready cells wait if, by their estimates, they do not fit into ``memory`` (bytes) beside the running ones; a cell
    larger than all of ``memory`` runs alone.
    """

    def __init__(
        self, cells: Iterable[Cell], solved: Iterable[str], failed: Mapping[str, str], memory: float = inf
    ) -> None:
        """Start with the cells to run, the cells whose solutions exist, and how the failed cells ended."""
        self._ready: dict[float, list[tuple[bool, float, int, Cell]]] = {}  # by bytes, each a heap
        self._missing: dict[str, set[str]] = {}
        self._readers: dict[str, list[Cell]] = {}
        self._blocked: list[tuple[Cell, str]] = []
        self._order = count()
        self.memory = memory
        self._running: dict[str, Cell] = {}
        self._unread: list[str] = []
        solved = set(solved)
        cells = tuple(cells)
        self._left = {cell.cell_id: cell for cell in cells}
        self._reads = Counter(key for cell in cells for key in set(cell.references.values()))
        for cell in cells:
            self._add(cell, set(cell.references.values()) - solved, failed)

    def _add(self, cell: Cell, missing: set[str], failed: Mapping[str, str]) -> None:
        if lost := [(label, key) for label, key in cell.references.items() if key in failed]:
            label, key = lost[0]
            self._blocked.append((cell, f'reference "{label}" {failed[key]}'))
        elif missing:
            self._missing[cell.cell_id] = missing
        else:
            self._push(cell)
        for key in missing:
            self._readers.setdefault(key, []).append(cell)

    def _push(self, cell: Cell) -> None:
        entry = (cell.role != "reference", -cell.estimate.flops, next(self._order), cell)
        heapq.heappush(self._ready.setdefault(cell.estimate.bytes, []), entry)

    def take(self) -> Cell | None:
        """Return a ready cell that fits into memory and count it as running; None if there is none."""
        held = sum(cell.estimate.bytes for cell in self._running.values())
        fitting = [
            (heap[0], size) for size, heap in self._ready.items() if not self._running or held + size <= self.memory
        ]
        if not fitting:
            return None
        _, size = min(fitting)
        cell = heapq.heappop(self._ready[size])[-1]
        if not self._ready[size]:
            del self._ready[size]
        self._running[cell.cell_id] = cell
        return cell

    def take_blocked(self) -> list[tuple[Cell, str]]:
        """Return the cells that can never run, with the reason, once each."""
        blocked, self._blocked = self._blocked, []
        return blocked

    def finish(self, cell_id: str, *, ok: bool, outcome: str) -> None:
        """Record how a cell ended: its readers become ready, or are blocked because their reference ``outcome``."""
        self._running.pop(cell_id, None)
        self._count_reads(self._left.pop(cell_id))
        for reader in self._readers.pop(cell_id, []):
            missing = self._missing.get(reader.cell_id)
            if missing is None:
                continue
            missing.discard(cell_id)
            if not ok:
                del self._missing[reader.cell_id]
                label = next(label for label, key in reader.references.items() if key == cell_id)
                self._blocked.append((reader, f'reference "{label}" {outcome}'))
            elif not missing:
                del self._missing[reader.cell_id]
                self._push(reader)

    def _count_reads(self, ended: Cell) -> None:
        """Note which solutions no cell will read any more, now that a cell has ended."""
        for key in set(ended.references.values()):
            self._reads[key] -= 1
            if not self._reads[key]:
                self._unread.append(key)
        if not self._reads[ended.cell_id]:
            self._unread.append(ended.cell_id)

    def readers(self, cell_id: str) -> int:
        """Return how many cells are still to read a cell's solution."""
        return self._reads[cell_id]

    def take_unread(self) -> list[str]:
        """Return the cells whose solutions no later cell reads, once each."""
        unread, self._unread = self._unread, []
        return unread

    def left(self) -> bool:
        """Return whether any cell is still ready, running, waiting or not yet reported as blocked."""
        return bool(self._ready or self._missing or self._blocked or self._running)


@dataclass(frozen=True)
class RunWork:
    """The work of a run: decisions by cell, the cells to run, those to recompute for the cache, and the schedule."""

    decisions: dict[str, Decision]
    pending: tuple[Cell, ...]
    refill: tuple[Cell, ...]
    schedule: CellSchedule

    def rewritten(self, done: Mapping[str, Done]) -> list[str]:
        """Return the cells whose rows this session writes again: those to run, and those now skipped that were not."""
        skipped = (key for key, decision in self.decisions.items() if decision == "skip" and key in done)
        pending = (cell.cell_id for cell in self.pending)
        return [*pending, *(key for key in skipped if done[key].status != "skipped")]


def plan_work(
    plan: Plan, done: Mapping[str, Done], solutions: Path, *, rerun_failed: bool, memory: float = inf
) -> RunWork:
    """Return the missing cells of a plan, and those to recompute for them, scheduled within ``memory`` bytes."""
    decisions = {cell.cell_id: decide(cell, done, rerun_failed=rerun_failed) for cell in plan.cells}
    cells = plan.by_id()
    pending = {key: cells[key] for key, decision in decisions.items() if decision == "run"}
    lost = [key for key, decision in decisions.items() if decision in ("skip", "failed before")]
    failed = {key: _past(key, done, cells) for key in lost}
    refill: dict[str, Cell] = {}
    solved: dict[str, bool] = {}  # of the references that are read, and only of those: it takes reading them whole
    for cell in reversed(plan.cells):
        if cell.cell_id in pending or cell.cell_id in refill:
            for key in (key for key in cell.references.values() if decisions[key] == "done"):
                solved[key] = solved[key] if key in solved else has_solution(solutions, key)
                if not solved[key]:
                    refill[key] = cells[key]
    ready = [key for key, whole in solved.items() if whole]
    schedule = CellSchedule([*refill.values(), *pending.values()], ready, failed, memory)
    return RunWork(decisions, tuple(pending.values()), tuple(refill.values()), schedule)


def _past(cell_id: str, done: Mapping[str, Done], cells: Mapping[str, Cell]) -> str:
    if reason := cells[cell_id].skip:
        return f"is skipped: {reason}"
    return f"ended earlier as {done[cell_id].status}"
