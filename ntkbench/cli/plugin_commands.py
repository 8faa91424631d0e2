"""Commands of plugins: all of a plugin's commands are added or none, and no other command changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import PluginError

if TYPE_CHECKING:
    import click
    from pluggy import HookImpl

    from ..plugin.registry import Registry


def add_plugin_commands(cli: click.Group, registry: Registry) -> list[str]:
    """Let every plugin add its commands to ``cli``; return a sentence for each plugin that failed.

    :raises PluginError: for the first failure, with ``NTKBENCH_STRICT_PLUGINS=1``.
    """
    problems = []
    for implementation in registry.hook.ntkbench_register_commands.get_hookimpls():
        before = dict(cli.commands)
        try:
            _add(cli, implementation, before)
        except Exception as error:  # the other commands must go on
            cli.commands = before
            reason = str(error) if isinstance(error, PluginError) else repr(error)
            problems.append(f'plugin "{implementation.plugin_name}": ntkbench_register_commands failed: {reason}')
            if os.environ.get("NTKBENCH_STRICT_PLUGINS") == "1":
                raise PluginError(problems[-1]) from error
    return problems


def _add(cli: click.Group, implementation: HookImpl, before: dict[str, click.Command]) -> None:
    implementation.function(*(cli for _ in implementation.argnames))
    for name, command in before.items():
        if cli.commands.get(name) is not command:
            raise PluginError(f'there is already a command "{name}"')
