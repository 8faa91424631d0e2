"""``ntkbench plan``: the cells to run, the finished ones, and the expected cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..plugin.options import JSON_OPTION
from .options import overrides_from, study_options
from .power import power_record, show_power
from .task_data import data_records, show_data

if TYPE_CHECKING:
    from ..analysis.verdicts.power import PlannedPower
    from ..plugin.cell import Cell
    from ..plugin.registry import Registry
    from ..study.plan import Plan

_LISTED = 40


@click.command("plan")
@study_options
@JSON_OPTION
@click.option("--all", "everything", is_flag=True, help=f"List every cell, not only the first {_LISTED}.")
def plan_command(**options: Any) -> None:
    """Show what `run` would do, without computing anything.

    Also what it reads from your own files.
    """
    from ..api.run import Options, executor_of, plan_study, run_path, warn_of_changed_code
    from ..execution.schedule import decide
    from ..store.folder import RunFolder
    from ..store.ownership import check_extends, check_own

    choice = Options(data_dir=options["data_dir"], plugins=options["plugins"])
    plan, registry = plan_study(options["study"], overrides_from(options), choice)
    memory = choice.memory(executor_of(plan, registry, choice).spec)
    path = run_path(plan, options["out"])
    check_own(path)
    check_extends(path, plan)
    done = RunFolder(path, plan.run_id).done()
    warn_of_changed_code(path, plan, done, registry)
    rows = [(cell, decide(cell, done, rerun_failed=False)) for cell in plan.cells]
    powers = _powers(plan, registry, options["size"])
    data = data_records(plan.study.tasks)
    if options["as_json"]:
        cells = [_record(cell, decision) for cell, decision in rows]
        record = {"run_id": plan.run_id, "path": str(path), "cells": cells, "data": data}
        click.echo(json.dumps(record | {"power": [power_record(power) for power in powers]}, indent=2))
    else:
        _show(plan.run_id, str(path), rows, None if options["everything"] else _LISTED, memory)
        show_data(data)
        if powers:
            show_power(powers)


def _powers(plan: Plan, registry: Registry, size: str) -> list[PlannedPower]:
    """Return what a study of a claim can decide; nothing of other studies."""
    if plan.study.study.claim is None:
        return []
    from ..analysis.verdicts.expected_rows import plan_of
    from ..analysis.verdicts.power import planned_power
    from ..api.claims import comparisons_of_claims

    planned = plan_of(plan.resolved, plan.run_id)
    return [] if planned is None else list(planned_power(planned, comparisons_of_claims(registry, size)))


def _record(cell: Cell, decision: str) -> dict[str, Any]:
    return {
        "cell_id": cell.cell_id,
        "decision": decision,
        "reason": cell.skip,
        "task": cell.task,
        "split_index": cell.split_index,
        "architecture": cell.architecture.model_dump(),
        "label": cell.label,
        "width": cell.width,
        "widths": cell.hidden_widths,
        "members": cell.members,
        "flops": cell.estimate.flops,
        "bytes": cell.estimate.bytes,
        "references": cell.references,
    }


def _show(run_id: str, path: str, rows: Sequence[tuple[Cell, str]], limit: int | None, available: float) -> None:
    from ..execution.progress import expected_seconds
    from ..plugin.machine import multiply_rate
    from ..plugin.terminal import duration, print_table, quantity
    from .formatting import cell_words, too_large

    lines = [
        [
            cell_words(cell),
            f"{cell.architecture.activation}, depth {cell.architecture.depth}",
            str(cell.members or ""),
            quantity(cell.estimate.flops, "flop"),
            quantity(cell.estimate.bytes, "B"),
            decision + (f": {cell.skip}" if decision == "skip" else ""),
        ]
        for cell, decision in rows[:limit]
    ]
    print_table(f"{run_id} in {path}", ["cell", "architecture", "members", "work", "peak memory", "would"], lines)
    if limit is not None and len(rows) > limit:
        click.echo(f"... and {len(rows) - limit} more cells (--all lists them)")
    todo = [cell for cell, decision in rows if decision == "run"]
    work = quantity(sum(cell.estimate.flops for cell in todo), "flop")
    memory = quantity(max((cell.estimate.bytes for cell in todo), default=0), "B")
    seconds = expected_seconds(todo, multiply_rate())
    cost = f"{work}, about {duration(seconds)} here, at most {memory} in one cell"
    click.echo(f"{len(rows)} cells: {len(todo)} to run ({cost}), {_counts(rows)}")
    if warning := too_large(todo, available):
        click.echo(warning)


def _counts(rows: Sequence[tuple[Cell, str]]) -> str:
    found = [decision for _, decision in rows]
    return ", ".join(f"{found.count(kind)} {kind}" for kind in ("done", "failed before", "skip"))
