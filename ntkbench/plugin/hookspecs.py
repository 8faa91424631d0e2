"""The hooks a plugin may implement; each is one sentence. ``from ntkbench import hookimpl`` marks an implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

    from .cell import Cell
    from .outcome import Outcome
    from .specs import BackendSpec, ExecutorSpec, MetricSpec, StudySpec, TaskSpec

PROJECT = "ntkbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ntkbench_register_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Return the tasks this plugin brings."""


@hookspec
def ntkbench_register_backends() -> Iterable[BackendSpec]:  # type: ignore[empty-body]
    """Return the backends this plugin brings."""


@hookspec
def ntkbench_register_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Return the metrics this plugin brings."""


@hookspec
def ntkbench_register_studies() -> Iterable[StudySpec]:  # type: ignore[empty-body]
    """Return the studies this plugin brings."""


@hookspec
def ntkbench_register_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return the executors this plugin brings: places where cells run."""


@hookspec
def ntkbench_register_commands(cli: click.Group) -> None:
    """Add commands to the command line, under unused names. Called before every command: keep it fast.

    :param cli: the group to add to, with ``cli.add_command``.
    """


@hookspec(firstresult=True)
def ntkbench_skip_cell(cell: Cell) -> str | None:
    """Return why a cell must not run, or None; the first reason counts.

    :param cell: the planned cell.
    """


@hookspec
def ntkbench_cell_finished(cell: Cell, outcome: Outcome) -> None:
    """React to a cell that has been committed to the store.

    :param cell: the planned cell.
    :param outcome: its status, reason and tables.
    """


@hookspec
def ntkbench_environment() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return facts about the environment to record with a run, such as the version of an accelerator's driver."""
