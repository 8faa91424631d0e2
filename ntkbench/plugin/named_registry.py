"""The specs of one kind (tasks, backends, metrics or studies), looked up by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import PluginError, UnknownNameError, suggestion
from .guard import blaming
from .spec_checks import checked_result
from .specs import BackendSpec, ExecutorSpec, MetricSpec, StudySpec, TaskSpec, import_target

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .plugin_report import PluginReport

S = TypeVar("S", TaskSpec, BackendSpec, MetricSpec, StudySpec, ExecutorSpec)


@dataclass
class NamedRegistry(Generic[S]):
    """The specs of one kind, by name, with their owners.

    ``plugins`` are the reports on all plugins; ``refused`` has the plugins, by the names of the specs that they would
    have registered, had they not been set aside.
    """

    kind: str
    specs: dict[str, S] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    plugins: list[PluginReport] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, spec: S, owner: str) -> None:
        """Register a spec; its name must be free."""
        if spec.name in self.specs:
            raise PluginError(f'{self.kind} "{spec.name}" is registered by both {self.owners[spec.name]} and {owner}')
        self.specs[spec.name] = spec
        self.owners[spec.name] = owner

    def get(self, name: str) -> S:
        """Return the spec called ``name``.

        :raises UnknownNameError: with the nearest known name, and the plugins that may have it but are not loaded.
        """
        if name not in self.specs:
            raise UnknownNameError(
                f'no {self.kind} "{name}"{suggestion(name, self.specs)} (see: ntkbench list {plural(self.kind)})'
                + self.absence(name)
            )
        return self.specs[name]

    def origin(self, name: str) -> str:
        """Return who is to blame for a spec: ``plugin "acme": backend "acme" (acme:solve)``."""
        target = getattr(self.specs[name], "target", None)
        return f'plugin "{self.owners[name]}": {self.kind} "{name}"' + (f" ({target})" if target else "")

    def imported(self, name: str) -> Any:
        """Import the target of a spec.

        :raises PluginError: naming the plugin, the spec and the target.
        """
        with blaming(f"{self.origin(name)}: the import of its target"):
            return import_target(getattr(self.specs[name], "target"))  # noqa: B009 - studies have none

    def parameters_of(self, name: str) -> type[BaseModel]:
        """Import the model of a task's or backend's parameters.

        :raises PluginError: naming the plugin and the spec, also if it is no pydantic model.
        """
        from pydantic import BaseModel

        target = getattr(self.specs[name], "parameters")  # noqa: B009 - metrics and studies have none
        with blaming(f"{self.origin(name)}: the import of its parameters {target}"):
            model = import_target(target)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise PluginError(f"{self.origin(name)}: its parameters {target} are no pydantic model")
        return model

    def call(self, name: str, function: str, *arguments: Any, **options: Any) -> Any:
        """Call one of the light functions of a spec, such as ``sizes``.

        :raises PluginError: naming the plugin, the spec and the function, if it raises anything, exits included, but an
            error of ntkbench's own; or if it returns something of another kind.
        """
        what = f"{self.origin(name)}: {function}()"
        with blaming(what):
            result = getattr(self.specs[name], function)(*arguments, **options)
        return checked_result(what, function, result)

    def absence(self, name: str) -> str:
        """Return which plugins that are not loaded have a spec of this name, or may have it; "" without any."""
        owner = self.refused.get(name)
        missing = [report for report in self.plugins if report.status != "ok" and owner in (None, report.name)]
        which = "; ".join(
            f'"{report.name}", {report.status}' + (f": {report.reason}" if report.reason else "") for report in missing
        )
        if not which:
            return ""
        return f"; it {'may belong' if owner is None else 'belongs'} to a plugin that is not loaded: {which}"

    def __iter__(self) -> Iterator[S]:
        return iter(sorted(self.specs.values(), key=lambda spec: spec.name))

    def __contains__(self, name: object) -> bool:
        return name in self.specs


def plural(kind: str) -> str:
    """Return ``tasks`` for ``task``, ``studies`` for ``study``."""
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
