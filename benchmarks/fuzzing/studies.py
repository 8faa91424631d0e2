"""Studies with mistakes, and values for ``--set``."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from ntkbench.study.edit import parse_assignment
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

if TYPE_CHECKING:
    from ntkbench.plugin.registry import Registry

_FOLDER = Path(__file__).resolve().parents[2] / "ntkbench" / "studies"
STUDIES = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.toml"))}
_WORDS = st.sampled_from(
    [
        "",
        "x",
        "relu",
        "erf",
        "ntk",
        "network",
        "²",
        "\ufffd",
        "a" * 5000,
        "[b]",
        "../..",
        "nan",
        "uci/wine",
        "json:dumps",
    ]
)
_NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 3.5, 1e308, -1e308, 1e-320, float("inf"), float("nan"), 2**31, 2**63, 2**64, 10**30, 10**6, 10**9]
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    _WORDS | _NUMBERS | st.booleans() | st.integers(-3, 300) | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | _TEXT, inner, max_size=3),
    max_leaves=6,
)
_DEEP = st.sampled_from([40, 200]).map(lambda depth: _nested(depth))
_EDITS = st.tuples(st.integers(0, 10**6), st.sampled_from(["delete", "add", "replace"]), VALUES | _DEEP)
_SCALINGS = st.tuples(st.integers(0, 10**6), st.just("scale"), st.sampled_from([0.5, 2, 10, 1e3, 1e6, 1e9, 1e12, 1e18]))
MUTATED = st.tuples(st.sampled_from(sorted(STUDIES)), st.lists(_EDITS | _SCALINGS, min_size=1, max_size=3))
_KEYS = st.sampled_from(["x", "task.0", "subject.²", "training..steps", "", "a" * 3000, "subject.99999999999.widths"])
_LITERALS = (
    st.integers(1, 10**7).map(str)
    | st.floats(0, 3).map(repr)
    | VALUES.map(lambda value: as_toml(value))
    | _TEXT
    | st.sampled_from(["[" * 3000, "9" * 5000, "1e9999", "x=y"])
)
ASSIGNMENTS = st.tuples(st.sampled_from(sorted(STUDIES)), st.integers(0, 10**6) | _KEYS, _LITERALS)


def _nested(depth: int) -> Any:
    nested: Any = 1
    for level in range(depth):
        nested = [nested] if level % 2 else {"x": nested}
    return nested


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a study."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(inner for key, item in items for inner in _places(item, (*path, key)))]


def _scaled(value: Any, factor: float) -> Any:
    """Return a number that is larger or smaller, and of the same type; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value * factor) if isinstance(value, int) else value * factor


def _mutated(name: str, edits: list[tuple[int, str, Any]]) -> dict[str, Any]:
    data = copy.deepcopy(STUDIES[name])
    for number, how, value in edits:
        places = _places(data)[1:]
        if not places:
            break
        *outer, last = places[number % len(places)]
        inside: Any = data
        for part in outer:
            inside = inside[part]
        if how == "delete":
            del inside[last]
        elif how == "scale":
            inside[last] = _scaled(inside[last], value)
        else:
            inside[f"{last}s" if how == "add" and isinstance(inside, dict) else last] = value
    return data


def as_toml(item: Any) -> str:
    """Return a value as inline TOML."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, int | float):
        return repr(item)
    if isinstance(item, str):
        escaped = (f"\\U{ord(c):08x}" if c in '\\"' or ord(c) < 32 or ord(c) == 127 else c for c in item)
        return '"' + "".join(escaped) + '"'
    if isinstance(item, list):
        return "[" + ", ".join(map(as_toml, item)) + "]"
    return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(each)}" for key, each in item.items()) + "}"


def plan_mutated(given: tuple[str, list[tuple[int, str, Any]]], registry: Registry, folder: Path) -> None:
    """Plan a study with mistakes, read from its file."""
    study, file = _mutated(*given), folder / "study.toml"
    file.write_text("\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in study.items()), encoding="utf-8")
    make_plan(resolve_study(file, registry, Overrides()), registry)


def plan_assigned(given: tuple[str, int | str, str], registry: Registry, folder: Path) -> None:
    """Plan a study with a value set."""
    name, place, literal = given
    places = _places(STUDIES[name])[1:]
    key = place if isinstance(place, str) else ".".join(map(str, places[place % len(places)]))
    path, value = parse_assignment(f"{key}={literal}")
    make_plan(resolve_study(name, registry, Overrides(set={path: value})), registry)
