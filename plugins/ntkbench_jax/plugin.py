"""Registers ``jax``, ``jax-tuned`` and ``ntkbench kernel``, without importing JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import hookimpl

from .backends import JAX, JAX_TUNED

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from ntkbench.plugin import BackendSpec


@hookimpl
def ntkbench_register_backends() -> Iterable[BackendSpec]:
    """Register the closed-form predictions of infinitely wide networks."""
    return [JAX, JAX_TUNED]


@hookimpl
def ntkbench_register_commands(cli: click.Group) -> None:
    """Add ``ntkbench kernel``."""
    from .kernel_command.command import kernel_command

    cli.add_command(kernel_command)
