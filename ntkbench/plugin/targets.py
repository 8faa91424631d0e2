"""Whether a spec's ``"module:attribute"`` exists, found without importing heavy code."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib import util
from typing import TYPE_CHECKING

from ..errors import PluginError, suggestion
from .guard import blaming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.machinery import ModuleSpec


@cache
def target_mistake(target: str) -> str | None:
    """Return why ``"module:attribute"`` cannot be imported, or None as far as the module's source shows.

    Imports at most the packages around the module.
    """
    name, _, attribute = target.partition(":")
    if (module := sys.modules.get(name)) is not None:
        return None if hasattr(module, attribute) else _no_attribute(name, attribute, vars(module))
    try:
        with blaming(f"the import of the package of {name}"):
            spec = util.find_spec(name)
    except PluginError as error:
        return f"there is no module {name}" if isinstance(error.__cause__, ModuleNotFoundError) else str(error)
    if spec is None:
        return f"there is no module {name}"
    try:
        known = _names(spec)
    except SyntaxError as error:
        return f"{name} is no Python: {error.msg} (line {error.lineno})"
    return None if known is None or attribute in known else _no_attribute(name, attribute, known)


def _no_attribute(module: str, attribute: str, known: Iterable[str]) -> str:
    return f'{module} has no "{attribute}"{suggestion(attribute, known)}'


def _names(spec: ModuleSpec) -> set[str] | None:
    """Return the names that a module's source binds; None if the source cannot tell."""
    get_source = getattr(spec.loader, "get_source", None)
    try:
        source = None if get_source is None else get_source(spec.name)
    except (ImportError, OSError):
        return None  # importing it will say what is wrong
    if source is None:
        return None
    names = set(_bound(ast.parse(source).body))
    return None if names & {"*", "__getattr__"} else names


def _bound(body: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that statements may bind at the top of a module; ``*`` for an import of everything."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name):
            yield node.id if node.id not in ("globals", "exec", "setattr") else "*"
        else:
            yield from _bound(ast.iter_child_nodes(node))
