"""The messages to a worker: its configuration, then one job after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..plugin.cell import Cell


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """How a worker runs. None of it changes a cell's identity; ``threads`` and ``device`` may change last bits."""

    threads: int = 1
    device: str = "cpu"
    plugins: tuple[str, ...] = ()
    data_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell to solve. ``solutions`` is the folder of solutions, ``key`` the key columns of its tables.

    Without a key there are no tables: the cell is solved only to refill the cache of solutions.
    """

    cell: Cell
    solutions: str
    scratch: str
    key: dict[str, Any] | None = None
