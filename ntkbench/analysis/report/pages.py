"""Make and write the pages that a study names, each ``"module:function"``: ``function(results) -> Page``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NtkbenchError, PluginError
from ...plugin.guard import blaming, described
from ...plugin.page import Page
from ...plugin.specs import import_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ...plugin.result_tables import ResultTables


def study_pages(results: ResultTables, names: Sequence[str]) -> Iterator[tuple[str, Page | str]]:
    """Yield the pages ``names`` with the names of their functions; or, in place of a page that fails, the reason."""
    for name in names:
        yield name.rpartition(":")[2], _page(results, name)


def _page(results: ResultTables, name: str) -> Page | str:
    try:
        with blaming(f"page {name}"):
            page = import_target(name)(results)
            if not isinstance(page, Page):
                raise PluginError(f"page {name} is a {type(page).__name__}, expected a Page")
            page.markdown()
            return page
    except PluginError as error:
        return str(error) if error.__cause__ is None else described(error.__cause__)
    except NtkbenchError as error:
        return str(error)


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
