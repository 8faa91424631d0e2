"""What a worker gets: how it runs, and one cell after another to solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..plugin.cell import Cell


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """How a worker runs: none of it changes what a cell is, and threads alone may change its last bits."""

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
