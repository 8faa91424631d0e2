"""``ntkbench results``: list, show and export what runs have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..plugin.options import JSON_OPTION
from ..store.schemas import RUN_TABLES


@click.group("results")
def results_group() -> None:
    """List, show and export results."""


@results_group.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results"))
@JSON_OPTION
def list_runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (default: results)."""
    from ..store.read import find_runs, load
    from ..store.run_file import read_run_file

    rows = [_line(path, read_run_file(path), load(path)) for path in find_runs(folder)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from ..plugin.terminal import print_table

    headings = list(rows[0])
    print_table(str(folder), headings, [[str(row[name]) for name in headings] for row in rows])


def _line(path: Path, run: dict[str, Any], results: Any) -> dict[str, Any]:
    counts = results.cells["status"].value_counts()
    cells = ", ".join(f"{count} {status}" for status, count in counts.items())
    return {"run": str(path), "study": run["study"], "cells": cells or "none", "updated": run["updated_at"]}


@results_group.command("show")
@click.argument("run", type=click.Path(path_type=Path))
def show_run(run: Path) -> None:
    """Show the comparison of the run in folder RUN again."""
    from ..analysis.report.report import analyse
    from ..store.read import load
    from .tables import show_comparisons, show_failed_cells

    results = load(run)
    show_comparisons(analyse(results))
    show_failed_cells(results)


@results_group.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--table", type=click.Choice([*RUN_TABLES, "rates"]), default="measurements", show_default=True)
@click.option("--format", "kind", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output.")
def export_table(run: Path, table: str, kind: str, output: Path | None) -> None:
    """Write one table of the run in folder RUN as a single file."""
    from ..errors import StoreError

    frame = _table(run, table)
    if kind == "parquet" and output is None:
        raise StoreError("a parquet file cannot go to a terminal: name it with --output")
    try:
        if kind == "parquet":
            frame.to_parquet(output, index=False)
        elif kind == "json":
            _write(frame.to_json(orient="records", lines=True, date_format="iso"), output)
        else:
            _write(frame.to_csv(index=False), output)
    except OSError as error:
        raise StoreError(f"{output}: cannot be written ({error.strerror or error})") from None


def _table(run: Path, table: str) -> Any:
    from ..store.read import load

    results = load(run)
    if table == "rates":
        from ..analysis.estimation.rates import convergence_rates

        return convergence_rates(results)
    return getattr(results, table)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
