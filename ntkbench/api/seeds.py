"""Claims on several seeds: on those that are named, or on further ones until each verdict is decided.

A seed draws data, teachers and networks anew, so that pooled verdicts are about the claim and not about one data set.
Stopping when a verdict is decided looks at the data several times. The first look is at three seeds, since fewer say
little about how far data sets differ. :data:`LOOKS` looks are the most, and each has an equal share of the allowed
error (Bonferroni). What was decided at one look stays decided. A budget that ends before the third seed leaves a look
at those that ran.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from ..errors import NtkbenchError
from .claims import Board, planned_studies, write_board

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..analysis.report.report import Report
    from ..analysis.verdicts.replication import Replicated, Replication, Same
    from .claims import WatcherOf
    from .run import Options, Session

FIRST_SEED = 101
"""Where ``--until decided`` starts: bands and allowances were chosen after seeing smaller ones (docs/protocol.md)."""
AT_FIRST = 3
LOOKS = 4


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
    first_seed: int = FIRST_SEED,
    *,
    budget: float = inf,
    size: str,
    out: Path,
    options: Options,
    watcher_of: WatcherOf,
) -> Board:
    """Run the studies of claims on one seed after another until each verdict is decided, or the budget is spent.

    :param budget: in seconds. On the first seed, no study starts after it; on later ones, a study starts only if it
        fits, by its time on the seed before. Studies that never ran are inconclusive.
    :raises NtkbenchError: for an unknown claim, a folder that cannot be used, or a budget in which nothing runs.
    """
    studies = planned_studies(claims, size, options, watcher_of)
    clock, looks, asked = _Clock(budget), _Looks(studies.comparisons), studies.names
    sessions: list[Session] = []
    for number, seed in enumerate(range(first_seed, first_seed + AT_FIRST + LOOKS - 1), start=1):
        done, report = studies.run(out / f"seed-{seed}", seed, clock.allows)
        clock.stop()
        sessions += done
        looks.reports[seed] = report
        over = clock.spent or any(session.summary.interrupted for session in done)
        if over or number >= AT_FIRST:
            studies = replace(studies, names=looks.look())
        if over or not studies.names:
            break
    ran = {session.plan.study.study.name for session in sessions}
    if not ran:
        raise NtkbenchError(f"no study runs in {budget:g} s: give --budget more time")
    never = studies.never_ran([name for name in asked if name not in ran], first_seed)
    found = looks.report
    return _board(out, sessions, replace(found, findings=(*found.findings, *never)))


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

    def look(self) -> tuple[str, ...]:
        """Look at all seeds so far, and return the studies that are not decided yet."""
        quantities = self._now.quantities
        for quantity in quantities:
            if quantity.decided:
                self.decided.setdefault(quantity.same, quantity)
        left = [q.pooled.rate.key.study for q in quantities if q.open and q.same not in self.decided]
        return tuple(dict.fromkeys(left))

    @property
    def report(self) -> Report:
        """What was decided, as at the look that decided it, and what is still open; each seed's own of all."""
        from ..analysis.report.report import Report

        kept = {same: quantity.pooled for same, quantity in self.decided.items()}
        now = self._now
        found = replace(now, quantities=tuple(replace(q, pooled=kept.get(q.same, q.pooled)) for q in now.quantities))
        runs = tuple(run for report in self.reports.values() for run in report.runs)
        return Report(runs, found.findings, found.comparisons, found)

    @property
    def _now(self) -> Replication:
        from ..analysis.verdicts.judge import ERROR
        from ..analysis.verdicts.replication import replication

        boards = {seed: report.findings for seed, report in self.reports.items()}
        return replication(boards, self.comparisons, ERROR / LOOKS)


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
