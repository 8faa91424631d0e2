"""The code that a run's cells were computed by: recorded with the environment, and compared when cells are kept."""

from __future__ import annotations

import hashlib
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plugin.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..plugin.cell import Cell
    from ..plugin.named_registry import NamedRegistry
    from ..plugin.registry import Registry
    from ..store.finished import Done
    from ..study.plan import Plan

_CORE = __name__.partition(".")[0]
_DIGITS = 12
_LISTED = 5


def code_of(plan: Plan, registry: Registry) -> dict[str, dict[str, str]]:
    """Return digests of the code behind a plan's tasks, backends and metrics, by package and by file or subfolder."""
    used = {(known.kind, name): known for cell in plan.cells for known, name in _specs_of(cell, registry)}
    return {root: _digests(root) for root in sorted({_root(known, name) for (_, name), known in used.items()})}


def installed_code(plan: Plan, registry: Registry) -> tuple[str, ...]:
    """Return the packages behind a plan's tasks, backends and metrics, without files that the user names."""
    used = {(known.kind, name): known for cell in plan.cells for known, name in _specs_of(cell, registry)}
    installed = {_root(known, name) for (_, name), known in used.items() if known.owners[name] not in registry.own}
    return tuple(sorted(installed - {_CORE}))


def changed_code(
    plan: Plan, done: Mapping[str, Done], environments: Mapping[str, Any], registry: Registry
) -> list[str]:
    """Return a sentence for each package whose code has changed since cells of the plan, now kept, were computed."""
    current = code_of(plan, registry)
    cells: dict[str, set[str]] = {}
    specs: dict[str, dict[str, None]] = {}
    files: dict[str, set[str]] = {}
    for cell in plan.cells:
        before = done.get(cell.cell_id)
        recorded = environments.get(before.env_id, {}).get("code", {}) if before and before.status == "ok" else {}
        for known, name in _specs_of(cell, registry) if recorded else ():
            root = _root(known, name)
            if root not in recorded or not (changed := _differing(recorded[root], current[root])):
                continue
            cells.setdefault(root, set()).add(cell.cell_id)
            specs.setdefault(root, {})[f'{known.kind} "{name}" (version {known.specs[name].version})'] = None
            files.setdefault(root, set()).update(changed)
    return [_sentence(sorted(files[root]), list(specs[root]), len(cells[root])) for root in cells]


def _sentence(files: list[str], specs: list[str], count: int) -> str:
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    which = ", ".join(specs[:_LISTED]) + (f" and {len(specs) - _LISTED} more" if len(specs) > _LISTED else "")
    kept = "1 finished cell was" if count == 1 else f"{count} finished cells were"
    return (
        f"the code has changed since {kept} computed, which this run keeps: {', '.join(files[:_LISTED])}{more}, used "
        f"by {which}; if results change with it, raise the version of that spec, or compute all again with --fresh"
    )


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def _specs_of(cell: Cell, registry: Registry) -> Iterator[tuple[NamedRegistry[Any], str]]:
    """Yield the registries and names of the specs that compute a cell."""
    yield registry.tasks, cell.task
    yield registry.backends, cell.backend
    for name in cell.metrics:
        yield registry.metrics, name


def _root(known: NamedRegistry[Any], name: str) -> str:
    """Return the package whose code computes what a spec promises: of the core only the one around the target."""
    module = str(known.specs[name].target).partition(":")[0]
    top = module.partition(".")[0]
    return module.rpartition(".")[0] if top == _CORE else top


def _digests(root: str) -> dict[str, str]:
    """Return digests of a package's source files, of each subfolder one; of a module that of its only file."""
    try:
        spec = util.find_spec(root)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return {}
    if not spec.submodule_search_locations:
        return _digest_of({Path(spec.origin).name: [Path(spec.origin)]}) if spec.has_location and spec.origin else {}
    groups: dict[str, list[Path]] = {}
    for folder in map(Path, spec.submodule_search_locations):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).parts
            groups.setdefault(f"{folder.name}/{parts[0]}" + ("/" if len(parts) > 1 else ""), []).append(path)
    return _digest_of(groups)


def package_digest(package: str) -> str:
    """Return one digest of all source files of a package; that of no files if there is no such package."""
    return digest(_digests(package), _DIGITS)


def file_digest(path: Path) -> str:
    """Return a digest of a source file, or of those in a folder; that of no files if there is none."""
    return digest(_digest_of({"": [path] if path.is_file() else sorted(path.rglob("*.py"))}), _DIGITS)


def _digest_of(groups: Mapping[str, list[Path]]) -> dict[str, str]:
    """Return one digest per group of files, of names and contents; a file that cannot be read counts as empty."""
    found = {}
    for name, paths in groups.items():
        content = hashlib.sha256()
        for path in paths:
            content.update(path.name.encode() + b"\0")
            try:
                content.update(path.read_bytes())
            except OSError:
                continue
        found[name] = content.hexdigest()[:_DIGITS]
    return found
