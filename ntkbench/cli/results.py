"""``ntkbench results``: list, show, compact and export what runs have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..plugin.options import JSON_OPTION
from ..store.schemas import RUN_TABLES

_FORMATS = ["csv", "parquet", "json"]


@click.group("results")
def results_group() -> None:
    """List, show, compact and export results."""


@results_group.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results"))
@JSON_OPTION
def list_runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (default: results)."""
    from ..store.read import find_runs

    rows = [_line(path) for path in find_runs(folder)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from ..plugin.terminal import print_table

    headings = list(rows[0])
    print_table(str(folder), headings, [[str(row[name]) for name in headings] for row in rows])


def _line(path: Path) -> dict[str, Any]:
    """Return the line of a run; of one that cannot be read, the reason."""
    from ..errors import StoreError
    from ..store.run_file import read_run_file
    from ..store.status_counts import status_counts

    try:
        run, counts = read_run_file(path), status_counts(path)
    except StoreError as error:
        return {"run": str(path), "study": "?", "cells": str(error), "updated": "?"}
    cells = ", ".join(f"{count} {status}" for status, count in counts.items())
    return {"run": str(path), "study": run["study"], "cells": cells or "none", "updated": run["updated_at"]}


@results_group.command("show")
@click.argument("run")
def show_run(run: str) -> None:
    """Show the comparison of RUN again.

    RUN is a run's folder, or its run_id in the folder results.
    """
    from ..analysis.report.report import analyse
    from ..store.read import load
    from .tables import show_comparisons, show_failed_cells

    results = load(_folder(run))
    show_comparisons(analyse(results))
    show_failed_cells(results)


@results_group.command("compact")
@click.argument("run")
def compact(run: str) -> None:
    """Merge RUN's many small files into a few large ones.

    The tables stay the same, and the run can still be resumed. Runs of more than some hundred cells do this themselves.
    RUN is a run's folder, or its run_id in the folder results.
    """
    from ..store.folder import compact_run
    from ..store.read import find_runs

    for path in find_runs(_folder(run)):
        cells, before, now = compact_run(path)
        click.echo(f"{path}: {cells} cells: {before} files before, {now} now")


@results_group.command("export")
@click.argument("run")
@click.option("--table", type=click.Choice([*RUN_TABLES, "rates"]), default="measurements", show_default=True)
@click.option("--format", "kind", type=click.Choice(_FORMATS), help="Default: that of --output's name, or csv.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output.")
@click.option("--force", is_flag=True, help="Replace that file if it exists.")
def export_table(run: str, table: str, kind: str | None, output: Path | None, force: bool) -> None:
    """Write one table of RUN as a single file.

    RUN is a run's folder, or its run_id in the folder results.
    """
    from ..errors import StoreError

    kind = _format(kind, output)
    if output is not None and output.exists() and not force:
        raise StoreError(f"{output}: exists; choose another name, or give --force")
    frame = _table(_folder(run), table)
    try:
        if kind == "parquet":
            frame.to_parquet(output, index=False)
        elif kind == "json":
            _write(frame.to_json(orient="records", lines=True, date_format="iso"), output)
        else:
            _write(frame.to_csv(index=False), output)
    except OSError as error:
        raise StoreError(f"{output}: cannot be written ({error.strerror or error})") from None


def _format(kind: str | None, output: Path | None) -> str:
    """Return the format that was asked for, or that a file's name has.

    :raises StoreError: if both are given and differ, or the format cannot go to a terminal.
    """
    from ..errors import StoreError

    named = "" if output is None else output.suffix.lower().removeprefix(".")
    if kind is not None and named in _FORMATS and named != kind:
        raise StoreError(f"{output}: is the name of a {named} file, but --format is {kind}")
    found = kind or (named if named in _FORMATS else "csv")
    if found == "parquet" and output is None:
        raise StoreError("a parquet file cannot go to a terminal: name it with --output")
    return found


def _folder(run: str) -> Path:
    """Return the folder of a run that is named by it, or by a run_id in the folder ``results``.

    :raises StoreError: if several runs there have that run_id.
    """
    from ..errors import StoreError
    from ..store.read import find_runs
    from ..store.run_file import RUN_FILE

    path = Path(run)
    if path.exists() or not Path("results").is_dir():
        return path
    named = [folder for folder in find_runs(Path("results")) if folder.name == run or _run_id(folder / RUN_FILE) == run]
    if len(named) > 1:
        raise StoreError(f"{run}: is the run_id of {', '.join(map(str, named))}; name one of these folders")
    return named[0] if named else path


def _run_id(file: Path) -> str | None:
    try:
        found: str | None = json.loads(file.read_text(encoding="utf-8")).get("run_id")
    except (OSError, ValueError, AttributeError):
        return None
    return found


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
