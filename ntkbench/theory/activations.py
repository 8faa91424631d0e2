"""Activations as they are spelled: ``relu``, ``leaky_relu(slope=0.1)`` or ``module:function``; light.

The names here have a fixed meaning in every backend; a plugin may know others.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from math import isfinite
from typing import Any

Parameters = dict[str, Any]

CATALOGUE: dict[str, tuple[str, Parameters]] = {
    "relu": ("max(x, 0)", {}),
    "leaky_relu": ("x, or slope x where x < 0", {"slope": 0.01}),
    "abs": ("|x|", {}),
    "step": ("1 where x > 0; its derivative is 0 almost everywhere, so its NTK is that of the last layer", {}),
    "rectified_monomial": ("max(x, 0)^degree, degree 0 to 3", {"degree": 2}),
    "identity": ("x", {}),
    "monomial": ("x^degree", {"degree": 3}),
    "polynomial": ("sum_k coefficients[k] x^k", {"coefficients": (0.0, 1.0)}),
    "hermite": ("He_degree(x) / sqrt(degree!), normalised under N(0, 1)", {"degree": 3}),
    "erf": ("erf(x)", {}),
    "erf_sigmoid": ("(1 + erf(x / 2.4020563531719796)) / 2, close to the logistic sigmoid", {}),
    "gelu": ("x Phi(x), Phi the standard normal distribution function", {}),
    "sin": ("sin(x)", {}),
    "cos": ("cos(x)", {}),
    "rbf": ("sqrt(2) sin(sqrt(2 gamma) x + pi / 4), whose kernel is exp(-gamma |x - x'|^2)", {"gamma": 1.0}),
    "exp": ("exp(x)", {}),
    "gaussian": ("exp(-x^2)", {}),
}
_HIGHEST_RECTIFIED = 3
_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Activation:
    """A name with parameters, or, where ``name`` holds a colon, a Python function ``module:function``."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={_spelled(value)}" for key, value in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


def parse_activation(text: str) -> Activation:
    """Read a spelling; parameters that are left out get their defaults, so that one activation has one spelling.

    :raises ValueError: for a spelling that cannot be read, or parameters that a name of the catalogue does not have.
    """
    if _TARGET.fullmatch(text.strip()):
        return Activation(text.strip())
    match = _CALL.fullmatch(text)
    if match is None:
        raise ValueError(f'activation "{text}" is not of the form relu, leaky_relu(slope=0.1) or module:function')
    name, given = match[1], _arguments(text, match[2] or "")
    if name not in CATALOGUE:
        return Activation(name, tuple(sorted(given.items())))
    defaults = CATALOGUE[name][1]
    if unknown := sorted(set(given) - set(defaults)):
        has = f"it has {', '.join(defaults)}" if defaults else "it has none"
        raise ValueError(f'activation "{name}" has no parameter {unknown[0]}; {has}')
    return Activation(
        name, tuple((key, _checked(name, key, given.get(key, default), default)) for key, default in defaults.items())
    )


def _arguments(text: str, inside: str) -> Parameters:
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise ValueError
        return {str(k.arg): _frozen(ast.literal_eval(k.value)) for k in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f'the parameters of activation "{text}" are not of the form name=number, ...') from error


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _checked(name: str, key: str, value: Any, default: Any) -> Any:
    """Return a parameter in its default's type."""
    where = f'activation "{name}": {key} is {value!r}'
    if isinstance(default, tuple):
        if not isinstance(value, tuple) or not value or not all(_is_number(v) for v in value):
            raise ValueError(f"{where}, expected a list of finite numbers")
        return tuple(float(v) for v in value)
    if isinstance(default, int):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{where}, expected an integer from 0")
        if name == "rectified_monomial" and value > _HIGHEST_RECTIFIED:
            raise ValueError(f"{where}, expected 0 to {_HIGHEST_RECTIFIED}")
        return value
    if not _is_number(value):
        raise ValueError(f"{where}, expected a finite number")
    if key == "gamma" and value <= 0:
        raise ValueError(f"{where}, expected a positive number")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _spelled(value: Any) -> str:
    return f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple) else repr(value)
