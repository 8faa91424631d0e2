"""The task ``file/table``, described; nothing here imports what reads files."""

from __future__ import annotations

from ntkbench.plugin import TaskSpec, hookimpl

from .table import fingerprint, sizes


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return the task that reads a table of the user's own."""
    return [
        TaskSpec(
            name="file/table",
            version=1,
            summary="your own .csv or .parquet file: a column to learn from the others, random splits",
            parameters="ntkbench_files.parameters:TableParameters",
            target="ntkbench_files.table:load",
            sizes=sizes,
            fingerprint=fingerprint,
            source="the file that path names",
            licence="the file's own",
        )
    ]
