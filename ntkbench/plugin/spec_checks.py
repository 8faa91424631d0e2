"""Checks of specs at registration: a wrong value is refused where it was written, not where it is first used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

from ..errors import PluginError, suggestion
from ..theory.losses import Loss
from ..theory.optimizers import Optimizer
from .specs import (
    SOLUTION_FIELDS,
    BackendSpec,
    Estimate,
    ExecutorSpec,
    MethodFacts,
    MetricSpec,
    Sizes,
    StudySpec,
    TaskSpec,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]*(/[a-z0-9][a-z0-9_.+-]*)*")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\s:]+")
_OPTIONAL = frozenset({"observed_by_default"})
_TEXTS = ("summary", "unit", "install", "source", "licence", "citation")
_FLAGS = (
    "standardise_inputs",
    "standardise_targets",
    "batches",
    "stops",
    "supports_non_gradient",
    "needs_reference",
    "shares_memory",
    "default",
)
_FUNCTIONS = ("sizes", "fingerprint", "available", "supports", "estimate", "facts", "inapplicable")
_LISTS = ("requires", "requires_plugins", "measures", "observed_by_default")
_CHOICES: dict[str, tuple[str, ...]] = {"role": ("reference", "subject"), "goal": ("min", "max", "none")}
_SUBSETS: dict[str, tuple[str, ...]] = {
    "optimizers": get_args(Optimizer),
    "losses": get_args(Loss),
    "needs": SOLUTION_FIELDS,
}


def check_spec(spec: Any, spec_type: type, hook_name: str) -> None:
    """Check the type, the name and every field of a spec that a plugin registers.

    :raises PluginError: naming the spec, the field, its value and what would be right.
    """
    if not isinstance(spec, spec_type):
        raise PluginError(f"{hook_name} returned {spec!r}, expected {spec_type.__name__}")
    name = spec.name  # type: ignore[attr-defined]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f'{hook_name}: the name {name!r} must look like "task" or "family/task", in lower case')
    assert isinstance(spec, TaskSpec | BackendSpec | MetricSpec | StudySpec | ExecutorSpec)
    if mistake := next(_mistakes(spec), None):
        kind = spec_type.__name__.removesuffix("Spec").lower()
        raise PluginError(f'{kind} "{name}": {mistake}')


def checked_result(what: str, function: str, result: Any) -> Any:
    """Return the result of a spec's light function, sizes and estimates as their own types.

    :raises PluginError: if it is of another kind; ``what`` names the function.
    """
    if function == "sizes":
        if isinstance(result, tuple) and len(result) == len(Sizes._fields) and all(map(_is_positive, result)):
            return Sizes(*result)
        expected = f"Sizes of positive integers ({', '.join(Sizes._fields)})"
    elif function == "estimate":
        if isinstance(result, tuple) and len(result) == len(Estimate._fields) and all(map(_is_finite_cost, result)):
            return Estimate(*result)
        expected = "an Estimate of finite flops and bytes"
    elif function == "facts":
        if isinstance(result, MethodFacts):
            return result
        expected = "MethodFacts"
    elif function == "fingerprint":
        if isinstance(result, str):
            return result
        expected = "a text"
    else:
        if result is None or isinstance(result, str):
            return result
        expected = "None or a reason"
    raise PluginError(f"{what} returned {result!r}, expected {expected}")


def _is_positive(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and number > 0  # type: ignore[operator]


def _is_finite_cost(number: Any) -> bool:
    return isinstance(number, Real) and 0 <= float(number) < inf


def _mistakes(spec: TaskSpec | BackendSpec | MetricSpec | StudySpec | ExecutorSpec) -> Iterator[str]:
    """Yield what is wrong with the fields of a spec."""
    if isinstance(spec, StudySpec):
        if not isinstance(spec.path, Path) or not spec.path.is_file():
            yield f"there is no file {spec.path!s}; path must be the pathlib.Path of its .toml file"
    elif isinstance(spec.version, bool) or not isinstance(spec.version, int):
        yield f"version is {spec.version!r}, expected an integer"
    for field, value in vars(spec).items():
        if not (value is None and field in _OPTIONAL) and (mistake := _mistake(field, value)):
            yield mistake
    if isinstance(spec, BackendSpec):
        yield from _unknown("observed_by_default", spec.observed_by_default or (), tuple(spec.observables))


def _mistake(field: str, value: Any) -> str | None:
    """Return what is wrong with one field, or None."""
    if field in ("target", "parameters"):
        right = isinstance(value, str) and _TARGET.fullmatch(value)
        return None if right else f'{field} is {value!r}, expected "module:attribute"'
    if field in _CHOICES:
        return next(_unknown(field, (value,), _CHOICES[field]), None)
    if field in _SUBSETS:
        return _no_list(field, value) or next(_unknown(field, value, _SUBSETS[field]), None)
    if field in _LISTS:
        return _no_list(field, value)
    kinds: tuple[tuple[Iterable[str], Any, str], ...] = (
        (_TEXTS, str, "a text"),
        (_FLAGS, bool, "True or False"),
        (_FUNCTIONS, Callable, "a function"),
        (("observables",), Mapping, "a mapping of names to descriptions"),
    )
    for fields, kind, words in kinds:
        if field in fields and not isinstance(value, kind):
            return f"{field} is {value!r}, expected {words}"
    return None


def _no_list(field: str, value: Any) -> str | None:
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return None
    return f"{field} is {value!r}, expected a tuple of texts"


def _unknown(field: str, values: Iterable[Any], known: tuple[str, ...]) -> Iterator[str]:
    for value in values:
        if value not in known:
            near = suggestion(value, known) if isinstance(value, str) else ""
            yield f"{field} has {value!r}{near} (known: {', '.join(known) or 'none'})"
