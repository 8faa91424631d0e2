"""Find plugins: the built-ins, the installed ones by their entry points, the user's own files and folders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PluginError
from .guard import described

if TYPE_CHECKING:
    from types import ModuleType

ENTRY_POINT_GROUP = "ntkbench"
BUILT_IN = "ntkbench.plugin.builtin"
_DISTRIBUTION = "ntkbench"


@dataclass(frozen=True)
class FoundPlugin:
    """A plugin that was found but not loaded; ``load()`` imports its module."""

    name: str
    source: str
    version: str
    load: Callable[[], ModuleType]
    first_party: bool = False


def built_in() -> FoundPlugin:
    """Return the built-ins, which are a plugin too."""
    version = metadata.version(_DISTRIBUTION)
    return FoundPlugin("ntkbench", "built in", version, lambda: import_module(BUILT_IN), first_party=True)


def installed() -> list[FoundPlugin]:
    """Return the plugins of the entry points, ours first: a name that two of them want is ours."""
    try:
        found = [_from_entry_point(point) for point in metadata.entry_points(group=ENTRY_POINT_GROUP)]
    except Exception:  # one distribution whose entry points cannot be read
        found = list(_one_by_one())
    return sorted(found, key=lambda candidate: (not candidate.first_party, candidate.name))


def _one_by_one() -> Iterator[FoundPlugin]:
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
            yield FoundPlugin(name, place, "", partial(_raise, f"its entry points cannot be read: {described(error)}"))
        else:
            yield from map(_from_entry_point, points)


def _raise(reason: str) -> ModuleType:
    raise PluginError(reason)


def _from_entry_point(point: metadata.EntryPoint) -> FoundPlugin:
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    except Exception:  # a distribution without metadata
        name, version = "", ""
    ours = name == _DISTRIBUTION
    source = f"installed: {point.value}" + (f" of {name}" if name and not ours else "")
    load = point.load
    if not metadata.EntryPoint.pattern.match(point.value):
        load = partial(_raise, f'its entry point {point.value!r} names no module; expected one such as "acme.plugin"')
    return FoundPlugin(point.name, source, version or "", load, first_party=ours)


def from_path(path: Path) -> list[FoundPlugin]:
    """Return the plugins of one of the user's files or folders.

    :raises PluginError: if it has no Python file.
    """
    if path.is_dir():
        files = [path / "__init__.py"] if (path / "__init__.py").exists() else sorted(path.glob("[!_]*.py"))
    else:
        files = [path]
    if not files or not all(file.is_file() for file in files):
        raise PluginError(f"--plugin {path}: neither a Python file nor a folder with Python files in it")
    return [
        FoundPlugin(_path_module(file), f"file: {file}", "", lambda file=file: _import_file(file))  # type: ignore[misc]
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
