"""The plugins that were found, and what they registered."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import PluginError, PluginWarning
from .guard import described, entered
from .named_registry import NamedRegistry
from .specs import BackendSpec, ExecutorSpec, MetricSpec, StudySpec, TaskSpec

if TYPE_CHECKING:
    import pluggy

    from .plugin_report import PluginReport


@dataclass
class Registry:
    """The plugins that were found, and what they registered."""

    manager: pluggy.PluginManager
    tasks: NamedRegistry[TaskSpec] = field(default_factory=lambda: NamedRegistry("task"))
    backends: NamedRegistry[BackendSpec] = field(default_factory=lambda: NamedRegistry("backend"))
    metrics: NamedRegistry[MetricSpec] = field(default_factory=lambda: NamedRegistry("metric"))
    studies: NamedRegistry[StudySpec] = field(default_factory=lambda: NamedRegistry("study"))
    executors: NamedRegistry[ExecutorSpec] = field(default_factory=lambda: NamedRegistry("executor"))
    plugins: list[PluginReport] = field(default_factory=list)
    own: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for _, _, known in self.kinds():
            known.plugins = self.plugins

    @property
    def hook(self) -> Any:
        """The hook caller: ``registry.hook.ntkbench_skip_cell(cell=cell)``."""
        return self.manager.hook

    def kinds(self) -> tuple[tuple[str, type, NamedRegistry[Any]], ...]:
        """Return (hook name, spec type, registry) of each kind of spec."""
        return (
            ("ntkbench_register_tasks", TaskSpec, self.tasks),
            ("ntkbench_register_backends", BackendSpec, self.backends),
            ("ntkbench_register_metrics", MetricSpec, self.metrics),
            ("ntkbench_register_studies", StudySpec, self.studies),
            ("ntkbench_register_executors", ExecutorSpec, self.executors),
        )

    def call(self, hook_name: str, *, raising: bool = False, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Yield (plugin, result) of a hook for one plugin after another, in pluggy's order, without results None.

        A plugin that fails is named in a :class:`PluginWarning` and passed over.

        :raises PluginError: with ``raising``, if the plugin is the user's own, or all are strict.
        """
        caller: pluggy.HookCaller = getattr(self.hook, hook_name)
        for impl in reversed(caller.get_hookimpls()):
            try:
                with entered(f'plugin "{impl.plugin_name}": {hook_name}'), redirect_stdout(sys.stderr):
                    result = impl.function(*(arguments[name] for name in impl.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                message = f'plugin "{impl.plugin_name}": {hook_name} failed: {described(error)}'
                if raising and (is_strict() or impl.plugin_name in self.own):
                    raise PluginError(message) from error
                warnings.warn(message, PluginWarning, stacklevel=3)
            else:
                if result is not None:
                    yield impl.plugin_name, result


def is_strict() -> bool:
    """Return whether a broken plugin is an error."""
    return os.environ.get("NTKBENCH_STRICT_PLUGINS") == "1"
