"""Load plugins one by one.

A plugin that cannot be imported, or registers something invalid, is reported with its reason; the others still load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from ..errors import PluginError, suggestion
from . import hookspecs
from .discovery import built_in, from_path, installed
from .guard import captured, described, entered, stdout_to_stderr, watching
from .plugin_report import PluginReport
from .registry import Registry, is_strict
from .spec_checks import check_spec

if TYPE_CHECKING:
    from .discovery import FoundPlugin
    from .named_registry import NamedRegistry

_HOOK_NAMES = frozenset(name for name in vars(hookspecs) if name.startswith("ntkbench_"))


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
        for candidate in [built_in(), *installed()]:
            if candidate.name in disabled:
                registry.plugins.append(PluginReport(candidate.name, candidate.source, candidate.version, "disabled"))
            else:
                _admit(registry, candidate, strict=strict)
        for path in paths:
            for candidate in from_path(Path(path)):
                registry.own.add(candidate.name)
                _admit(registry, candidate, strict=True)
    return registry


def _admit(registry: Registry, candidate: FoundPlugin, *, strict: bool) -> None:
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
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            report = replace(report, status="broken", reason=described(error))
            if strict:
                raise PluginError(f'plugin "{name}" ({source}): {report.reason}') from error
    if printed is not None and (sentence := printed.sentence()):
        report = replace(report, note=f"{sentence} while it was loaded")
    registry.plugins.append(report)


def _load(registry: Registry, candidate: FoundPlugin) -> None:
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


def _check_new(registry: Registry, module: ModuleType, candidate: FoundPlugin) -> None:
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
