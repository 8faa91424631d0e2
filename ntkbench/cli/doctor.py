"""``ntkbench doctor``: what is installed, what is missing and how to install it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..plugin.options import JSON_OPTION, PLUGIN_OPTION

if TYPE_CHECKING:
    from collections.abc import Mapping

_FEW = 3


@click.command("doctor")
@PLUGIN_OPTION
@JSON_OPTION
def doctor_command(plugins: tuple[str, ...], as_json: bool) -> None:
    """Check this installation, and say what is missing."""
    report = examine(plugins)
    report["commands"] = click.get_current_context().find_root().obj or []
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    if report["commands"] or any(plugin["status"] == "broken" for plugin in report["plugins"]):
        raise click.exceptions.Exit(1)


def examine(plugins: tuple[str, ...]) -> dict[str, Any]:
    """Return the findings."""
    from dataclasses import asdict

    from ..execution.environment import describe_environment
    from ..plugin.availability import unavailable_reason
    from ..plugin.loading import load_registry

    registry = load_registry(plugins)
    specs = [*registry.backends, *registry.tasks]
    return {
        "environment": describe_environment(registry),
        "plugins": [asdict(report) for report in registry.plugins],
        "available": [spec.name for spec in specs if not unavailable_reason(spec, registry)],
        "unavailable": {spec.name: reason for spec in specs if (reason := unavailable_reason(spec, registry))},
    }


def _show(report: dict[str, Any]) -> None:
    from ..plugin.terminal import quantity

    environment = report["environment"]
    memory = environment["memory_bytes"]
    click.echo(f"python     {environment['python']} on {environment['platform']}")
    click.echo(f"machine    {environment['processor']}, {environment['cores']} cores" + _memory(memory, quantity))
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    click.echo(f"versions   {versions}")
    for name, fact in environment.get("plugins", {}).items():
        click.echo(f"{name:<9}  {fact}")
    for plugin in report["plugins"]:
        remarks = "; ".join(text for text in (plugin["reason"], plugin["note"]) if text)
        click.echo(f"plugin     {plugin['name']} {plugin['status']}" + (f": {remarks}" if remarks else ""))
    for problem in report["commands"]:
        click.echo(f"commands   {problem}")
    click.echo(f"available  {', '.join(report['available'])}")
    for name, reason in _grouped(report["unavailable"]).items():
        click.echo(f"missing    {name}: {reason}")
    works = len(report["available"])
    click.echo(f"\n{works} of {works + len(report['unavailable'])} backends and tasks work. Try: ntkbench run")


def _grouped(unavailable: Mapping[str, str]) -> dict[str, str]:
    """Return reasons by name; of many names in one group, one line with an example."""
    groups: dict[str, list[str]] = {}
    for name in unavailable:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    lines = {}
    for group, names in groups.items():
        if group and len(names) > _FEW:
            lines[f"{len(names)} tasks {group}/..., such as {names[0]}"] = unavailable[names[0]]
        else:
            lines |= {name: unavailable[name] for name in names}
    return lines


def _memory(memory: int | None, quantity: Any) -> str:
    return "" if memory is None else f", {quantity(memory, 'B')} of memory"
