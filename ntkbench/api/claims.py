"""Run the studies of all claims, one run per study, and judge them together: the scoreboard."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NtkbenchError, suggestion
from ..plugin.loading import load_registry
from ..study.load import Overrides
from ..study.plan import make_plan
from ..study.resolve import resolve_study
from ..theory.claims import STATEMENTS
from .run import NullProgress, Options, RunListener, Session, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from ..analysis.report.report import Report
    from ..analysis.verdicts.expected_rows import PlannedStudy
    from ..analysis.verdicts.judge import Finding
    from ..plugin.registry import Registry

    WatcherOf = Callable[[int, int, int | None], RunListener | NullProgress]

BOARD = "scoreboard"


@dataclass(frozen=True)
class Board:
    """The sessions of all studies, and one report on them, judged as one family."""

    path: Path
    sessions: tuple[Session, ...]
    report: Report

    @property
    def interrupted(self) -> bool:
        """Whether a study was interrupted."""
        return any(session.summary.interrupted for session in self.sessions)


def studies_of_claims(registry: Registry, claims: Sequence[str] = ()) -> dict[str, str]:
    """Return the studies that measure claims, as names with their claim, in the order of the claims.

    :param claims: ``C1`` to ``C17``; none: all of them.
    :raises NtkbenchError: for a claim that does not exist, or that no study measures.
    """
    for claim in claims:
        if claim not in STATEMENTS:
            raise NtkbenchError(f'no claim "{claim}"{suggestion(claim, STATEMENTS)} (claims: C1 to C17)')
    found = {spec.name: _claim_of(spec.path) for spec in registry.studies}
    wanted = {name: claim for name, claim in found.items() if claim and (not claims or claim in claims)}
    if missing := [claim for claim in claims if claim not in wanted.values()]:
        raise NtkbenchError(f"no study measures {', '.join(missing)}")
    return dict(sorted(wanted.items(), key=lambda pair: (int(pair[1][1:]), _natural(pair[0]))))


def comparisons_of_claims(registry: Registry, size: str) -> int:
    """Return m of the scoreboard: the judged comparisons that the studies of all claims plan at a size.

    It is counted from the studies alone, so that the verdict on a claim does not depend on which others were asked for.
    Studies that cannot be resolved here, since a plugin that they name is not installed, do not count.
    """
    from ..analysis.verdicts.expected_rows import comparisons_planned

    total = 0
    for name in studies_of_claims(registry):
        with suppress(NtkbenchError):
            total += comparisons_planned(_plan_of(name, registry, Overrides(size=size)))
    return total


def _plan_of(name: str, registry: Registry, overrides: Overrides) -> PlannedStudy:
    from ..analysis.verdicts.expected_rows import plan_of

    plan = make_plan(resolve_study(name, registry, overrides), registry)
    found = plan_of(plan.resolved, plan.run_id)
    assert found is not None, "studies of claims have one"
    return found


def _claim_of(path: Path) -> str | None:
    claim = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("claim", {}).get("id")
    return claim if isinstance(claim, str) else None


def _natural(name: str) -> list[object]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def run_claims(
    claims: Sequence[str],
    *,
    size: str,
    out: Path,
    seed: int | None,
    options: Options,
    watcher_of: WatcherOf,
) -> Board:
    """Run, or resume, the studies of claims, each in ``out/<study>``, and judge them as one family.

    The family is that of all claims, whichever were asked for (:func:`comparisons_of_claims`).

    :param watcher_of: called with a study's number, from 1, how many there are, and the seed.
    :raises NtkbenchError: for an unknown claim, or a folder that cannot be used.
    """
    studies = planned_studies(claims, size, options, watcher_of)
    sessions, report = studies.run(out, seed)
    board = Board(out, sessions, report)
    if not board.interrupted:
        write_board(board)
    return board


def planned_studies(claims: Sequence[str], size: str, options: Options, watcher_of: WatcherOf) -> Studies:
    """Return the studies of claims.

    :raises NtkbenchError: for an unknown claim.
    """
    registry = load_registry(options.plugins)
    names, comparisons = tuple(studies_of_claims(registry, claims)), comparisons_of_claims(registry, size)
    return Studies(registry, names, size, comparisons, options, watcher_of)


@dataclass(frozen=True)
class Studies:
    """The studies of claims at one size, which can be run on any seed; ``comparisons`` is m of all claims."""

    registry: Registry
    names: tuple[str, ...]
    size: str
    comparisons: int
    options: Options
    watcher_of: WatcherOf

    def run(
        self, out: Path, seed: int | None, goes_on: Callable[[str], bool] = lambda _: True
    ) -> tuple[tuple[Session, ...], Report]:
        """Run, or resume, the studies, each in ``out/<study>``, and judge them as one family of all claims.

        :param goes_on: whether a study, by its name, is to be run; what is left out says nothing.
        """
        from ..analysis.report.report import joined

        sessions: list[Session] = []
        left: list[str] = []
        for number, name in enumerate(self.names, start=1):
            if not goes_on(name):
                continue
            if sessions and sessions[-1].summary.interrupted:
                left.append(name)
                continue
            watcher = self.watcher_of(number, len(self.names), seed)
            sessions.append(execute(name, Overrides(seed=seed, size=self.size), self.options, out / name, watcher))
        never = self.never_ran(left, seed)
        return tuple(sessions), joined([session.report for session in sessions], self.comparisons, never)

    def never_ran(self, names: Sequence[str], seed: int | None) -> tuple[Finding, ...]:
        """Return the findings of studies that did not run: nothing, of all that they planned."""
        from ..analysis.verdicts.judge import never_measured

        plans = [_plan_of(name, self.registry, Overrides(seed=seed, size=self.size)) for name in names]
        return tuple(finding for plan in plans for finding in never_measured(plan))


def write_board(board: Board) -> None:
    """Write the scoreboard's tables and its pages beside the runs."""
    from ..analysis.report.replication_page import replication_page
    from ..analysis.report.scoreboard_page import scoreboard_page
    from ..analysis.report.summary_page import draw_summary
    from ..analysis.verdicts.table import as_table, replication_table

    report, seeds = board.report, board.report.replication
    _write_table(board.path, "verdicts", BOARD, as_table(report.findings))
    (board.path / f"{BOARD}.md").write_text(scoreboard_page(report), encoding="utf-8")
    if seeds is not None:
        _write_table(board.path, "replication", "replication", replication_table(seeds))
        (board.path / "replication.md").write_text(replication_page(seeds), encoding="utf-8")
    else:  # of an earlier call on several seeds
        for stale in (board.path / "replication.md", board.path / "verdicts" / "replication.parquet"):
            stale.unlink(missing_ok=True)
    for kind in ("png", "svg"):
        draw_summary(report.scores, board.path / f"{BOARD}.{kind}")


def _write_table(path: Path, schema: str, name: str, table: pd.DataFrame) -> None:
    from ..store.arrow import from_frame, parquet_bytes, sealed, write_bytes

    file = path / "verdicts" / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(parquet_bytes(sealed(from_frame(schema, table))), file, file.with_suffix(".part"), sync=False)
