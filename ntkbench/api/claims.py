"""The scoreboard's way: the studies of each claim are run, one run per study, and judged together."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NtkbenchError, suggestion
from ..plugin.registry import load_registry
from ..store.read import load
from ..study.load import Overrides
from ..theory.claims import STATEMENTS
from .run import NullProgress, Options, RunListener, Session, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from ..analysis.verdicts.judge import Finding
    from ..analysis.verdicts.scoreboard import Score
    from ..plugin.registry import Registry
    from ..store.read import Results

BOARD = "scoreboard"


@dataclass(frozen=True)
class Board:
    """What came of all studies: their sessions, the findings they share, and the score of each claim."""

    path: Path
    sessions: tuple[Session, ...]
    results: Results
    findings: tuple[Finding, ...]
    scores: tuple[Score, ...]


def studies_of_claims(registry: Registry, claims: Sequence[str] = ()) -> dict[str, str]:
    """Return the names of the studies that measure claims, each with its claim, in the claims' order.

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
    """Run the studies of claims, each in ``out/<study>``, or go on with them, and judge them as one family.

    :param watcher_of: called with a study's number, from 1, and how many there are.
    :raises NtkbenchError: for a claim that is none, or a folder that cannot be used.
    """
    from ..analysis.verdicts.judge import as_table, judged_findings
    from ..analysis.verdicts.scoreboard import scores

    names = studies_of_claims(load_registry(options.plugins), claims)
    sessions: list[Session] = []
    for number, name in enumerate(names, start=1):
        session = execute(name, Overrides(seed=seed, size=size), options, out / name, watcher_of(number, len(names)))
        sessions.append(session)
        if session.summary.interrupted:
            break
    results = load(*(session.path for session in sessions))
    found = judged_findings(results, family="all")
    board = Board(out, tuple(sessions), results, tuple(found), tuple(scores(found)))
    if not any(session.summary.interrupted for session in sessions):
        _write(board, as_table(found))
    return board


def _write(board: Board, verdicts: pd.DataFrame) -> None:
    """Write the scoreboard's table and its pages beside the runs."""
    from ..analysis.report.scoreboard_page import scoreboard_page
    from ..analysis.report.summary_page import draw_summary
    from ..store.arrow import from_frame, write_parquet

    folder = board.path / "verdicts"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{BOARD}.parquet"
    write_parquet(from_frame("verdicts", verdicts), file, file.with_suffix(".part"), sync=False)
    (board.path / f"{BOARD}.md").write_text(scoreboard_page(board.scores), encoding="utf-8")
    for kind in ("png", "svg"):
        draw_summary(board.scores, board.path / f"{BOARD}.{kind}")
