"""Find plugins, load them one by one, and look up the specs they registered by name.

A plugin that cannot be imported, or registers something invalid, is reported with its reason; the others still load.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module, metadata, util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from ..errors import PluginError, PluginWarning, UnavailableError, UnknownNameError, suggestion
from . import hookspecs
from .guard import blaming, captured, described, entered, is_interrupt, stdout_to_stderr, watching
from .spec_checks import check_spec, checked_result
from .specs import BackendSpec, MetricSpec, StudySpec, TaskSpec, import_target

if TYPE_CHECKING:
    from pydantic import BaseModel

S = TypeVar("S", TaskSpec, BackendSpec, MetricSpec, StudySpec)

ENTRY_POINT_GROUP = "ntkbench"
BUILT_IN = "ntkbench.plugin.builtin"
_HOOK_NAMES = frozenset(name for name in vars(hookspecs) if name.startswith("ntkbench_"))
_DISTRIBUTION = "ntkbench"


@dataclass(frozen=True)
class PluginReport:
    """The result of loading one plugin: ``status`` is ``ok``, ``broken`` or ``disabled``.

    ``note`` is something else worth knowing, such as that it printed while it was loaded.
    """

    name: str
    source: str
    version: str
    status: str
    reason: str = ""
    note: str = ""

    def sentences(self) -> list[str]:
        """Return what a user must know: that the plugin is set aside, and why; its note."""
        who = f'plugin "{self.name}" ({self.source})'
        aside = [f"{who} is set aside: {self.reason}"] if self.status == "broken" else []
        return aside + ([f"{who} {self.note}"] if self.note else [])


@dataclass(frozen=True)
class _Candidate:
    name: str
    source: str
    version: str
    load: Callable[[], ModuleType]
    first_party: bool = False


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


@dataclass
class Registry:
    """The plugins that were found, and what they registered."""

    manager: pluggy.PluginManager
    tasks: NamedRegistry[TaskSpec] = field(default_factory=lambda: NamedRegistry("task"))
    backends: NamedRegistry[BackendSpec] = field(default_factory=lambda: NamedRegistry("backend"))
    metrics: NamedRegistry[MetricSpec] = field(default_factory=lambda: NamedRegistry("metric"))
    studies: NamedRegistry[StudySpec] = field(default_factory=lambda: NamedRegistry("study"))
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
            except BaseException as error:
                if is_interrupt(error):
                    raise
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


def load_registry(paths: Iterable[str | Path] = ()) -> Registry:
    """Load the built-ins, the installed plugins, and the user's own files or folders in ``paths``.

    ``NTKBENCH_DISABLE_PLUGINS`` names installed plugins to skip, separated by commas; with
    ``NTKBENCH_STRICT_PLUGINS=1`` a broken plugin is an error.

    :raises PluginError: for a path that does not load, or any broken plugin when strict.
    """
    registry = Registry(pluggy.PluginManager(hookspecs.PROJECT))
    registry.manager.add_hookspecs(hookspecs)
    strict = is_strict()
    disabled = {name.strip() for name in os.environ.get("NTKBENCH_DISABLE_PLUGINS", "").split(",")} - {""}
    with watching():
        for candidate in [_built_in(), *_installed()]:
            if candidate.name in disabled:
                registry.plugins.append(PluginReport(candidate.name, candidate.source, candidate.version, "disabled"))
            else:
                _admit(registry, candidate, strict=strict)
        for path in paths:
            for candidate in _from_path(Path(path)):
                registry.own.add(candidate.name)
                _admit(registry, candidate, strict=True)
    return registry


def _built_in() -> _Candidate:
    version = metadata.version(_DISTRIBUTION)
    return _Candidate("ntkbench", "built in", version, lambda: import_module(BUILT_IN), first_party=True)


def _installed() -> list[_Candidate]:
    """Return the plugins of the entry points, ours first: a name that two of them want is ours."""
    try:
        found = [_from_entry_point(point) for point in metadata.entry_points(group=ENTRY_POINT_GROUP)]
    except Exception:  # one distribution whose entry points cannot be read
        found = list(_one_by_one())
    return sorted(found, key=lambda candidate: (not candidate.first_party, candidate.name))


def _one_by_one() -> Iterator[_Candidate]:
    """Yield the plugins of each distribution; for one whose entry points cannot be read, a plugin that is broken."""
    seen = set()
    for distribution in metadata.distributions():
        place = str(getattr(distribution, "_path", "a distribution"))
        name = Path(place).name.partition("-")[0]
        if name in seen:
            continue
        seen.add(name)
        try:
            points = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
        except Exception as error:
            yield _Candidate(name, place, "", partial(_raise, f"its entry points cannot be read: {described(error)}"))
        else:
            yield from map(_from_entry_point, points)


def _raise(reason: str) -> ModuleType:
    raise PluginError(reason)


def _from_entry_point(point: metadata.EntryPoint) -> _Candidate:
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    except Exception:  # a distribution without metadata
        name, version = "", ""
    ours = name == _DISTRIBUTION
    source = f"installed: {point.value}" + (f" of {name}" if name and not ours else "")
    load = point.load
    if not metadata.EntryPoint.pattern.match(point.value):
        load = partial(_raise, f'its entry point {point.value!r} names no module; expected one such as "acme.plugin"')
    return _Candidate(point.name, source, version or "", load, first_party=ours)


def _from_path(path: Path) -> list[_Candidate]:
    if path.is_dir():
        files = [path / "__init__.py"] if (path / "__init__.py").exists() else sorted(path.glob("[!_]*.py"))
    else:
        files = [path]
    if not files or not all(file.is_file() for file in files):
        raise PluginError(f"--plugin {path}: neither a Python file nor a folder with Python files in it")
    return [
        _Candidate(_path_module(file), f"file: {file}", "", lambda file=file: _import_file(file))  # type: ignore[misc]
        for file in files
    ]


def _path_module(file: Path) -> str:
    return file.resolve().parent.name if file.name == "__init__.py" else file.stem


def _import_file(file: Path) -> ModuleType:
    name = _path_module(file)
    if (origin := _origin(name)) and not (Path(origin).exists() and file.samefile(origin)):
        raise PluginError(f'there is already a module "{name}" ({origin}): rename {file}')
    if name in sys.modules:
        return sys.modules[name]
    spec = util.spec_from_file_location(name, file.resolve(), submodule_search_locations=_search(file))
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _origin(name: str) -> str | None:
    """Return the file of a module of this name, loaded or not; None if there is none."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None) or "built in"
    if "." in name:
        raise PluginError(f'"{name}" cannot be the name of a module: rename the file')
    spec = util.find_spec(name)
    return spec.origin if spec else None


def _search(file: Path) -> list[str] | None:
    return [str(file.resolve().parent)] if file.name == "__init__.py" else None


def _admit(registry: Registry, candidate: _Candidate, *, strict: bool) -> None:
    """Import one plugin and register its specs: all of them or none.

    An installed plugin's output is kept off the screen and becomes its note; that of the user's own goes to stderr.
    """
    name, source = candidate.name, candidate.source
    report = PluginReport(name, source, candidate.version, "ok")
    own = name in registry.own
    quiet = nullcontext() if candidate.first_party else stdout_to_stderr() if own else captured()
    hint = "" if own else f" (NTKBENCH_DISABLE_PLUGINS={name} leaves it out)"
    with entered(f'plugin "{name}" ({source}), being loaded{hint}'), quiet as printed:
        try:
            _load(registry, candidate)
        except BaseException as error:
            if is_interrupt(error):
                raise
            report = replace(report, status="broken", reason=described(error))
            if strict:
                raise PluginError(f'plugin "{name}" ({source}): {report.reason}') from error
    if printed is not None and (sentence := printed.sentence()):
        report = replace(report, note=f"{sentence} while it was loaded")
    registry.plugins.append(report)


def _load(registry: Registry, candidate: _Candidate) -> None:
    module = candidate.load()
    if not isinstance(module, ModuleType):
        raise PluginError(f"its entry point is a {type(module).__name__}, expected a module")
    _check_hooks(module)
    _check_new(registry, module, candidate)
    try:
        registry.manager.register(module, name=candidate.name)
        _take(registry, module, candidate.name)
    except BaseException:
        if registry.manager.is_registered(module):
            registry.manager.unregister(module)
        raise


def _check_new(registry: Registry, module: ModuleType, candidate: _Candidate) -> None:
    for report in registry.plugins:
        if report.name == candidate.name and report.status == "ok":
            raise PluginError(f'the name "{candidate.name}" is already taken by the plugin {report.source}')
    if (owner := registry.manager.get_name(module)) is not None:
        raise PluginError(f'its module {module.__name__} is already loaded as plugin "{owner}"')


def _check_hooks(module: ModuleType) -> None:
    for name, value in vars(module).items():
        if not callable(value) or not (name.startswith("ntkbench_") or hasattr(value, "ntkbench_impl")):
            continue
        if name not in _HOOK_NAMES:
            raise PluginError(f'"{name}" is not a hook{suggestion(name, _HOOK_NAMES)}')
        if not hasattr(value, "ntkbench_impl"):
            raise PluginError(f'"{name}" is not marked: put @ntkbench.hookimpl above it')
        marks = value.ntkbench_impl
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise PluginError(f'"{name}" is a wrapper: each plugin is called by itself, so there is nothing to wrap')


def _take(registry: Registry, module: ModuleType, owner: str) -> None:
    """Register all specs of a plugin; of one that fails, remember only the names of the specs it has."""
    offered: list[tuple[NamedRegistry[Any], Any]] = []
    taken: list[tuple[NamedRegistry[Any], Any]] = []
    try:
        for hook_name, spec_type, known in registry.kinds():
            specs = _registered_by(registry, hook_name, module)
            offered += [(known, spec) for spec in specs if isinstance(spec, spec_type)]
            for spec in specs:
                check_spec(spec, spec_type, hook_name)
                known.add(spec, owner)
                taken.append((known, spec))
    except BaseException:
        for known, spec in taken:
            del known.specs[spec.name], known.owners[spec.name]
        for known, spec in offered:
            if isinstance(spec.name, str):
                known.refused[spec.name] = owner
        raise


def _registered_by(registry: Registry, hook_name: str, module: ModuleType) -> list[Any]:
    caller: pluggy.HookCaller = getattr(registry.hook, hook_name)
    return [spec for impl in caller.get_hookimpls() if impl.plugin is module for spec in impl.function()]  # type: ignore[attr-defined]


@cache
def missing_requirement(requires: tuple[str, ...], install: str = "") -> str | None:
    """Return why a requirement such as ``torch>=2.4`` is not met, and how to install it; None if all are met."""
    from packaging.requirements import Requirement

    for text in requires:
        requirement = Requirement(text)
        hint = f": {install or f'pip install {text!r}'}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return f"{requirement.name} is not installed{hint}"
        if not requirement.specifier.contains(version, prereleases=True):
            return f"{requirement.name} {version} is installed, {requirement.specifier} is needed{hint}"
    return None


def missing_plugin(requires_plugins: Iterable[str], registry: Registry) -> str | None:
    """Return why a required plugin such as ``jax``, or each of ``jax|torch``, cannot be used here, or None."""
    for entry in requires_plugins:
        reasons = [_unusable(name, registry) for name in entry.split("|")]
        if all(reasons):
            return "; ".join(map(str, reasons))
    return None


def _unusable(name: str, registry: Registry) -> str | None:
    report = next((report for report in registry.plugins if report.name == name), None)
    if report is None:
        return f'needs the plugin "{name}", which is not installed'
    if report.status != "ok":
        return f'needs the plugin "{name}", which is {report.status}' + (f": {report.reason}" if report.reason else "")
    own = [spec for spec in registry.backends if registry.backends.owners[spec.name] == name]
    missing = (missing_requirement(spec.requires, spec.install) for spec in own)
    return next((f'needs the plugin "{name}": {reason}' for reason in missing if reason), None)


def unavailable_reason(spec: TaskSpec | BackendSpec, registry: Registry | None = None) -> str | None:
    """Return why a task or backend cannot be used here, or None; a check that raises counts as a reason.

    :param registry: the plugins checked against ``requires_plugins``; by default the installed ones.
    """
    try:
        reason = missing_requirement(spec.requires, spec.install)
        if reason is None and spec.requires_plugins:
            reason = missing_plugin(spec.requires_plugins, load_registry() if registry is None else registry)
        if reason is None and isinstance(spec, TaskSpec):
            with entered(f'task "{spec.name}": available()'), redirect_stdout(sys.stderr):
                reason = spec.available()
    except BaseException as error:
        if is_interrupt(error):
            raise
        return f"its check failed with {type(error).__name__}: {error}"
    if reason is None or isinstance(reason, str):
        return reason
    return f"its check returned {reason!r}, expected None or a reason"


def require_available(spec: TaskSpec | BackendSpec, registry: Registry | None = None) -> None:
    """Raise :class:`UnavailableError` if a task or backend cannot be used here."""
    if reason := unavailable_reason(spec, registry):
        raise UnavailableError(f"{spec.name} is unavailable: {reason}")
