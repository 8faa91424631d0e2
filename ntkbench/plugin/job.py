"""The messages to a worker: its configuration, then one job after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cell import Cell


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """How a worker runs. None of it changes a cell's identity; ``threads`` and ``device`` may change last bits."""

    threads: int = 1
    device: str = "cpu"
    plugins: tuple[str, ...] = ()
    data_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell to solve. ``key`` has the key columns of its tables.

    Without a key there are no tables: the cell is solved only for its solution. A reference writes its solution to the
    folder ``solutions/<cell_id>``, and a cell reads those of its references there. ``scratch`` is the folder for the
    backend's checkpoints. ``readers`` is the number of later cells that read this cell's solution.
    """

    cell: Cell
    solutions: str
    scratch: str
    readers: int = 0
    key: dict[str, Any] | None = None
