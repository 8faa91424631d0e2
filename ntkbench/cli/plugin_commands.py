"""Commands of plugins: all of a plugin's commands are added or none, and no other command changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import PluginError
from ..plugin.guard import captured, described, entered, watching
from ..plugin.registry import is_strict

if TYPE_CHECKING:
    from pluggy import HookImpl

    from ..plugin.registry import Registry

_HOOK = "ntkbench_register_commands"


def add_plugin_commands(cli: click.Group, registry: Registry) -> list[str]:
    """Let every plugin add its commands to ``cli``; return a sentence for each plugin that failed or printed.

    :raises PluginError: for the first failure, with ``NTKBENCH_STRICT_PLUGINS=1``.
    """
    problems = []
    for implementation in registry.hook.ntkbench_register_commands.get_hookimpls():
        who, before = f'plugin "{implementation.plugin_name}"', dict(cli.commands)
        with watching(), entered(f"{who}: {_HOOK}"), captured() as printed:
            try:
                _add(cli, implementation, before)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # the other commands must go on
                cli.commands = before
                failure = f"{who}: {_HOOK} failed: {described(error)}"
                if is_strict():
                    raise PluginError(failure) from error
                problems.append(f"{failure}; its commands are not available")
        if sentence := printed.sentence():
            problems.append(f"{who} {sentence} in {_HOOK}")
    return problems


def _add(cli: click.Group, implementation: HookImpl, before: dict[str, click.Command]) -> None:
    implementation.function(*(cli for _ in implementation.argnames))
    for name, command in before.items():
        if cli.commands.get(name) is not command:
            raise PluginError(f'there is already a command "{name}"')
    for name, command in cli.commands.items():
        if not isinstance(name, str) or not isinstance(command, click.Command):
            raise PluginError(f"the command {name!r} is {command!r}, expected a click.Command")
