"""``ntkbench list``, ``show`` and ``plugins``: everything registered, and its origin."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

from ..plugin.options import JSON_OPTION, PLUGIN_OPTION
from .task_data import data_records, show_data

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..plugin.named_registry import NamedRegistry
    from ..plugin.registry import Registry

_KINDS = ("tasks", "backends", "metrics", "studies", "executors")


def _registry(plugins: tuple[str, ...]) -> Registry:
    from ..plugin.loading import load_registry

    return load_registry(plugins)


def _reason(spec: Any, registry: Registry) -> str | None:
    from ..plugin.availability import unavailable_reason
    from ..plugin.specs import BackendSpec, ExecutorSpec, TaskSpec

    return unavailable_reason(spec, registry) if isinstance(spec, TaskSpec | BackendSpec | ExecutorSpec) else None


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@PLUGIN_OPTION
@JSON_OPTION
def list_command(kind: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """List tasks, backends, metrics, studies or executors.

    Says which are unavailable here, and why.
    """
    registry = _registry(plugins)
    known = getattr(registry, kind)
    rows = [(spec.name, spec.summary, _reason(spec, registry), known.owners[spec.name]) for spec in known]
    if as_json:
        names = ("name", "summary", "unavailable", "plugin")
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        return
    width = max((len(row[0]) for row in rows), default=0)
    for name, summary, reason, _ in rows:
        click.echo(f"{name:<{width}}  {summary}" + (f"  [unavailable: {reason}]" if reason else ""))


@click.command("plugins")
@PLUGIN_OPTION
@JSON_OPTION
def plugins_command(plugins: tuple[str, ...], as_json: bool) -> None:
    """List the plugins found, and why some are not loaded."""
    from dataclasses import asdict

    reports = _registry(plugins).plugins
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], indent=2))
        return
    for report in reports:
        click.echo(f"{report.name:<12}  {report.status:<8}  {report.version:<8}  {report.source}")
        for remark in filter(None, (report.reason, report.note)):
            click.echo(f"{'':<12}  {remark}")


@click.command("show")
@click.argument("name")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of a task: shows what it reads with these parameters.",
)
@PLUGIN_OPTION
def show_command(name: str, assignments: tuple[str, ...], plugins: tuple[str, ...]) -> None:
    """Show a task, backend, metric, study or executor in full.

    With its parameters, their defaults, source, licence and citation. NAME may be a study of your own, a .toml file:
    then also what its tasks read from your own files.
    """
    from ..errors import StudyError, UnknownNameError, suggestion

    registry = _registry(plugins)
    if assignments and name not in registry.tasks:
        raise StudyError(f'--set gives the parameters of a task, and "{name}" is none (see: ntkbench list tasks)')
    if name.endswith(".toml"):
        _show_own_study(name, registry)
        return
    kinds = [(kind, getattr(registry, kind)) for kind in _KINDS]
    found = [(kind, known.get(name), known) for kind, known in kinds if name in known]
    if not found:
        names = [spec.name for _, known in kinds for spec in known]
        kind_names = "no task, backend, metric, study or executor"
        refused = [known for _, known in kinds if name in known.refused] or [registry.studies]
        message = f'{kind_names} "{name}"{suggestion(name, names)} (see: ntkbench list){refused[0].absence(name)}'
        raise UnknownNameError(message)
    data = _task_data(name, assignments, registry) if assignments else []
    for kind, spec, known in found:
        _show(kind, spec, known, registry)
    if assignments and not data:
        click.echo("  reads no file of yours")
    show_data(data)


def _show_own_study(path: str, registry: Registry) -> None:
    """Print a study's file, and what its tasks read."""
    from pathlib import Path

    from ..study.resolve import resolve_study

    resolved = resolve_study(path, registry)
    click.echo(Path(path).read_text(encoding="utf-8").rstrip())
    show_data(data_records(resolved.tasks))


def _task_data(name: str, assignments: tuple[str, ...], registry: Registry) -> list[dict[str, Any]]:
    """Return what a task reads with these parameters."""
    from ..study.edit import parse_assignment, set_path
    from ..study.resolve import resolve_task

    entry: dict[str, Any] = {"name": name}
    for key, value in map(parse_assignment, assignments):
        set_path(entry, key, value)
    return data_records([resolve_task(entry, registry)])


def _show(kind: str, spec: Any, known: NamedRegistry[Any], registry: Registry) -> None:
    if kind == "studies":
        click.echo(spec.path.read_text(encoding="utf-8").rstrip())
        return
    click.echo(f"{spec.name} (version {spec.version}, from plugin {known.owners[spec.name]})\n  {spec.summary}")
    if reason := _reason(spec, registry):
        click.echo(f"  unavailable: {reason}")
    for label in ("role", "unit", "goal", "source", "licence", "citation", "requires", "requires_plugins"):
        if value := getattr(spec, label, None):
            click.echo(f"  {label.replace('_', ' ')}: {', '.join(value) if isinstance(value, tuple) else value}")
    if not getattr(spec, "default", True):
        click.echo("  only in studies that list it")
    if observables := getattr(spec, "observables", None):
        usual = observables if spec.observed_by_default is None else spec.observed_by_default
        click.echo("  observables (* measured by default):")
        for name, meaning in observables.items():
            click.echo(f"    {'*' if name in usual else ' '} {name}: {meaning}")
    if hasattr(spec, "parameters"):
        _show_parameters(known.parameters_of(spec.name).model_fields)


def _show_parameters(fields: dict[str, FieldInfo]) -> None:
    click.echo("  parameters:" if fields else "  parameters: none")
    for name, field in fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"default {json.dumps(value, default=str)}"
        click.echo(
            f"    {name} ({kind_words(field.annotation)}, {default})"
            + (f": {field.description}" if field.description else "")
        )


def kind_words(kind: Any) -> str:
    """Return what a parameter may be, in words: ``"ntk" or "nngp"``, ``list of float``, ``int``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return kind_words(parts[0])
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in parts)
    if origin in (Union, UnionType):
        return " or ".join(kind_words(part) for part in parts if part is not NoneType)
    if origin is dict:
        return f"table of {kind_words(parts[1])}"
    if origin in (list, tuple):
        return "list of " + " or ".join(dict.fromkeys(kind_words(part) for part in parts if part is not ...))
    return getattr(kind, "__name__", None) or str(kind)
