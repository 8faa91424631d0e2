"""Claims on several seeds: on those that are named, or on further ones until each verdict is decided.

A seed draws data, teachers and networks anew, so that pooled verdicts are about the claim and not about one data set.
Stopping when a verdict is decided looks at the data several times. There are at most :data:`LOOKS` looks, one after
each seed, and each gets an equal share of the allowed error (Bonferroni): however they depend on each other, a wrong
claim holds in at most 5 % of studies. What was decided at one look stays decided.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from .claims import Board, planned_studies, write_board

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..analysis.report.report import Report
    from ..analysis.verdicts.replication import Replicated, Replication, Same
    from .claims import WatcherOf
    from .run import Options, Session

LOOKS = 6
_FAIR = 0.05


def run_on_seeds(
    claims: Sequence[str], seeds: Sequence[int], *, size: str, out: Path, options: Options, watcher_of: WatcherOf
) -> Board:
    """Run, or resume, the studies of claims on each seed, in ``out/seed-<seed>/<study>``, and judge all together.

    :raises NtkbenchError: for an unknown claim, or a folder that cannot be used.
    """
    from ..analysis.report.report import replicated

    studies = planned_studies(claims, size, options, watcher_of)
    sessions: list[Session] = []
    reports: dict[int, Report] = {}
    for seed in dict.fromkeys(seeds):
        done, reports[seed] = studies.run(out / f"seed-{seed}", seed)
        sessions += done
        if any(session.summary.interrupted for session in done):
            break
    return _board(out, sessions, replicated(reports, studies.comparisons))


def run_until_decided(
    claims: Sequence[str],
    first_seed: int = 0,
    *,
    budget: float = inf,
    size: str,
    out: Path,
    options: Options,
    watcher_of: WatcherOf,
) -> Board:
    """Run the studies of claims on one seed after another until each verdict is decided, or the budget is spent.

    :param budget: in seconds. A study starts only if it fits, by its time on the seed before; the first seed is run
        as far as the budget goes.
    :raises NtkbenchError: for an unknown claim, or a folder that cannot be used.
    """
    studies = planned_studies(claims, size, options, watcher_of)
    clock, looks = _Clock(budget), _Looks(studies.comparisons)
    sessions: list[Session] = []
    for seed in range(first_seed, first_seed + LOOKS):
        done, report = studies.run(out / f"seed-{seed}", seed, clock.allows)
        clock.stop()
        sessions += done
        studies = replace(studies, names=looks.after(seed, report))
        if not studies.names or clock.spent or any(session.summary.interrupted for session in done):
            break
    return _board(out, sessions, looks.report)


def _board(out: Path, sessions: Sequence[Session], report: Report) -> Board:
    board = Board(out, tuple(sessions), report)
    if not board.interrupted:
        write_board(board)
    return board


@dataclass
class _Looks:
    """The looks at the seeds so far, and what each decided."""

    comparisons: int
    reports: dict[int, Report] = field(default_factory=dict)
    decided: dict[Same, Replicated] = field(default_factory=dict)

    def after(self, seed: int, report: Report) -> tuple[str, ...]:
        """Look at all seeds up to this one, and return the studies that are not decided yet."""
        self.reports[seed] = report
        for quantity in self._now.quantities:
            if quantity.decided:
                self.decided.setdefault(quantity.same, quantity)
        left = [q.pooled.rate.key.study for q in self._now.quantities if q.open and q.same not in self.decided]
        return tuple(dict.fromkeys(left))

    @property
    def report(self) -> Report:
        """What was decided, as at the look that decided it, and what is still open."""
        found = replace(
            self._now, quantities=tuple(self.decided.get(quantity.same, quantity) for quantity in self._now.quantities)
        )
        runs = tuple(run for report in self.reports.values() for run in report.runs)
        return replace(self._report, runs=runs, findings=found.findings, replication=found)

    @property
    def _report(self) -> Report:
        from ..analysis.report.report import replicated

        return replicated(self.reports, self.comparisons, _FAIR / LOOKS)

    @property
    def _now(self) -> Replication:
        found = self._report.replication
        assert found is not None, "reports of several seeds have one"
        return found


class _Clock:
    """The time that studies take, against a budget in seconds."""

    def __init__(self, budget: float) -> None:
        self._end = time.monotonic() + budget
        self._took: dict[str, float] = {}
        self._running: tuple[str, float] | None = None
        self.spent = False

    def allows(self, name: str) -> bool:
        """Whether a study may start, and if so, its start."""
        self.stop()
        now = time.monotonic()
        if now + self._took.get(name, 0.0) > self._end:
            self.spent = True
            return False
        self._running = (name, now)
        return True

    def stop(self) -> None:
        """Note the end of the study that runs, if one does."""
        if self._running is not None:
            name, start = self._running
            self._took[name] = time.monotonic() - start
            self._running = None
