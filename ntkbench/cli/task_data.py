"""What the tasks of a study read from a user's own files, for ``plan`` and ``show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..study.resolve import ResolvedTask


def data_records(tasks: Iterable[ResolvedTask]) -> list[dict[str, Any]]:
    """Return the task, its label and lines on its data, for each task that has something to say."""
    found = [(task, tuple(task.spec.data_summary(task.parameters))) for task in tasks]
    records = [
        {"task": task.spec.name, "label": task.entry.label, "data": list(lines)} for task, lines in found if lines
    ]
    return [record for k, record in enumerate(records) if record not in records[:k]]


def show_data(records: Iterable[dict[str, Any]]) -> None:
    """Print the records of :func:`data_records`."""
    for record in records:
        label = f" ({record['label']})" if record["label"] else ""
        click.echo(f"\n{record['task']}{label} reads")
        for line in record["data"]:
            click.echo(f"  {line}")
