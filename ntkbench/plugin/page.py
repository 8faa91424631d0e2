"""Pages: tables for people. A study names functions that make them, each ``function(results) -> Page``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A table for people: ``rows`` hold a cell for each of the ``headings``; ``notes`` say what the numbers are."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return the page as Markdown."""
        lines = [self.headings, tuple("---" for _ in self.headings), *self.rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)
        return f"# {self.title}\n\n{table}\n\n" + "".join(f"{note}\n\n" for note in self.notes)
