"""``ntkbench claims``: the scoreboard of the theory's claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..plugin.options import JSON_OPTION
from .options import claims_options

if TYPE_CHECKING:
    from ..api.claims import Board

CELLS_FAILED, CLAIM_FAILED, INTERRUPTED = 1, 3, 130


@click.command("claims")
@click.argument("claims", nargs=-1, metavar="[C1 ...]")
@claims_options
@JSON_OPTION
def claims_command(claims: tuple[str, ...], **options: Any) -> None:
    """Measure the claims of the theory (C1 to C17; default: all) and print their verdicts.

    Runs the studies of each claim, one folder per study under --out, and judges them as one family. Rerunning skips
    finished cells. Exit code 3: a claim failed.
    """
    from pathlib import Path

    from ..api.claims import run_claims
    from .progress import StudyDisplays
    from .run import run_options
    from .scoreboard import report, show_board

    with StudyDisplays(quiet=options["quiet"] or options["as_json"], verbose=options["verbose"]) as displays:
        board = run_claims(
            tuple(claim.upper() for claim in claims),
            size=options["size"],
            out=Path(options["out"]),
            seed=options["seed"],
            options=run_options(options),
            watcher_of=displays.of,
        )
    if options["as_json"]:
        click.echo(json.dumps(report(board), indent=2))
    else:
        show_board(board)
    _exit(board)


def _exit(board: Board) -> None:
    """Exit with the code of the outcome."""
    if any(session.summary.interrupted for session in board.sessions):
        click.echo("Interrupted. Rerun the command to continue.", err=True)
        raise click.exceptions.Exit(INTERRUPTED)
    if any(score.verdict == "fails" for score in board.scores):
        raise click.exceptions.Exit(CLAIM_FAILED)
    if any(session.summary.failures for session in board.sessions):
        raise click.exceptions.Exit(CELLS_FAILED)
