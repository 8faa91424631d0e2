"""Pages a study names itself: tables as a paper prints them, each ``function(results) -> Page``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..specs import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..store.read import Results


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
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        return f"# {self.title}\n\n{table}\n\n" + "".join(f"{note}\n\n" for note in self.notes)


def study_pages(results: Results, names: Sequence[str]) -> Iterator[tuple[str, Page]]:
    """Yield the pages ``names`` with the names of their functions; one that cannot be made is a warning."""
    for name in names:
        try:
            yield name.rpartition(":")[2], resolve(name)(results)
        except Exception as error:
            warnings.warn(f"page {name} is not made: {type(error).__name__}: {error}", stacklevel=2)


def write_study_pages(results: Results, names: Sequence[str], folder: Path) -> list[Path]:
    """Write the pages ``names`` into ``folder`` as Markdown, named after their functions, and return the files."""
    written = []
    for name, page in study_pages(results, names):
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"{name}.md")
        written[-1].write_text(page.markdown(), encoding="utf-8")
    return written
