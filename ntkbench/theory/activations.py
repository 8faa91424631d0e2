"""Activations: one table of their formulas, parameters and properties, and how they are spelled; light.

A spelling is ``relu``, ``leaky_relu(slope=0.1)`` or ``module:function``. The names in the table mean the same function
in every backend; a plugin may support others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

Parameters = dict[str, Any]
ZERO = -1
"""The degree of the zero polynomial."""


@dataclass(frozen=True, kw_only=True)
class ActivationFacts:
    """The properties of a function phi on which claims depend, each holding almost everywhere.

    :param smooth: whether phi is infinitely differentiable.
    :param odd_degree: the degree of its odd part (phi(x) - phi(-x)) / 2 if that is a polynomial (-1 if it is zero),
        else None.
    :param even_degree: the same for its even part (phi(x) + phi(-x)) / 2.
    :param homogeneous_degree: k if phi(c x) = c^k phi(x) for all c > 0, else None.
    """

    smooth: bool = True
    odd_degree: int | None = None
    even_degree: int | None = None
    homogeneous_degree: int | None = None

    @property
    def odd(self) -> bool:
        """Whether phi(-x) = -phi(x)."""
        return self.even_degree == ZERO

    @property
    def even(self) -> bool:
        """Whether phi(-x) = phi(x)."""
        return self.odd_degree == ZERO

    @property
    def polynomial_degree(self) -> int | None:
        """The degree of a polynomial phi, 0 for every constant; None for other functions."""
        if self.odd_degree is None or self.even_degree is None:
            return None
        return max(self.odd_degree, self.even_degree, 0)


@dataclass(frozen=True)
class CatalogueEntry:
    """A named activation.

    :param formula: in words or symbols.
    :param facts: its properties, or a function of its parameters that returns them.
    :param defaults: its parameters.
    :param closed_form: whether E[phi(u) phi(v)] has a closed form for every bivariate normal (u, v).
    """

    formula: str
    facts: ActivationFacts | Callable[..., ActivationFacts]
    defaults: Parameters = field(default_factory=dict)
    closed_form: bool = True


def _piecewise_linear(slope: float) -> ActivationFacts:
    """``(1 + slope) / 2 x + (1 - slope) / 2 |x|``."""
    return ActivationFacts(
        smooth=slope == 1,
        odd_degree=ZERO if slope == -1 else 1,
        even_degree=ZERO if slope == 1 else None,
        homogeneous_degree=1,
    )


def _rectified_monomial(degree: int) -> ActivationFacts:
    """``x^degree / 2 + sign(x) x^degree / 2``: one part is a monomial, the other no polynomial."""
    odd, even = (degree, None) if degree % 2 else (None, degree)
    return ActivationFacts(smooth=False, odd_degree=odd, even_degree=even, homogeneous_degree=degree)


def _polynomial(coefficients: tuple[float, ...]) -> ActivationFacts:
    powers = [power for power, coefficient in enumerate(coefficients) if coefficient != 0]
    return ActivationFacts(
        odd_degree=max((power for power in powers if power % 2), default=ZERO),
        even_degree=max((power for power in powers if power % 2 == 0), default=ZERO),
        homogeneous_degree=powers[0] if len(powers) == 1 else None,
    )


def _monomial(degree: int) -> ActivationFacts:
    return _polynomial((0.0,) * degree + (1.0,))


def _hermite(degree: int) -> ActivationFacts:
    """He_n has the powers n, n - 2, ...; only He_0 and He_1 are monomials."""
    odd, even = (degree, ZERO) if degree % 2 else (ZERO, degree)
    return ActivationFacts(odd_degree=odd, even_degree=even, homogeneous_degree=degree if degree < 2 else None)


_SMOOTH = ActivationFacts()
_SMOOTH_ODD = ActivationFacts(even_degree=ZERO)
_SMOOTH_EVEN = ActivationFacts(odd_degree=ZERO)
_LINEAR_AND_EVEN = ActivationFacts(odd_degree=1)
_CONSTANT_AND_ODD = ActivationFacts(even_degree=0)
_KINKED = ActivationFacts(smooth=False)
_KINKED_ODD = ActivationFacts(smooth=False, even_degree=ZERO)
_ELU = "x, or exp(x) - 1 where x < 0"
_SILU = "x / (1 + exp(-x))"


def _by_quadrature(formula: str, facts: ActivationFacts) -> CatalogueEntry:
    return CatalogueEntry(formula, facts, closed_form=False)


CATALOGUE: dict[str, CatalogueEntry] = {
    "relu": CatalogueEntry("max(x, 0)", _piecewise_linear(0.0)),
    "leaky_relu": CatalogueEntry("x, or slope x where x < 0", _piecewise_linear, {"slope": 0.01}),
    "abs": CatalogueEntry("|x|", _piecewise_linear(-1.0)),
    "step": CatalogueEntry(
        "1 where x > 0; its derivative is 0 almost everywhere, so its NTK is that of the last layer",
        _rectified_monomial(0),
    ),
    "rectified_monomial": CatalogueEntry("max(x, 0)^degree, degree 0 to 3", _rectified_monomial, {"degree": 2}),
    "identity": CatalogueEntry("x", _monomial(1)),
    "monomial": CatalogueEntry("x^degree", _monomial, {"degree": 3}),
    "polynomial": CatalogueEntry("sum_k coefficients[k] x^k", _polynomial, {"coefficients": (0.0, 1.0)}),
    "hermite": CatalogueEntry("He_degree(x) / sqrt(degree!), normalised under N(0, 1)", _hermite, {"degree": 3}),
    "erf": CatalogueEntry("erf(x)", _SMOOTH_ODD),
    "erf_sigmoid": CatalogueEntry(
        "(1 + erf(x / 2.4020563531719796)) / 2, close to the logistic sigmoid", _CONSTANT_AND_ODD
    ),
    "gelu": CatalogueEntry("x Phi(x), Phi the standard normal distribution function", _LINEAR_AND_EVEN),
    "sin": CatalogueEntry("sin(x)", _SMOOTH_ODD),
    "cos": CatalogueEntry("cos(x)", _SMOOTH_EVEN),
    "rbf": CatalogueEntry(
        "sqrt(2) sin(sqrt(2 gamma) x + pi / 4), whose kernel is exp(-gamma |x - x'|^2)",
        lambda gamma: _SMOOTH,
        {"gamma": 1.0},
    ),
    "exp": CatalogueEntry("exp(x)", _SMOOTH),
    "gaussian": CatalogueEntry("exp(-x^2)", _SMOOTH_EVEN),
    "arctan": _by_quadrature("arctan(x)", _SMOOTH_ODD),
    "celu": _by_quadrature(_ELU, _KINKED),
    "elu": _by_quadrature(_ELU, _KINKED),
    "log_cosh": _by_quadrature("log(cosh(x))", _SMOOTH_EVEN),
    "mish": _by_quadrature("x tanh(log(1 + exp(x)))", _SMOOTH),
    "selu": _by_quadrature("1.0507009873554805 x, or 1.7580993408473766 (exp(x) - 1) where x < 0", _KINKED),
    "sigmoid": _by_quadrature("1 / (1 + exp(-x))", _CONSTANT_AND_ODD),
    "silu": _by_quadrature(_SILU, _LINEAR_AND_EVEN),
    "softplus": _by_quadrature("log(1 + exp(x))", _LINEAR_AND_EVEN),
    "softsign": _by_quadrature("x / (1 + |x|)", _KINKED_ODD),
    "swish": _by_quadrature(_SILU, _LINEAR_AND_EVEN),
    "tanh": _by_quadrature("tanh(x)", _SMOOTH_ODD),
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
    """Parse a spelling; omitted parameters get their defaults, so that every activation has one canonical spelling.

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
    defaults = CATALOGUE[name].defaults
    if unknown := sorted(set(given) - set(defaults)):
        has = f"it has {', '.join(defaults)}" if defaults else "it has none"
        raise ValueError(f'activation "{name}" has no parameter {unknown[0]}; {has}')
    return Activation(
        name, tuple((key, _checked(name, key, given.get(key, default), default)) for key, default in defaults.items())
    )


def activation_facts(text: str) -> ActivationFacts | None:
    """Return the facts of a spelled activation; None for a name outside the table and for ``module:function``.

    :raises ValueError: as :func:`parse_activation`.
    """
    spelled = parse_activation(text)
    if spelled.name not in CATALOGUE:
        return None
    facts = CATALOGUE[spelled.name].facts
    return facts if isinstance(facts, ActivationFacts) else facts(**dict(spelled.parameters))


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
