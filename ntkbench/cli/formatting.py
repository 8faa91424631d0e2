"""Cells, times and sizes in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..study.plan import Cell


def cell_words(cell: Cell) -> str:
    """Return a cell in a few words: ``synthetic/circle network width 512``."""
    width = cell.width if not isinstance(cell.width, tuple) else "x".join(map(str, cell.width))
    split = f" split {cell.split_index}" if cell.split_index else ""
    return f"{cell.task}{split} {cell.label}" + (f" width {width}" if width is not None else "")


def too_large(cells: Iterable[Cell], memory: float) -> str | None:
    """Return a sentence about the cells that need more than ``memory`` bytes by their estimates, None without any."""
    large = sorted((cell for cell in cells if cell.estimate.bytes > memory), key=lambda cell: -cell.estimate.bytes)
    if not large:
        return None
    which = f"{len(large)} cells need" if len(large) > 1 else "1 cell needs"
    worst = f"{cell_words(large[0])} ({quantity(large[0].estimate.bytes, 'B')})"
    return f"{which} more than this machine's memory, {quantity(memory, 'B')}, by estimate; most of all {worst}"


def duration(seconds: float) -> str:
    """Return ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def quantity(value: float, unit: str) -> str:
    """Return a number with a metric prefix: ``1.2 GB``, ``3.4 Tflop``."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(value) < 999.5 or prefix == "P":
            break
        value /= 1000
    return f"{value:.3g} {prefix}{unit}"
