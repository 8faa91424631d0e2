"""Show the progress of a run: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ..api.run import NullProgress
from ..plugin.terminal import duration, make_console
from .formatting import cell_words, too_large

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ..execution.progress import Progress as RunProgress
    from ..execution.schedule import RunWork
    from ..plugin.cell import Cell
    from ..plugin.outcome import Outcome
    from ..study.plan import Plan

_LINE_SECONDS = 10.0


class QuietDisplay(NullProgress):
    """Shows nothing."""

    def __enter__(self) -> QuietDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class LineDisplay(QuietDisplay):
    """Prints lines on standard error: one per cell if verbose, else one every ten seconds."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self.console, self.verbose = console, verbose
        self._next = 0.0
        self._cells = self._done = 0

    def started(self, plan: Plan, work: RunWork, path: Path) -> None:
        """Print the run's folder and how many cells it will run."""
        self._cells = len(work.pending)
        done = sum(decision == "done" for decision in work.decisions.values())
        text = f"{plan.run_id}: {len(plan.cells)} cells, {done} finished before, {self._cells} to run, in {path}"
        self.console.print(text, soft_wrap=True)
        if warning := too_large(work.pending, work.schedule.memory):
            self.console.print(f"warning: {warning}", soft_wrap=True)
        self._next = time.monotonic() + _LINE_SECONDS

    def tick(self, progress: RunProgress, running: tuple[Cell, ...]) -> None:
        """Print the progress, at most every ten seconds."""
        if time.monotonic() >= self._next and running:
            self._next = time.monotonic() + _LINE_SECONDS
            names = "; ".join(cell_words(cell) for cell in running)
            self.console.print(f"{_estimate(progress)}: {names}", soft_wrap=True)

    def finished(self, cell: Cell, outcome: Outcome, progress: RunProgress) -> None:
        """Print how a cell ended: every cell if verbose, else only those that are not ok."""
        self._done += 1
        if self.verbose or outcome.status != "ok":
            took = "" if outcome.wall_seconds is None else f" in {duration(outcome.wall_seconds)}"
            reason = f": {outcome.reason}" if outcome.reason else ""
            text = f"[{self._done}/{self._cells}] {cell_words(cell)}: {outcome.status}{took}{reason}"
            self.console.print(text, soft_wrap=True)


class Bar(LineDisplay):
    """Draws a bar with an estimate of the time left."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        super().__init__(console, verbose=verbose)
        columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
        self._task: TaskID = self._bar.add_task("starting", total=1.0)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def tick(self, progress: RunProgress, running: tuple[Cell, ...]) -> None:
        """Redraw the bar."""
        names = "; ".join(cell_words(cell) for cell in running)
        self._bar.update(
            self._task, completed=progress.fraction, description=f"{_estimate(progress)}  {names}", refresh=True
        )


def _estimate(progress: RunProgress) -> str:
    left = progress.seconds_left
    ahead = "estimating the time left" if left is None else f"about {duration(left)} left"
    return f"{progress.fraction:4.0%} after {duration(progress.elapsed_seconds)}, {ahead}"


def make_progress_display(*, quiet: bool, verbose: bool) -> QuietDisplay:
    """Return the display that suits standard error."""
    console = make_console(stderr=True)
    if quiet:
        return QuietDisplay()
    return (Bar if console.is_terminal else LineDisplay)(console, verbose=verbose)


class StudyDisplays:
    """A progress display for one study after another; each prints its number."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._console = make_console(stderr=True)
        self._stack = ExitStack()

    def __enter__(self) -> StudyDisplays:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def of(self, number: int, count: int, seed: int | None) -> QuietDisplay:
        """Return the display of a study, and close that of the study before."""
        self._stack.close()
        if not self._quiet:
            place = "" if seed is None else f"seed {seed}, "
            self._console.print(f"{place}study {number} of {count}")
        return self._stack.enter_context(make_progress_display(quiet=self._quiet, verbose=self._verbose))
