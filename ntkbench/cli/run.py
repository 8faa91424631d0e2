"""``ntkbench run``: the main job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..plugin.options import JSON_OPTION
from .options import execution_options, executor_options, overrides_from, study_options

if TYPE_CHECKING:
    from ..api.run import Options, Session

CELLS_FAILED = 1
CLAIM_FAILED = 3
INTERRUPTED = 130


@click.command("run")
@study_options
@execution_options
@JSON_OPTION
def run_command(**options: Any) -> None:
    """Run a study and show the comparison.

    STUDY is a name or a .toml file; default: the quickstart. Rerunning skips finished cells.
    """
    from ..api.run import execute
    from .progress import make_progress_display

    arguments = {key: value for key, value in options.items() if value not in (None, (), False)}
    listener = make_progress_display(quiet=options["quiet"] or options["as_json"], verbose=options["verbose"])
    with listener:
        session = execute(
            options["study"], overrides_from(options), run_options(options), options["out"], listener, arguments
        )
    if options["as_json"]:
        click.echo(json.dumps(_record(session), indent=2))
    else:
        _show(session)
    if session.summary.interrupted:
        click.echo("Interrupted. Rerun the command to continue.", err=True)
        raise click.exceptions.Exit(INTERRUPTED)
    if session.report.claim_fails:
        raise click.exceptions.Exit(CLAIM_FAILED)
    if session.summary.failures:
        raise click.exceptions.Exit(CELLS_FAILED)


def run_options(options: dict[str, Any]) -> Options:
    """Return what the execution options ask for."""
    from ..api.run import Options

    return Options(
        jobs=options["jobs"],
        threads=options["threads"],
        timeout=options["timeout"],
        device=options["device"],
        data_dir=options["data_dir"],
        plugins=options["plugins"],
        executor=options["executor"],
        executor_options=executor_options(options),
        fresh=options["fresh"],
        rerun_failed=options["rerun"] == "failed",
        fail_fast=options["fail_fast"],
    )


def _show(session: Session) -> None:
    from .tables import show_comparisons, show_pages, show_problems

    if not session.summary.interrupted and session.plan.study.study.claim is None:
        show_comparisons(session.report)
    elif not session.summary.interrupted:
        from .scoreboard import show_run

        show_run(session)
    if not session.summary.interrupted:
        show_pages(session.results, session.plan.study.study.pages)
    show_problems(session)


def _record(session: Session) -> dict[str, Any]:
    from ..analysis.estimation.rates import rate_table
    from ..analysis.verdicts.table import as_table
    from ..store.logs import latest_logs

    summary, logs = session.summary, latest_logs(session.path)
    done = not summary.interrupted
    return {
        "run_id": session.plan.run_id,
        "path": str(session.path),
        "cells": len(session.plan.cells),
        "computed": dict(summary.counts),
        "kept": summary.kept,
        "failures": summary.failures,
        "interrupted": summary.interrupted,
        "problems": [
            {
                "cell_id": cell.cell_id,
                "task": cell.task,
                "label": cell.label,
                "status": status,
                "reason": reason,
                "log": str(logs[cell.cell_id]) if cell.cell_id in logs else None,
            }
            for cell, status, reason in summary.problems
        ],
        "rates": _records(rate_table(session.report.rates)) if done else [],
        "verdicts": _records(as_table(session.report.findings)) if done else [],
    }


def _records(frame: Any) -> list[dict[str, Any]]:
    """Return a frame's rows with null for what is missing."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records
