"""``ntkbench claims``: the scoreboard of the theory's claims."""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any

import click

from ..plugin.options import JSON_OPTION
from .options import claims_options

if TYPE_CHECKING:
    from ..api.claims import Board, WatcherOf

CELLS_FAILED, CLAIM_FAILED, INTERRUPTED = 1, 3, 130


@click.command("claims")
@click.argument("claims", nargs=-1, metavar="[C1 ...]")
@claims_options
@JSON_OPTION
def claims_command(claims: tuple[str, ...], **options: Any) -> None:
    """Measure the claims of the theory and print their verdicts.

    CLAIMS are some of C1 to C17; default: all. Runs the studies of each, one folder per study under --out, and judges
    them as one family. Rerunning skips finished cells. On several seeds, each has its own folder. Exit code 3: a claim
    failed.
    """
    from .progress import StudyDisplays
    from .scoreboard import board_record, show_board

    if options["budget"] is not None and options["until"] is None:
        raise click.UsageError("--budget needs --until decided")
    if options["until"] is not None and len(options["seeds"]) > 1:
        raise click.UsageError("--until decided takes one --seed, the first")

    with StudyDisplays(quiet=options["quiet"] or options["as_json"], verbose=options["verbose"]) as displays:
        board = _board(tuple(claim.upper() for claim in claims), options, displays.of)
    if options["as_json"]:
        click.echo(json.dumps(board_record(board), indent=2))
    else:
        show_board(board)
    _exit(board)


def _board(claims: tuple[str, ...], options: dict[str, Any], watcher_of: WatcherOf) -> Board:
    from pathlib import Path

    from ..api.claims import run_claims
    from ..api.seeds import run_on_seeds, run_until_decided
    from .run import run_options

    seeds, out = options["seeds"], Path(options["out"])
    common: Any = {"size": options["size"], "out": out, "options": run_options(options), "watcher_of": watcher_of}
    if options["until"] is not None:
        return run_until_decided(claims, *seeds, budget=options["budget"] or inf, **common)
    if len(seeds) > 1:
        return run_on_seeds(claims, seeds, **common)
    return run_claims(claims, seed=seeds[0] if seeds else None, **common)


def _exit(board: Board) -> None:
    """Exit with the code of the outcome."""
    if board.interrupted:
        click.echo("Interrupted. Rerun the command to continue.", err=True)
        raise click.exceptions.Exit(INTERRUPTED)
    if any(score.verdict == "fails" for score in board.report.scores):
        raise click.exceptions.Exit(CLAIM_FAILED)
    if any(session.summary.failures for session in board.sessions):
        raise click.exceptions.Exit(CELLS_FAILED)
