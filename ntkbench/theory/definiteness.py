"""Where the theory says that the tangent kernel is positive definite, and where that it is not (C13)."""

from __future__ import annotations

import json
from math import comb
from typing import TYPE_CHECKING, Any, Literal

from .activations import parse_activation

if TYPE_CHECKING:
    from collections.abc import Mapping

Definite = Literal["positive", "singular"]

_ODD = frozenset({"identity", "erf", "tanh", "sin", "arctan", "softsign"})
_HOMOGENEOUS = frozenset({"relu", "leaky_relu", "abs"})
_POLYNOMIAL = frozenset({"identity", "monomial", "polynomial", "hermite"})


def definiteness(facts: Mapping[str, Any]) -> Definite | None:
    """Return what J18 Prop. 2 and its counter-examples say of a kernel on distinct points, None where nothing.

    Positive on the sphere for an activation that is no polynomial, with biases. Singular for a polynomial of degree p
    at depth 1 on more than ``C(n_0 + p, p)`` points; and without biases on antipodal pairs, for odd activations at any
    depth and for homogeneous ones at depth 1.

    :param facts: activation, depth, bias_std, n_train, n_features, task and task_params_json of a row of ``cells``.
    """
    spelled = parse_activation(str(facts["activation"]))
    features, points, depth = int(facts["n_features"]), int(facts["n_train"]), int(facts["depth"])
    if spelled.name in _POLYNOMIAL:
        degree = _degree(spelled.name, dict(spelled.parameters))
        few = depth == 1 and points > comb(features + degree, degree)
        return "singular" if few else None
    if facts["bias_std"] > 0:
        return "positive" if _on_sphere(facts) and depth >= 1 else None
    odd = spelled.name in _ODD or (spelled.name in _HOMOGENEOUS and depth == 1 and points > 2 * features)
    return "singular" if odd and _antipodal(facts) else None


def _degree(name: str, parameters: dict[str, Any]) -> int:
    if name == "identity":
        return 1
    if name == "polynomial":
        return len(parameters["coefficients"]) - 1
    return int(parameters["degree"])


def _on_sphere(facts: Mapping[str, Any]) -> bool:
    inputs = json.loads(facts["task_params_json"]).get("inputs")
    name = str(facts["task"]).split()[0]
    return name in ("synthetic/circle", "synthetic/harmonic") or inputs == "sphere"


def _antipodal(facts: Mapping[str, Any]) -> bool:
    parameters = json.loads(facts["task_params_json"])
    return str(facts["task"]).split()[0] == "synthetic/circle" and parameters.get("angles") == "even"
