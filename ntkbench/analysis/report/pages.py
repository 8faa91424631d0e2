"""Pages a study names itself: tables as a paper prints them, each ``function(results) -> Page``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import NtkbenchError
from ...plugin.specs import import_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ...store.read import Results


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


def study_pages(results: Results, names: Sequence[str]) -> Iterator[tuple[str, Page | str]]:
    """Yield the pages ``names`` with the names of their functions; in place of one that cannot be made, the reason."""
    for name in names:
        short = name.rpartition(":")[2]
        try:
            yield short, import_target(name)(results)
        except NtkbenchError as error:
            yield short, str(error)
        except Exception as error:
            yield short, f"{type(error).__name__}: {error}"


def write_study_pages(results: Results, names: Sequence[str], folder: Path) -> list[Path]:
    """Write the pages ``names`` into ``folder`` as Markdown, named after their functions, and return the files.

    A page is an extra to a run whose tables are already written: one that cannot be made is left out.
    """
    written = []
    for name, page in study_pages(results, names):
        if isinstance(page, str):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"{name}.md")
        written[-1].write_text(page.markdown(), encoding="utf-8")
    return written
