"""Cases in which the theory says that the tangent kernel is positive definite, or that it is singular (C13)."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any, Literal

from .activations import ActivationFacts, activation_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

Definite = Literal["positive", "singular"]


def definiteness(facts: Mapping[str, Any]) -> Definite | None:
    """Return a kernel's definiteness by J18 Prop. 2 and its counter-examples, None if they do not decide it.

    Positive on distinct points of the sphere, with biases, for an activation that is not a polynomial. Singular

    * if points coincide;
    * for networks that are polynomials of their inputs, of degree q, on more than ``C(n_0 + q, q)`` points;
    * without biases, on an antipodal pair, for odd and for even activations;
    * without biases, at depth 1, on more antipodal pairs than the odd or the even part of the activation has monomials,
      if that part is a polynomial: on more than n_0 for ReLU.

    :param facts: activation, depth, bias_std, n_features, n_train, distinct_inputs, input_norm and antipodal_pairs of a
        row of ``cells``, whose inputs are known.
    """
    depth, features = int(facts["depth"]), int(facts["n_features"])
    distinct, pairs = int(facts["distinct_inputs"]), int(facts["antipodal_pairs"])
    phi = activation_facts("identity" if depth == 0 else str(facts["activation"]))
    if distinct < facts["n_train"]:
        return "singular"
    if phi is None:
        return None
    biases = facts["bias_std"] > 0
    if _few_polynomials(phi, depth, features, distinct) or (not biases and _unpaired(phi, depth, features, pairs)):
        return "singular"
    on_sphere = facts["input_norm"] is not None and facts["input_norm"] > 0  # null may be nan
    return "positive" if biases and on_sphere and phi.polynomial_degree is None else None


def _few_polynomials(phi: ActivationFacts, depth: int, features: int, points: int) -> bool:
    """Return whether the network, and so its tangent features, is a polynomial of too low a degree for the points."""
    if phi.polynomial_degree is None:
        return False
    degree = min(phi.polynomial_degree ** max(depth, 1), points)  # there are more than ``points`` monomials of that one
    return points > comb(features + degree, degree)


def _unpaired(phi: ActivationFacts, depth: int, features: int, pairs: int) -> bool:
    """Return whether all tangent features of a network without biases vanish on some combination of antipodal pairs.

    At depth 1 only the odd part of phi acts on differences of the two points of a pair, only the even part on sums.
    """
    if phi.odd or phi.even:
        return pairs > 0
    parts = [degree for degree in (phi.odd_degree, phi.even_degree) if degree is not None]
    return depth == 1 and any(pairs > _monomials_of_its_parity(features, degree) for degree in parts)


def _monomials_of_its_parity(features: int, degree: int) -> int:
    """Return how many monomials there are of degree ``degree``, ``degree - 2``, ... in ``features`` variables."""
    return sum(comb(features + power - 1, power) for power in range(degree, -1, -2))
