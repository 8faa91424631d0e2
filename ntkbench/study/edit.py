"""Change a study before it is validated: its size, ``--set``, and the options that replace its lists."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from ..errors import StudyError, suggestion

SIZES = ("small", "full")
_INDEX = re.compile(r"[0-9]{1,9}")
_DEEPEST = 32
_TOO_DEEP = "is nested too deeply"
_BARE_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./:()=-]*")


def parse_assignment(text: str, option: str = "--set", example: str = "training.steps=100") -> tuple[str, Any]:
    """Split ``key.path=VALUE``; VALUE is a TOML literal, or a bare word taken as text.

    :raises StudyError: if it is neither.
    """
    key, sign, literal = text.partition("=")
    if not sign or not key.strip():
        raise StudyError(f"{option} {text}: expected KEY=VALUE, such as {option} {example}")
    return key.strip(), parse_literal(literal, f"{option} {key.strip()}")


def parse_literal(text: str, where: str) -> Any:
    """Return the value of a TOML literal, or of a bare word taken as text.

    :raises StudyError: if it is neither; ``where`` names the place.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except RecursionError:
        raise StudyError(f"{where}: the value {_TOO_DEEP}") from None
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        if _BARE_WORD.fullmatch(text.strip()):
            return text.strip()
        raise StudyError(f"{where}: {text!r} is not a TOML value ({error}); quote text as '\"...\"'") from None


def apply_size(data: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Return the study without ``sizes``, with any changes of ``sizes.<size>`` applied."""
    result = copy.deepcopy(dict(data))
    sizes = result.pop("sizes", {})
    if not isinstance(sizes, dict) or not all(isinstance(value, dict) for value in sizes.values()):
        raise StudyError("sizes: expected tables, such as sizes.small.subject.widths = [32, 128]")
    for name in [*sizes, size]:
        if name not in SIZES:
            raise StudyError(f"sizes.{name}: no such size{suggestion(name, SIZES)} (sizes: {', '.join(SIZES)})")
    _merge(result, sizes.get(size, {}), [])
    return result


def check_depth(data: Mapping[str, Any]) -> None:
    """Refuse a study whose tables are nested beyond any use.

    :raises StudyError: if they are.
    """
    level: list[Any] = [data]
    for _ in range(_DEEPEST):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [each for items in inner for each in items]
        if not level:
            return
    raise StudyError(f"the study {_TOO_DEEP}: more than {_DEEPEST} levels of tables and lists")


def set_path(data: dict[str, Any], path: str, value: Any) -> None:
    """Set ``path`` in place. In a list, an index selects one table (``task.0.n_train``), no index all of them."""
    _set(data, path.split("."), value, path)


def _merge(data: dict[str, Any], changes: Mapping[str, Any], path: list[str]) -> None:
    for key, value in changes.items():
        here = [*path, key]
        numbers = isinstance(value, dict) and all(map(_INDEX.fullmatch, value))  # such as members of each width
        if isinstance(value, dict) and not numbers and isinstance(_peek(data, here), dict | list):
            _merge(data, value, here)
        else:
            _set(data, here, value, ".".join(here))


def _peek(data: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(data, list):
            data = next((item for item in data if isinstance(item, dict)), None)
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _set(data: Any, path: list[str], value: Any, whole: str) -> None:
    head, *rest = path
    if isinstance(data, list):
        for item, tail in _chosen(data, head, path, whole):
            if tail:
                _set(item, tail, value, whole)
            else:
                data[int(head)] = copy.deepcopy(value)
    elif not isinstance(data, dict):
        raise StudyError(f"{whole}: there is no table to set {head!r} in")
    elif rest:
        _set(data.setdefault(head, {}), rest, value, whole)
    else:
        data[head] = copy.deepcopy(value)


def _chosen(data: list[Any], head: str, path: list[str], whole: str) -> list[tuple[Any, list[str]]]:
    if not _INDEX.fullmatch(head):
        return [(item, path) for item in data]
    if int(head) >= len(data):
        raise StudyError(f"{whole}: index {head} is past the end of a list of {len(data)}")
    return [(data[int(head)], path[1:])]
