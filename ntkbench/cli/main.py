"""The command group. A user's mistake becomes one message and exit code 2."""

from __future__ import annotations

import faulthandler
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

import click

from .. import __version__
from ..errors import NtkbenchError, PluginWarning
from ..execution.interrupts import noted_interrupts, was_interrupted
from ..plugin.loading import load_registry
from .catalogue import list_command, plugins_command, show_command
from .claims import claims_command
from .doctor import doctor_command
from .plan import plan_command
from .plugin_commands import add_plugin_commands
from .results import results_group
from .run import run_command

INTERRUPTED = 130
_show_other_warning = warnings.showwarning


_LONGEST = 4000


def _readable(message: str) -> str:
    """Return a message that fits on a page: what a user gave may be quoted at any length."""
    left = len(message) - _LONGEST
    return message if left <= 0 else f"{message[:_LONGEST]} ... ({left} more characters)"


class UserMistake(click.ClickException):
    """A mistake the user can fix."""

    exit_code = 2


class Commands(click.Group):
    """A group that turns ntkbench's own errors into messages."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            with noted_interrupts():
                return super().invoke(ctx)
        except NtkbenchError as error:
            if was_interrupted():  # whatever it interrupted says that it failed
                raise click.exceptions.Exit(INTERRUPTED) from None
            raise UserMistake(_readable(str(error))) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ntkbench")
def cli() -> None:
    """Test infinite-width theory (NTK, NNGP) against trained networks of finite width."""


for _command in (
    run_command,
    claims_command,
    plan_command,
    list_command,
    show_command,
    results_group,
    plugins_command,
    doctor_command,
):
    cli.add_command(_command)


def _print_anything(*streams: TextIO) -> None:
    """Make streams write characters that their encoding lacks as escapes: no run is lost to a glyph."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Entry point: the commands of ntkbench and of installed plugins, after a line about each that misbehaves."""
    _print_anything(sys.stdout, sys.stderr)
    warnings.showwarning = _show_warning
    if not faulthandler.is_enabled():  # a plugin that crashes the interpreter shows in its stack
        with suppress(OSError, ValueError):
            faulthandler.enable()
    try:
        registry = load_registry()
        problems = add_plugin_commands(cli, registry)
    except NtkbenchError as error:
        UserMistake(str(error)).show()
        raise SystemExit(UserMistake.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    for sentence in [*(text for report in registry.plugins for text in report.sentences()), *problems]:
        click.echo(sentence, err=True)
    cli(obj=problems)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Print a warning about a plugin as one line, others as Python does."""
    if issubclass(category, PluginWarning):
        click.echo(f"warning: {message}", err=True)
    else:
        _show_other_warning(message, category, *place, **more)
