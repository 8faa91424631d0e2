"""The package's executor. Light: without Dask."""

from __future__ import annotations

from ntkbench.plugin import ExecutorSpec, hookimpl


@hookimpl
def ntkbench_register_executors() -> tuple[ExecutorSpec, ...]:
    """Register the executor ``dask``."""
    return (
        ExecutorSpec(
            name="dask",
            version=1,
            summary="workers of a Dask cluster, on this machine or on many; see docs/clusters.md",
            target="ntkbench_dask.executor:start",
            parameters="ntkbench_dask.options:DaskOptions",
            shares_memory=False,
            requires=("distributed>=2024.8",),
            install="pip install 'ntkbench[dask]'",
        ),
    )
