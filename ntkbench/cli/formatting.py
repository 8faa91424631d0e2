"""Descriptions of cells for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugin.terminal import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..plugin.cell import Cell


def cell_words(cell: Cell) -> str:
    """Return a cell in a few words: ``synthetic/circle network width 512``."""
    width = cell.width or "x".join(map(str, cell.hidden_widths or ()))
    split = f" split {cell.split_index}" if cell.split_index else ""
    return f"{cell.task}{split} {cell.label}" + (f" width {width}" if width else "")


def too_large(cells: Iterable[Cell], memory: float) -> str | None:
    """Return a sentence about the cells that need more than ``memory`` bytes by their estimates, None without any."""
    large = sorted((cell for cell in cells if cell.estimate.bytes > memory), key=lambda cell: -cell.estimate.bytes)
    if not large:
        return None
    which = f"{len(large)} cells need" if len(large) > 1 else "1 cell needs"
    worst = f"{cell_words(large[0])} ({quantity(large[0].estimate.bytes, 'B')})"
    return f"{which} more than this machine's memory, {quantity(memory, 'B')}, by estimate; most of all {worst}"
