"""The outcome of a cell: its status and reason, its cost, and the columns of its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Status = Literal["ok", "failed", "timeout", "crashed", "out_of_memory", "diverged", "skipped", "interrupted"]
Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a cell. ``facts`` fill columns of its ``cells`` row; ``tables`` are the other tables, by name."""

    status: Status
    reason: str | None = None
    exception_type: str | None = None
    exception_message: str | None = None
    exit_signal: int | None = None
    wall_seconds: float | None = None
    peak_memory_bytes: int | None = None
    started_at: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    log: str = ""
