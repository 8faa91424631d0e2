"""The main job in Python: plan a study, run it, read its results. The command line is a thin layer over this."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PluginWarning
from ..execution.environment import describe_environment
from ..execution.executors import ChosenExecutor, ExecutorRequest, NoExecutor, choose_executor
from ..execution.interrupts import raise_if_interrupted
from ..execution.runner import CellListener, Runner, RunSummary
from ..execution.schedule import RunWork, plan_work
from ..execution.source_code import changed_code, code_of
from ..plugin.job import WorkerConfig
from ..plugin.loading import load_registry
from ..plugin.machine import cores, memory_bytes
from ..store.folder import RunFolder, open_run
from ..store.read import Results, load
from ..store.run_file import read_run_file
from ..study.load import DEFAULT_STUDY, Overrides
from ..study.plan import Plan, make_plan
from ..study.resolve import resolve_study

if TYPE_CHECKING:
    from ..analysis.report.report import Report
    from ..execution.progress import Progress
    from ..plugin.cell import Cell
    from ..plugin.executor import Executor
    from ..plugin.outcome import Outcome
    from ..plugin.registry import Registry
    from ..plugin.specs import ExecutorSpec
    from ..store.finished import Done
    from ..study.model import Study


@dataclass(frozen=True)
class Options:
    """How to run. No option changes the results, except that ``threads`` and ``device`` may change the last bits."""

    jobs: int | None = None
    threads: int = 1
    timeout: float | None = None
    device: str = "cpu"
    data_dir: str | None = None
    plugins: tuple[str, ...] = ()
    executor: str | None = None
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    rerun_failed: bool = False
    fail_fast: bool = False

    def worker_config(self) -> WorkerConfig:
        """Return the options that workers need."""
        return WorkerConfig(threads=self.threads, device=self.device, plugins=self.plugins, data_dir=self.data_dir)

    def processes(self) -> int:
        """Return how many cells run at once: ``jobs``, or as many as the cores allow."""
        return self.jobs or max(1, cores() // self.threads)

    def memory(self, executor: ExecutorSpec) -> float:
        """Return the limit in bytes on the memory of all running cells: this machine's if they run on its CPU."""
        return (memory_bytes() if self.device == "cpu" and executor.shares_memory else None) or inf


class NullProgress:
    """A listener that ignores everything."""

    def started(self, plan: Plan, work: RunWork, path: Path) -> None:
        """Ignore the start."""

    def tick(self, progress: Progress, running: tuple[Cell, ...]) -> None:
        """Ignore progress."""

    def finished(self, cell: Cell, outcome: Outcome, progress: Progress) -> None:
        """Ignore a finished cell."""


class RunListener(CellListener):
    """A listener that also receives the run's folder and plan."""

    def started(self, plan: Plan, work: RunWork, path: Path) -> None:
        """Receive the run's folder and plan, once, before the first cell."""


@dataclass(frozen=True)
class Session:
    """The result of a call: the run's folder, how its cells ended, their results, and the report on them."""

    path: Path
    plan: Plan
    summary: RunSummary
    results: Results

    @cached_property
    def report(self) -> Report:
        """The report on the results, computed once, on first use."""
        from ..analysis.report.report import analyse

        return analyse(self.results)


def run(
    study: str | Path | Mapping[str, Any] | Study = DEFAULT_STUDY,
    *,
    out: str | Path | None = None,
    set: Mapping[str, Any] | None = None,
    tasks: Sequence[str] = (),
    widths: Sequence[int] = (),
    members: int | None = None,
    seed: int | None = None,
    size: str = "small",
    **options: Any,
) -> Results:
    """Run a study to its end, resuming where an earlier call stopped, and return its results.

    :param study: the name of a study, the path of a TOML file, a mapping, or a ``Study``.
    :param out: the run's own folder; default ``results/<run_id>``.
    :param set: changes by key path, such as ``{"training.steps": 100}``.
    :param tasks: replace the study's tasks; ``widths`` and ``members`` replace those of every subject.
    :param options: fields of :class:`Options`: jobs, threads, timeout, device, data_dir, plugins, executor,
        executor_options, fresh, rerun_failed, fail_fast.
    :raises NtkbenchError: for a mistake in the study, or a folder that cannot be used. A failed cell
        raises nothing: its row of ``results.cells`` holds its status and reason.
    """
    overrides = Overrides(dict(set or {}), tuple(tasks), tuple(widths), members, seed, size)
    if "plugins" in options:
        options["plugins"] = tuple(str(path) for path in options["plugins"])
    return execute(study, overrides, Options(**options), out).results


def plan_study(
    study: str | Path | Mapping[str, Any] | Study, overrides: Overrides, options: Options
) -> tuple[Plan, Registry]:
    """Return the plan of a study, made from only the light parts of the specs.

    :raises NtkbenchError: for any mistake in the study.
    """
    if options.data_dir is not None:
        os.environ["NTKBENCH_DATA"] = options.data_dir
    registry = load_registry(options.plugins)
    plan = make_plan(resolve_study(study, registry, overrides), registry)
    raise_if_interrupted()  # planning imports what users' tables are read with
    return plan, registry


def executor_of(plan: Plan, registry: Registry, options: Options) -> ChosenExecutor:
    """Return the executor that the options name, or else the environment or the study.

    :raises NtkbenchError: for a mistake in its name or its options.
    """
    entry = plan.study.study.execution
    of_study = ExecutorRequest() if entry is None else ExecutorRequest(entry.executor, entry.parameters)
    return choose_executor(ExecutorRequest(options.executor, options.executor_options), of_study, registry)


def run_path(plan: Plan, out: str | Path | None) -> Path:
    """Return the run's own folder."""
    return Path("results") / plan.run_id if out is None else Path(out)


def warn_of_changed_code(path: Path, plan: Plan, done: Mapping[str, Done], registry: Registry) -> None:
    """Warn if plugins' code has changed, but not their versions, since the cells that the run keeps were computed."""
    if done:
        for sentence in changed_code(plan, done, read_run_file(path)["environments"], registry):
            warnings.warn(sentence, PluginWarning, stacklevel=3)


def execute(
    study: str | Path | Mapping[str, Any] | Study,
    overrides: Overrides,
    options: Options,
    out: str | Path | None = None,
    listener: RunListener | NullProgress | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Session:
    """Run a study as :func:`run` does, and report progress to ``listener``."""
    plan, registry = plan_study(study, overrides, options)
    path, listener = run_path(plan, out), listener or NullProgress()
    chosen = executor_of(plan, registry, options)
    with open_run(path, plan, fresh=options.fresh) as folder:
        environment = describe_environment(registry, code_of(plan, registry))
        done = folder.done()
        warn_of_changed_code(path, plan, done, registry)
        work = plan_work(
            plan, done, folder.solutions, rerun_failed=options.rerun_failed, memory=options.memory(chosen.spec)
        )  # fmt: skip
        if work.pending or not folder.is_of(plan):  # a call that computes nothing changes no provenance
            folder.discard_verdicts(plan.study.study.name)
            folder.write_run_file(plan, arguments or {"overrides": asdict(overrides)}, environment)
        folder.release(work.rewritten(done))
        listener.started(plan, work, path)
        executor = _executor(chosen, plan, registry, options, folder) if work.pending or work.refill else NoExecutor()
        summary = Runner(
            plan,
            work,
            done,
            folder,
            executor,
            registry,
            options.worker_config(),
            environment["env_id"],
            listener,
            fail_fast=options.fail_fast,
        ).run()
        if summary.counts:
            folder.compact()
            folder.note_status_counts()
        session = Session(path, plan, summary, load(path))
        if not summary.interrupted:
            _analyse(folder, session, registry)
    return session


def _executor(chosen: ChosenExecutor, plan: Plan, registry: Registry, options: Options, folder: RunFolder) -> Executor:
    config, jobs = options.worker_config(), options.processes()
    return chosen.start(plan, registry, config, jobs=jobs, timeout=options.timeout, folder=folder.temporary)


def _analyse(folder: RunFolder, session: Session, registry: Registry) -> None:
    """Write verdicts and figures, unless they exist and are up to date."""
    study = session.plan.study.study
    if not session.summary.counts and folder.report_is_whole(study.name):
        return
    from ..analysis.report.figures import draw_claim, draw_figures
    from ..analysis.report.pages import write_study_pages
    from ..analysis.report.study_figures import draw_study_figures
    from ..analysis.verdicts.table import as_table

    (report,) = session.report.runs
    with folder.replacing("figures") as figures:
        if study.claim is None:
            draw_figures(report, session.plan, registry, figures)
        else:
            draw_claim(report.findings, study, figures)
        draw_study_figures(session.results, study.figures, figures)
        write_study_pages(session.results, study.pages, figures)
    folder.write_verdicts(study.name, as_table(report.findings))
