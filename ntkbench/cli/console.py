"""Where tables are printed: as wide as the terminal, or wide enough for a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG_WIDTH = 150


def make_console() -> Console:
    """Return a console on standard output."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_LOG_WIDTH)


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; nothing in it is taken for markup, since a reason may hold square brackets."""
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(heading), overflow="fold", vertical="bottom")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    make_console().print(table)
