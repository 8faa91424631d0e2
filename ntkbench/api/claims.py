"""Run the studies of all claims, one run per study, and judge them together: the scoreboard."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NtkbenchError, suggestion
from ..plugin.registry import load_registry
from ..study.load import Overrides
from ..study.plan import make_plan
from ..study.resolve import resolve_study
from ..theory.claims import STATEMENTS
from .run import NullProgress, Options, RunListener, Session, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..analysis.report.report import Report
    from ..analysis.verdicts.expected_rows import PlannedStudy
    from ..plugin.registry import Registry

BOARD = "scoreboard"


@dataclass(frozen=True)
class Board:
    """The sessions of all studies, and one report on them, judged as one family."""

    path: Path
    sessions: tuple[Session, ...]
    report: Report


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
    claim = tomllib.loads(path.read_text(encoding="utf-8")).get("claim", {}).get("id")
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
    watcher_of: Callable[[int, int], RunListener | NullProgress],
) -> Board:
    """Run, or resume, the studies of claims, each in ``out/<study>``, and judge them as one family.

    The family is that of all claims, whichever were asked for (:func:`comparisons_of_claims`).

    :param watcher_of: called with a study's number, from 1, and how many there are.
    :raises NtkbenchError: for an unknown claim, or a folder that cannot be used.
    """
    from ..analysis.report.report import joined
    from ..analysis.verdicts.judge import never_measured

    registry, overrides = load_registry(options.plugins), Overrides(seed=seed, size=size)
    names = list(studies_of_claims(registry, claims))
    sessions: list[Session] = []
    for number, name in enumerate(names, start=1):
        session = execute(name, overrides, options, out / name, watcher_of(number, len(names)))
        sessions.append(session)
        if session.summary.interrupted:
            break
    left = [f for name in names[len(sessions) :] for f in never_measured(_plan_of(name, registry, overrides))]
    report = joined([session.report for session in sessions], comparisons_of_claims(registry, size), left)
    board = Board(out, tuple(sessions), report)
    if not any(session.summary.interrupted for session in sessions):
        _write(board)
    return board


def _write(board: Board) -> None:
    """Write the scoreboard's table and its pages beside the runs."""
    from ..analysis.report.scoreboard_page import scoreboard_page
    from ..analysis.report.summary_page import draw_summary
    from ..analysis.verdicts.table import as_table
    from ..store.arrow import from_frame, write_parquet

    folder = board.path / "verdicts"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{BOARD}.parquet"
    write_parquet(from_frame("verdicts", as_table(board.report.findings)), file, file.with_suffix(".part"), sync=False)
    (board.path / f"{BOARD}.md").write_text(
        scoreboard_page(board.report.scores, board.report.compared), encoding="utf-8"
    )
    for kind in ("png", "svg"):
        draw_summary(board.report.scores, board.path / f"{BOARD}.{kind}")
