"""``ntkbench doctor``: what is installed, what is missing and how to install it."""

from __future__ import annotations

import json
from typing import Any

import click

from ..plugin.options import JSON_OPTION, PLUGIN_OPTION


@click.command("doctor")
@PLUGIN_OPTION
@JSON_OPTION
def doctor_command(plugins: tuple[str, ...], as_json: bool) -> None:
    """Check this installation: versions, plugins, devices, and what is missing."""
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
    from ..plugin.registry import load_registry, unavailable_reason

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
    for name, reason in report["unavailable"].items():
        click.echo(f"missing    {name}: {reason}")


def _memory(memory: int | None, quantity: Any) -> str:
    return "" if memory is None else f", {quantity(memory, 'B')} of memory"
