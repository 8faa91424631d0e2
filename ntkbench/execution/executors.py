"""Choose where the cells of a run are solved: an executor, and its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import NtkbenchError, StudyError
from ..plugin.availability import require_available
from ..plugin.executor import ExecutorContext
from ..plugin.guard import blaming
from ..study.edit import parse_literal
from ..study.validation import ValidationErrors
from .process_pool import slot
from .software import software
from .source_code import installed_code

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from ..plugin.executor import Event, Executor
    from ..plugin.job import Job, WorkerConfig
    from ..plugin.registry import Registry
    from ..plugin.specs import ExecutorSpec
    from ..study.plan import Plan

DEFAULT_EXECUTOR = "processes"
_VARIABLE = "NTKBENCH_EXECUTOR"


@dataclass(frozen=True)
class ExecutorRequest:
    """An executor that a user names, or None, and values of its options."""

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChosenExecutor:
    """The executor of a run, with an instance of its model of options."""

    spec: ExecutorSpec
    options: BaseModel

    def start(
        self, plan: Plan, registry: Registry, config: WorkerConfig, *, jobs: int, timeout: float | None, folder: Path
    ) -> Executor:
        """Return the executor, ready for jobs.

        :raises NtkbenchError: if it cannot start, such as without a cluster to connect to.
        """
        context = ExecutorContext(
            jobs=jobs,
            timeout=timeout,
            config=config,
            folder=folder,
            options=self.options,
            registry=registry,
            slot=slot,
            software=partial(software, installed_code(plan, registry)),
        )
        start = registry.executors.imported(self.spec.name)
        with blaming(registry.executors.origin(self.spec.name)):
            executor: Executor = start(context)
        return executor


class NoExecutor:
    """The executor of a run that has nothing to compute: it starts and connects to nothing."""

    def free(self) -> int:
        """Return 0."""
        return 0

    def submit(self, job: Job) -> bool:
        """Refuse."""
        raise AssertionError("a run with nothing to compute submits no cell")

    def events(self, timeout: float) -> list[Event]:
        """Return nothing."""
        return []

    def release(self, cell_id: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def choose_executor(asked: ExecutorRequest, of_study: ExecutorRequest, registry: Registry) -> ChosenExecutor:
    """Return the executor that the user asked for, or else the environment, or the study.

    Its options come from the same places: ``NTKBENCH_<EXECUTOR>_<OPTION>`` in the environment is stronger than the
    study and weaker than the user. Options that the study gives to another executor do not count.

    :raises UnknownNameError: for an unknown executor.
    :raises UnavailableError: if it lacks a library.
    :raises StudyError: for an option that it does not have, or a wrong value.
    """
    name = asked.name or os.environ.get(_VARIABLE) or of_study.name or DEFAULT_EXECUTOR
    spec = registry.executors.get(name)
    require_available(spec, registry)
    model = registry.executors.parameters_of(name)
    own = of_study.options if name == of_study.name else {}
    errors = ValidationErrors(f'executor "{name}"')
    for option in asked.options.keys() - model.model_fields.keys():
        if others := [other.name for other in registry.executors if _has_option(other.name, option, registry)]:
            raise StudyError(f'executor "{name}" has no option "{option}"; choose --executor {" or ".join(others)}')
    options = errors.validate(model, {**own, **_from_environment(name, model), **asked.options})
    errors.raise_if_any()
    assert options is not None
    return ChosenExecutor(spec, options)


def _has_option(name: str, option: str, registry: Registry) -> bool:
    with suppress(NtkbenchError):  # of a broken plugin
        return option in registry.executors.parameters_of(name).model_fields
    return False


def _from_environment(name: str, model: type[BaseModel]) -> dict[str, Any]:
    variables = {option: f"NTKBENCH_{name}_{option}".upper().replace("-", "_") for option in model.model_fields}
    return {
        option: parse_literal(os.environ[variable], variable)
        for option, variable in variables.items()
        if variable in os.environ
    }
