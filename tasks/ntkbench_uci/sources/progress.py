"""Show the progress of downloads and the time left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ntkbench.plugin.terminal import make_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    DownloadColumn(),
    TransferSpeedColumn(),
    TimeRemainingColumn(),
)


@contextmanager
def downloads(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a callback for progress: call it with an address, its bytes so far, and the total or None.

    On a terminal each address has a line; elsewhere, or if ``quiet``, nothing is shown.
    """
    console = make_console(stderr=True)
    with Progress(*_COLUMNS, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        lines = {}

        def progress_callback(url: str, done: int, whole: int | None) -> None:
            if url not in lines:
                lines[url] = bar.add_task(url.rpartition("/")[2], total=whole)
            bar.update(lines[url], completed=done, total=whole)

        yield progress_callback
