"""``ntkbench data``: which data sets there are, and whether the files here are the published ones."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from ntkbench.cli.options import DATA_DIR, JSON
from ntkbench.errors import DataError, UnknownNameError, suggestion

from .collection import COLLECTION
from .folder import VARIABLE, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collection import Dataset


@click.group("data")
def data_command() -> None:
    """Show the data sets of the UCI tasks, and check the files that are here."""


@data_command.command("list")
@DATA_DIR
@JSON
def list_command(data_dir: str | None, as_json: bool) -> None:
    """List all data sets: their size, whether their file is here, and their licence.

    Nothing is read; `ntkbench data verify` compares files with the published ones.
    """
    _use(data_dir)
    facts = [_facts(dataset) for dataset in COLLECTION.values()]
    if as_json:
        click.echo(json.dumps({"data_sets": facts}))
        return
    from ntkbench.cli.console import print_table

    rows = [
        (
            f"uci/{fact['name']}",
            f"{fact['rows']:,}",
            str(fact["features"]),
            "regression" if fact["classes"] is None else f"{fact['classes']} classes",
            "here" if fact["here"] else "not here",
            fact["licence"],
        )
        for fact in facts
    ]
    print_table("Data sets of the UCI tasks", ("task", "rows", "features", "kind", "file", "licence"), rows)
    absent = sum(not fact["here"] for fact in facts)
    if absent:
        click.echo(f"{absent} of {len(facts)} are not here: {missing(_first_absent().locator)}.")


@data_command.command("verify")
@click.argument("names", nargs=-1)
@DATA_DIR
@JSON
def verify_command(names: tuple[str, ...], data_dir: str | None, as_json: bool) -> None:
    """Read data sets and compare rows, columns and hash with the published files; by default all that are here.

    Exit code 1 if one differs, with the reason.
    """
    _use(data_dir)
    chosen = [_named(name) for name in names if name != "all"]
    if not names:
        chosen = [dataset for dataset in COLLECTION.values() if _here(dataset)]
    elif "all" in names:
        chosen = list(COLLECTION.values())
    problems = dict(_problems(chosen))
    if as_json:
        found = [{"name": one.name, "ok": one.name not in problems, "reason": problems.get(one.name)} for one in chosen]
        click.echo(json.dumps({"data_sets": found}))
    else:
        for reason in problems.values():
            click.echo(reason)
        click.echo(f"{len(chosen) - len(problems)} of {len(chosen)} data sets are as published.")
    if problems:
        raise SystemExit(1)


def _problems(datasets: list[Dataset]) -> Iterator[tuple[str, str]]:
    """Yield the name of each set that is not as published, with the reason."""
    from .readers import read
    from .resamples import published_resample

    for dataset in datasets:
        try:
            read(dataset)
            if dataset.split_files is not None:
                published_resample(dataset, 0)
        except DataError as error:
            yield dataset.name, str(error)


def _use(data_dir: str | None) -> None:
    if data_dir is not None:
        os.environ[VARIABLE] = data_dir


def _named(name: str) -> Dataset:
    short = name.removeprefix("uci/")
    if short not in COLLECTION:
        raise UnknownNameError(f'no data set "{name}"{suggestion(short, COLLECTION)} (see: ntkbench data list)')
    return COLLECTION[short]


def _here(dataset: Dataset) -> bool:
    return dataset.layout is None or missing(dataset.locator) is None


def _first_absent() -> Dataset:
    return next(dataset for dataset in COLLECTION.values() if not _here(dataset))


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "rows": dataset.rows,
        "features": dataset.features,
        "classes": dataset.classes,
        "here": _here(dataset),
        "path": None if dataset.layout is None else dataset.locator,
        "page": dataset.page,
        "licence": dataset.licence,
        "redistributable": dataset.redistributable,
    }
