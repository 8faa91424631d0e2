"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..plugin.options import DATA_DIR_OPTION, PLUGIN_OPTION

if TYPE_CHECKING:
    from ..study.load import Overrides

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


def _device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a device; expected cpu, cuda or cuda:N")
    return value


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    found = _DURATION.fullmatch(value)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{value!r} is not a time; expected a number of s, m or h, such as 90s, 30m or 2h")
    return float(found[1]) * _SECONDS[found[2]]


_STUDY = (
    click.argument("study", required=False, default="quickstart"),
    click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a value, as a TOML literal."),
    click.option("--task", "tasks", multiple=True, metavar="NAME", help="Run these tasks instead of the study's."),
    click.option("--width", "widths", multiple=True, type=click.IntRange(min=1), help="Train at these widths instead."),
    click.option("--members", type=click.IntRange(min=1), help="Networks per ensemble."),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of data and networks."),
    click.option("--size", type=click.Choice(["small", "full"]), default="small", show_default=True),
    click.option("--out", type=click.Path(), metavar="DIR", help="The run's own folder.  [default: results/<run_id>]"),
    DATA_DIR_OPTION,
)
_EXECUTION = (
    click.option("--jobs", type=click.IntRange(min=1), help="Cells at a time.  [default: cores // threads]"),
    click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads per cell."),
    click.option(
        "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop cells that take longer."
    ),
    click.option("--device", default="cpu", show_default=True, callback=_device, help="cpu, cuda or cuda:N."),
    click.option(
        "--executor",
        metavar="NAME",
        help="Where cells run, see: ntkbench list executors.  [default: the study's, or processes]",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="A running scheduler, for an executor that uses one."),
    click.option(
        "--executor-option", "executor_options", multiple=True, metavar="KEY=VALUE", help="An option of the executor."
    ),
    click.option("--fresh", is_flag=True, help="Discard this run's results and start over."),
    click.option("--rerun", type=click.Choice(["failed"]), help="Rerun failed cells."),
    click.option("--fail-fast", is_flag=True, help="Stop at the first failed cell."),
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
    click.option("-v", "--verbose", is_flag=True, help="Print a line per cell."),
)


def _decorate(function: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


_CLAIMS = (
    click.option("--size", type=click.Choice(["small", "full"]), default="small", show_default=True),
    click.option("--out", type=click.Path(), metavar="DIR", default="results/claims", show_default=True),
    click.option(
        "--seed",
        "seeds",
        type=click.IntRange(min=0),
        multiple=True,
        help="Seed of data and networks. Given several times: verdicts are on all of them together.",
    ),
    click.option(
        "--until",
        type=click.Choice(["decided"]),
        help="Run seeds 101, 102, ... (or from --seed on), three to six, until each verdict is decided.",
    ),
    click.option(
        "--budget",
        callback=_duration,
        metavar="TIME",
        help="With --until: start no study after this time, such as 30m or 2h.",
    ),
    PLUGIN_OPTION,
)


def claims_options(function: F) -> F:
    """Add the options of ``ntkbench claims``."""
    return _decorate(function, (*_CLAIMS, DATA_DIR_OPTION, *_EXECUTION))


def study_options(function: F) -> F:
    """Add the study argument and the options that change what is computed."""
    return _decorate(function, (*_STUDY, PLUGIN_OPTION))


def execution_options(function: F) -> F:
    """Add the options that change how it is computed."""
    return _decorate(function, _EXECUTION)


def executor_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the executor's own options."""
    from ..study.edit import parse_assignment

    given = [parse_assignment(text, "--executor-option", "scheduler=ADDRESS") for text in options["executor_options"]]
    return dict(given) | ({"scheduler": options["scheduler"]} if options["scheduler"] else {})


def overrides_from(options: dict[str, Any]) -> Overrides:
    """Return the changes given by the study options."""
    from ..study.edit import parse_assignment
    from ..study.load import Overrides

    return Overrides(
        set=dict(parse_assignment(text) for text in options["assignments"]),
        tasks=options["tasks"],
        widths=options["widths"],
        members=options["members"],
        seed=options["seed"],
        size=options["size"],
    )
