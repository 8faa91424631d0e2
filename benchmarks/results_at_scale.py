"""Result folders of many cells: 2,000 by the real runner, 100,000 by the store's own functions, and 1,000 runs.

    python benchmarks/results_at_scale.py [--cells 2000] [--many 100000] [--runs 1000] [--out DIR]

Prints the times of loading a run, of showing it, of a rerun that finds nothing to do, and of listing runs; beside them
the time of pandas reading the same tables. ``--many 0`` and ``--runs 0`` leave these parts out.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from click.testing import CliRunner
from pydantic import BaseModel, ConfigDict

import ntkbench
from ntkbench.api.run import Options, execute, plan_study
from ntkbench.cli import main as command
from ntkbench.execution.environment import describe_environment
from ntkbench.execution.source_code import code_of
from ntkbench.plugin.job import WorkerConfig
from ntkbench.plugin.outcome import Outcome
from ntkbench.plugin.specs import BackendSpec, Estimate, MethodFacts, Sizes, TaskSpec
from ntkbench.plugin.types import Problem, Request, Solution
from ntkbench.store.arrow import to_table
from ntkbench.store.folder import open_run
from ntkbench.store.run_file import read_run_file, run_digest
from ntkbench.study.load import Overrides

if TYPE_CHECKING:
    from ntkbench.plugin.cell import Cell

HERE = str(Path(__file__))
POINTS = 4
TABLES = ("cells", "measurements", "predictions")


class Nothing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(parameters: Nothing, split_index: int, seed: int) -> Problem:
    x = np.random.default_rng([seed, split_index]).standard_normal((2 * POINTS, 2))
    return Problem(x_train=x[:POINTS], y_train=x[:POINTS, :1], x_test=x[POINTS:], y_test=x[POINTS:, :1])


def solve_reference(request: Request) -> Solution:
    training, mean = request.training, np.zeros((len(request.training.steps), POINTS, 1))
    return Solution(
        times=training.times,
        steps=training.steps,
        training=training,
        mean_train=mean,
        mean_test=mean,
        variance_train=np.ones_like(mean),
        variance_test=np.ones_like(mean),
        kernel_train=np.eye(POINTS),
        kernel_test=np.zeros((POINTS, POINTS)),
        eigenvalues=np.ones(POINTS),
        eigenvectors=np.eye(POINTS),
    )


def solve_subject(request: Request) -> Solution:
    training, width = request.training, int(request.hidden_widths[0])  # type: ignore[index]
    rng = np.random.default_rng([request.problem.x_train.view(np.uint64)[0, 0] % 2**32, width])
    outputs = rng.standard_normal((request.members, len(training.steps), POINTS, 1)) / width**0.5
    return Solution(
        times=training.times,
        steps=training.steps,
        training=training,
        members_train=outputs,
        members_test=outputs,
        diverged_at=np.full(request.members, -1),
    )


@ntkbench.hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="scale/points",
            version=1,
            summary="eight points",
            parameters=f"{__name__}:Nothing",
            target=f"{__name__}:load",
            sizes=lambda parameters: Sizes(POINTS, POINTS, 2, 1, 1_000_000),
            fingerprint=lambda parameters: "",
        )
    ]


@ntkbench.hookimpl
def ntkbench_register_backends() -> list[BackendSpec]:
    kinds = (("scale-reference", "reference", "solve_reference"), ("scale-subject", "subject", "solve_subject"))
    return [
        BackendSpec(
            name=name,
            version=1,
            summary="nothing to compute",
            role=role,  # type: ignore[arg-type]
            parameters=f"{__name__}:Nothing",
            target=f"{__name__}:{target}",
            supports=lambda architecture: None,
            estimate=lambda work: Estimate(1.0, 1.0),
            facts=lambda parameters: MethodFacts(kernel="ntk"),
        )
        for name, role, target in kinds
    ]


def study(cells: int, series: int) -> dict[str, Any]:
    """Return a study of about a number of cells: a reference and nine widths, by series and by split."""
    reference = {"label": "zero", "backend": "scale-reference"}
    subject = {"label": "network", "backend": "scale-subject", "widths": [2**k for k in range(2, 11)], "members": 2}
    return {
        "schema": 1,
        "name": "scale",
        "task": [{"name": "scale/points", "splits": max(1, cells // (10 * series))}],
        "architecture": [{"depth": 1, "weight_std": 1 + k / series} for k in range(series)],
        "reference": [reference],
        "subject": [{**subject, "compare_with": ["zero"]}],
        "training": {"learning_rate": 0.1, "steps": 10, "records": 2},
    }


def options() -> Options:
    return Options(executor="inline", plugins=(HERE,))


def timed(what: str, work: Callable[[], Any], target: float | None = None) -> None:
    """Do something, and print its time and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {what:34} {wall:8.2f} s   {cpu:8.2f} s" + (f"   (target: {target:g} s)" if target else ""), flush=True)


def cli(*arguments: object) -> None:
    found = CliRunner().invoke(command.cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output


def read_all(path: Path) -> None:
    results = ntkbench.load(path)
    assert len(results.cells) and len(results.measurements) and results.predictions is not None


def read_plainly(path: Path) -> None:
    for table in TABLES:
        if any((path / table).iterdir()):
            pd.read_parquet(path / table)


def measure(path: Path, cells: int, series: int, targets: dict[str, float]) -> None:
    """Print the times of everything that is done with a finished run."""
    text = study(cells, series)
    execute(text, Overrides(), options(), path)  # figures and verdicts, where they are missing
    files = sum(1 for table in TABLES for _ in (path / table).iterdir())
    print(f"\n{cells} cells in {files} files                      wall    processor")
    timed("pandas reads the folders", lambda: read_plainly(path))
    timed("load", lambda: read_all(path), targets.get("load"))
    timed("results show", lambda: cli("results", "show", path), targets["show"])
    timed("plan", lambda: plan_study(text, Overrides(), options()), targets.get("plan"))
    timed("rerun with nothing to do", lambda: execute(text, Overrides(), options(), path), targets["rerun"])


def by_the_runner(path: Path, cells: int, series: int) -> None:
    """Run a study by the real runner, without its figures."""
    with patch("ntkbench.api.run._analyse"):
        timed("the run itself", lambda: execute(study(cells, series), Overrides(), options(), path))


def by_the_store(path: Path, cells: int, series: int) -> None:
    """Write the cells of a study as the runner does, with numbers that nobody has computed."""
    plan, registry = plan_study(study(cells, series), Overrides(), options())
    rng = np.random.default_rng(0)
    with open_run(path, plan, fresh=False) as folder:
        environment = describe_environment(registry, code_of(plan, registry))
        folder.write_run_file(plan, {}, environment)
        start = time.process_time()
        for cell in plan.cells:
            tables = {"measurements": to_table("measurements", measured(cell, rng), folder.key(cell, 1))}
            outcome = Outcome(status="ok", started_at=0.0, facts={"loss": "squared-error"}, tables=tables)
            folder.commit(cell, outcome, 1, WorkerConfig(), environment["env_id"])
        folder.compact()
        folder.note_status_counts()
        spent = time.process_time() - start
    print(f"\nwriting {cells} cells: {1e3 * spent / cells:.2f} ms of processor time per cell (target: below 5 ms)")


def measured(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """Return columns of two metrics for two members, or of one for a reference."""
    subject = cell.role == "subject"
    metrics = ["rmse", "rmse", "function_distance", "function_distance"] if subject else ["rmse"]
    reference = ["zero" if name == "function_distance" else None for name in metrics]
    scale = int(cell.hidden_widths[0]) ** 0.5 if cell.hidden_widths else 1.0
    return {
        "metric": metrics,
        "reference": reference,
        "reference_cell_id": [cell.references["zero"] if name else None for name in reference],
        "split": "test",
        "split_index": cell.split_index,
        "member": [0, 1, 0, 1] if subject else [None],
        "step": 10,
        "time": 1.0,
        "component": None,
        "value": (1 + np.abs(rng.standard_normal(len(metrics)))) / scale,
        "unit": "target",
        "goal": "min",
    }


def many_runs(folder: Path, runs: int) -> None:
    """Copy a run of ten cells under other names, and list them all."""
    by_the_runner(folder / "run-0", 10, 1)
    text = read_run_file(folder / "run-0")
    for number in range(1, runs):
        path = folder / f"run-{number}"
        shutil.copytree(folder / "run-0", path, ignore=shutil.ignore_patterns("solutions"))
        renamed = {**text, "run_id": path.name}
        (path / "run.json").write_text(json.dumps({**renamed, "digest": run_digest(renamed)}))
    print(f"\n{runs} runs of ten cells")
    timed("results list", lambda: cli("results", "list", folder), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="an empty folder on the disk to measure; default: a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.out) as name:
        folder = Path(name)
        if chosen.runs:
            many_runs(folder / "runs", chosen.runs)
        if chosen.cells:
            by_the_runner(folder / "some", chosen.cells, 20)
            measure(folder / "some", chosen.cells, 20, {"load": 1, "show": 1, "rerun": 2})
        if chosen.many:
            by_the_store(folder / "many", chosen.many, 100)
            measure(folder / "many", chosen.many, 100, {"show": 10, "plan": 30, "rerun": 10})
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


if __name__ == "__main__":
    main()
