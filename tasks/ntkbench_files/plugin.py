"""Registers the task ``file/table``; reading files is imported later."""

from __future__ import annotations

from ntkbench.plugin import TaskSpec, hookimpl

from .table import fingerprint, sizes


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return the task that reads the user's own table."""
    return [
        TaskSpec(
            name="file/table",
            version=1,
            summary="your own .csv or .parquet file: learn one column from the others, random splits",
            parameters="ntkbench_files.parameters:TableParameters",
            target="ntkbench_files.table:load",
            sizes=sizes,
            fingerprint=fingerprint,
            source="the file that path names",
            licence="the file's own",
        )
    ]
