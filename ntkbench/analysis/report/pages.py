"""Make and write the pages that a study names, each ``"module:function"``: ``function(results) -> Page``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NtkbenchError
from ...plugin.specs import import_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ...plugin.page import Page
    from ...plugin.result_tables import ResultTables


def study_pages(results: ResultTables, names: Sequence[str]) -> Iterator[tuple[str, Page | str]]:
    """Yield the pages ``names`` with the names of their functions; or, in place of a page that fails, the reason."""
    for name in names:
        short = name.rpartition(":")[2]
        try:
            yield short, import_target(name)(results)
        except NtkbenchError as error:
            yield short, str(error)
        except Exception as error:
            yield short, f"{type(error).__name__}: {error}"


def write_study_pages(results: ResultTables, names: Sequence[str], folder: Path) -> list[Path]:
    """Write the pages ``names`` into ``folder`` as Markdown, named after their functions, and return the files.

    The run's tables are already written, so a page that fails is left out and stops nothing.
    """
    written = []
    for name, page in study_pages(results, names):
        if isinstance(page, str):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"{name}.md")
        written[-1].write_text(page.markdown(), encoding="utf-8")
    return written
