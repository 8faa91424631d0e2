"""Read a study from a name, a path, a mapping or a model, with its size and overrides applied."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StudyError, suggestion
from .edit import apply_size, check_depth, set_path
from .model import Study

if TYPE_CHECKING:
    from ..plugin.registry import Registry

DEFAULT_STUDY = "quickstart"


@dataclass(frozen=True)
class Overrides:
    """Changes to a study from the command line. ``tasks``, ``widths`` and ``members`` replace the study's lists."""

    set: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    members: int | None = None
    seed: int | None = None
    size: str = "small"


def read_study(source: str | Path | Mapping[str, Any] | Study, registry: Registry) -> tuple[dict[str, Any], str]:
    """Return the raw data of a study, and the name that messages give it.

    :raises StudyError: if there is no such study or file, or it is not TOML.
    """
    if isinstance(source, Study):
        return source.model_dump(mode="json", by_alias=True, exclude_unset=True), f'study "{source.name}"'
    if isinstance(source, Mapping):
        return dict(source), "study"
    if isinstance(source, str) and source in registry.studies:
        return _parse(registry.studies.get(source).path), f'study "{source}"'
    path = Path(source)
    if path.suffix != ".toml" and not path.exists():
        raise StudyError(
            f'no study "{source}"{suggestion(str(source), registry.studies.specs)} '
            "(a name from `ntkbench list studies`, or the path of a .toml file)" + registry.studies.absence(str(source))
        )
    return _parse(path), str(path)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a byte order mark
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
    except RecursionError:
        raise StudyError(f"{path}: is nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise StudyError(f"{path}: not TOML: {error}") from None


def _set_subjects(data: dict[str, Any], key: str, value: Any) -> None:
    if not data.get("subject"):
        raise StudyError(f"{key}: the study has no subject whose {key} could be replaced")
    set_path(data, f"subject.{key}", value)


def _subjects(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = data.get("subject")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _learn(data: Mapping[str, Any], tasks: Sequence[str], before: Collection[str]) -> None:
    """Let subjects of some tasks learn those that were chosen of them, and the ones that are new to the study."""
    for entry in _subjects(data):
        if isinstance(entry.get("tasks"), list):
            entry["tasks"] = [name for name in tasks if name in entry["tasks"] or name not in before]


def _members_at(data: Mapping[str, Any], widths: Sequence[int]) -> None:
    """Where members are listed by width, give a new width as many as the next wider one, or the widest."""
    for entry in _subjects(data):
        if isinstance(listed := entry.get("members"), dict) and all(str(width).isdigit() for width in listed):
            known = sorted((int(width), count) for width, count in listed.items())
            wider = {width: [count for other, count in known if other >= width] for width in widths}
            entry["members"] = {str(width): (counts or [known[-1][1]])[0] for width, counts in wider.items()}


def edited(data: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return the study's data with its size and all overrides applied; not validated yet."""
    check_depth(data)
    result = apply_size(data, overrides.size)
    if overrides.tasks:
        entries = result["task"] if isinstance(result.get("task"), list) else []
        known = [entry for entry in entries if isinstance(entry, dict) and "name" in entry]
        named = ([entry for entry in known if entry["name"] == name] or [{"name": name}] for name in overrides.tasks)
        result["task"] = [entry for some in named for entry in some]
        _learn(result, overrides.tasks, {entry["name"] for entry in known})
    if overrides.widths:
        _set_subjects(result, "widths", list(overrides.widths))
        _members_at(result, overrides.widths)
    if overrides.members is not None:
        _set_subjects(result, "members", overrides.members)
    if overrides.seed is not None:
        result["seed"] = overrides.seed
    for path, value in overrides.set.items():
        set_path(result, path, value)
    check_depth(result)
    return result
