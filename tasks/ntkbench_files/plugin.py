"""Registers the task ``file/table``; reading files is imported later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import TaskSpec, hookimpl

from .table import fingerprint, sizes

if TYPE_CHECKING:
    from .parameters import TableParameters


def data_summary(parameters: TableParameters) -> tuple[str, ...]:
    """Return what was read from the file, in lines."""
    from .summary import summary_lines

    return summary_lines(parameters)


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return the task that reads the user's own table."""
    return [
        TaskSpec(
            name="file/table",
            version=2,
            summary="your own table (.csv, .tsv, .txt, .parquet): learn one column from the others, random splits",
            parameters="ntkbench_files.parameters:TableParameters",
            target="ntkbench_files.table:load",
            sizes=sizes,
            fingerprint=fingerprint,
            data_summary=data_summary,
            source="the file that path names",
            licence="the file's own",
        )
    ]
