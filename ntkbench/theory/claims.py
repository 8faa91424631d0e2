"""The theory's expectation for each measured exponent: its claims as values and bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from .activations import activation_facts
from .definiteness import Definite, definiteness

STATEMENTS = {
    "C1": "at initialization outputs are a Gaussian process with covariance K",
    "C2": "the tangent kernel at initialization converges to Theta",
    "C3": "outputs decouple: the limit is Theta (x) Id",
    "C4": "the tangent kernel stays constant in training",
    "C5": "weights and activations barely move, yet together they learn",
    "C6": "the network follows its own linearization",
    "C7": "the function follows kernel descent with Theta, also along no gradient",
    "C8": "the trained ensemble is Gaussian, with the law of L19 and no posterior",
    "C9": "kernel components decay as exp(-t lambda / N)",
    "C10": "early stopping keeps large components and drops noise",
    "C11": "a kernel is approximated by P random functions",
    "C12": "the cost falls by |d|^2 and goes to its infimum",
    "C13": "Theta is positive definite on the sphere, with its exceptions",
    "C14": "2N / lambda_max is where wide networks stop following the theory",
    "C15": "smaller networks converge faster along a component than their linearizations",
    "C16": "last layer trained: the NNGP posterior; all trained: the law of the NTK",
    "C17": "laziness is a matter of scale",
}


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A claim's expectation for an exponent of the width, or for another number.

    :param claim: ``C1`` to ``C17``.
    :param value: the exponent, or the bound on it; ``noun`` names it, such as ``limit``.
    :param band_low: lower end of the equivalence band; ``-inf`` for a bound from above.
    :param band_high: its upper end; ``inf`` for a bound from below.
    :param one_sided: the claim is a bound, "at least as fast as": tested one-sided.
    :param judged: False where the measured exponent is reported without a verdict.
    :param note: the reason for the value and the band.
    :param vanishes: the quantity is a distance to a limit, so that a floor below it refutes the claim.
    :param of_data: a bound on a number that each data set has its own of: it has to hold on each.
    """

    claim: str
    metric: str
    value: float
    band_low: float
    band_high: float
    one_sided: bool = False
    judged: bool = True
    note: str = ""
    noun: str = "exponent"
    vanishes: bool = False
    of_data: bool = False


def expectation(metric: str, facts: Mapping[str, Any], claim: str | None = None) -> Expectation | None:
    """Return the theory's expectation for a quantity, or None if it has none.

    :param facts: the row of ``cells`` it was measured on: a kernel's definiteness depends on activation, depth, biases
        and points (C13).
    :param claim: the study's claim, which may expect another value of the same quantity, as for random functions (C11).
    """
    if metric in ("smallest_eigenvalue", "ntk_smallest_eigenvalue"):
        solved = isinstance(
            facts["distinct_inputs"], Integral
        )  # otherwise the points are unknown, and so is the eigenvalue
        return _OF_DEFINITENESS.get(definiteness(facts) if solved else "positive")
    own = _OF_CLAIM.get((claim or "", metric))
    found = own or expected_exponent(metric, str(facts["activation"]))
    return found if found is None or claim is None else replace(found, claim=claim)


def expected_exponent(metric: str, activation: str) -> Expectation | None:
    """Return the theory's expectation for a quantity's exponent, or None if it has none.

    * ``ntk_distance_frobenius``, ``_operator``: C2 [J18 Thm. 1], n^-1/2; +- 0.05 in Frobenius, +- 0.1 in operator norm.
    * ``ntk_change_frobenius``: C4. Smooth activations n^-1 [L19 Fig. 1, DG19], +- 0.1; for others, and for functions
      with unknown properties, J18's bound, at least as fast as n^-1/2, one-sided (ReLU: counting kink crossings
      suggests n^-3/4).
    * ``function_distance_max``: C7 [J18 Thm. 2], max over t, n^-1/2 +- 0.1. At one fixed step (``function_distance``)
      the leading term can be small, as on points that training has nearly interpolated: reported, not judged.
    * ``function_distance_of_mean_over_time``: C7, over all recorded steps, n^-1 +- 0.1: the n^-1/2 term has mean zero
      over draws. At one step (``function_distance_of_mean``) terms of the bias can cancel: reported, not judged.

    * ``output_blocks``: C3, n^-1/2 +- 0.1.
    * ``weight_change_*``, ``bias_change``, ``activation_change``: C5. First and last weights, hidden biases and
      activations n^-1/2 +- 0.1; weights in the middle n^-1 +- 0.1 in Frobenius norm, n^-1/2 +- 0.1 in operator norm.
    * ``linearization_distance_max``: C6, max over t. Smooth activations n^-1 +- 0.1; for others the bound n^-1/2.

    :param activation: as in a study, such as ``leaky_relu(slope=0.1)``.
    """
    facts = activation_facts(activation)
    smooth = facts is not None and facts.smooth
    return (None if smooth else _BOUNDS.get(metric)) or _EXPONENTS.get(metric) or _OTHERS.get(metric)


def _band(claim: str, metric: str, value: float, margin: float, note: str, *, judged: bool = True) -> Expectation:
    low, high = round(value - margin, 12), round(value + margin, 12)
    return Expectation(claim=claim, metric=metric, value=value, band_low=low, band_high=high, judged=judged, note=note)


def _distance(claim: str, metric: str, value: float, margin: float, note: str, *, judged: bool = True) -> Expectation:
    return replace(_band(claim, metric, value, margin, note, judged=judged), vanishes=True)


_EXPONENTS = {
    expectation.metric: expectation
    for expectation in (
        _distance("C2", "ntk_distance_frobenius", -0.5, 0.05, "n^-1/2 [J18 Thm. 1]"),
        _distance("C2", "ntk_distance_operator", -0.5, 0.1, "n^-1/2 [J18 Thm. 1]"),
        _distance("C4", "ntk_change_frobenius", -1.0, 0.1, "n^-1 for smooth activations [L19 Fig. 1, DG19]"),
        _distance("C3", "output_blocks", -0.5, 0.1, "n^-1/2 [J18 Thm. 1]"),
        _band("C5", "weight_change_first", -0.5, 0.1, "n^-1/2 [L19 Fig. 1]"),
        _band("C5", "weight_change_middle", -1.0, 0.1, "n^-1 in Frobenius norm [L19 Fig. 1]"),
        _band("C5", "weight_change_middle_operator", -0.5, 0.1, "n^-1/2 in operator norm"),
        _band("C5", "weight_change_last", -0.5, 0.1, "n^-1/2 [L19 Fig. 1]"),
        _band("C5", "bias_change", -0.5, 0.1, "n^-1/2: hidden biases, each as a weight of the first layer"),
        _band("C5", "activation_change", -0.5, 0.1, "n^-1/2: individual activations"),
        _distance("C6", "linearization_distance_max", -1.0, 0.1, "n^-1 for smooth activations [DG19]"),
        _distance("C7", "function_distance_max", -0.5, 0.1, "n^-1/2: the error at initialization dominates"),
        _distance(
            "C7", "function_distance", -0.5, 0.1, "n^-1/2, at one step: the claim is of the largest", judged=False
        ),
        _band("C7", "function_distance_of_mean_over_time", -1.0, 0.1, "n^-1: the n^-1/2 term has mean zero over draws"),
        _band("C7", "function_distance_of_mean", -1.0, 0.1, "n^-1, at one step: terms can cancel there", judged=False),
    )
}


def _bound(claim: str, metric: str, value: float, note: str) -> Expectation:
    return Expectation(
        claim=claim, metric=metric, value=value, band_low=-math.inf, band_high=value, one_sided=True, note=note
    )


def _distance_bound(claim: str, metric: str, value: float, note: str) -> Expectation:
    return replace(_bound(claim, metric, value, note), vanishes=True)


_BOUNDS = {
    expectation.metric: expectation
    for expectation in (
        _distance_bound(
            "C4", "ntk_change_frobenius", -0.5, "at least as fast as n^-1/2 [J18 Thm. 2]; kinks suggest n^-3/4"
        ),
        _distance_bound("C6", "linearization_distance_max", -0.5, "at least as fast as n^-1/2 [L19 Thm. 2.1]"),
    )
}


def _limit(claim: str, metric: str, value: float, margin: float, note: str, *, judged: bool = True) -> Expectation:
    return replace(_band(claim, metric, value, margin, note, judged=judged), noun="limit")


def _at_least(claim: str, metric: str, value: float, note: str, noun: str) -> Expectation:
    return Expectation(
        claim=claim,
        metric=metric,
        value=value,
        band_low=value,
        band_high=math.inf,
        one_sided=True,
        note=note,
        noun=noun,
        of_data=True,
    )


_FACTOR_OF_TIME = round(math.log(1.5), 4)
_COST_LEFT = -2.0
_SPEED_UP = 0.1  # C15: the band of the limit, and what a narrow network must exceed

_OTHERS = {
    found.metric: found
    for found in (
        _bound("C1", "nngp_bias", -0.5, "n^-1; near the sampling floor the band only separates it from n^-1/2"),
        _limit("C1", "nngp_slope", 1.0, 0.02, "the mean of the empirical NNGP, along K"),
        _band("C1", "output_kurtosis", -1.0, 0.1, "n^-1: 3 Var(Khat) / (E Khat)^2"),
        replace(
            _limit("C1", "output_fourth_moment", 1.0, 0.1, "raw outputs: 3 E Khat^2 / (E Khat)^2, at every width"),
            noun="ratio",
        ),
        _band("C1", "weight_operator_norm", 0.0, 0.05, "bounded: |W|_op / sqrt(n) tends to 2"),
        _band("C2", "ntk_variance", -1.0, 0.1, "n^-1"),
        _band("C2", "ntk_variance_by_depth", 1.0, 0.2, "like depth / width for ReLU [HN19]; exp(c depth / n) - 1"),
        _limit("C4", "ntk_change_mean_diagonal", 0.0, 0.02, "the signed change vanishes", judged=False),
        _band("C5", "layer_share_first", 0.0, 0.05, "the lower layers' share of Theta does not vanish"),
        _distance("C7", "linearization_split_kernel", -0.5, 0.1, "n^-1/2: the kernel at initialization"),
        _distance("C7", "linearization_split_network", -1.0, 0.1, "n^-1 for smooth activations [DG19]", judged=False),
        _limit("C7", "function_distance_relative", 0.0, 0.05, "no distance is left in the limit"),
        _limit("C7", "learning_speed_ratio", 1.0, 0.02, "the mean function moves at the kernel's rate"),
        _limit("C8", "law_mean_slope", 1.0, 0.05, "the law's mean [L19 eq. 15]"),
        _limit("C8", "law_variance_ratio", 1.0, 0.1, "the law's variance [L19 eq. 16]"),
        _limit("C8", "law_variance_ratio_train", 1.0, 0.1, "the law's variance on training points [L19 eq. 16]"),
        _limit("C8", "law_variance_left", 0.0, 0.01, "the variance on training points vanishes"),
        _limit("C8", "law_covariance_slope", 1.0, 0.1, "the law's covariance [L19 eq. 16]"),
        _limit("C8", "law_kurtosis", 0.0, 0.2, "Gaussian at every t: no excess kurtosis"),
        _limit("C9", "decay_ratio", 1.0, 0.02, "the measured rate over eta lambda / N's"),
        _limit("C10", "early_stopping_ratio", 0.0, _FACTOR_OF_TIME, "log(t_network / t_kernel), within log 1.5"),
        _at_least("C10", "late_excess_network", 0.0, "the least test error is at a finite time", "log ratio"),
        _at_least("C10", "late_excess_kernel", 0.0, "the least test error is at a finite time", "log ratio"),
        _band("C12", "descent_residual", 1.0, 0.1, "O(eta) per step of descent, exact under flow"),
        _distance("C12", "limit_rate_distance", -0.5, 0.1, "n^-1/2: |d|^2 under the limit kernel"),
        replace(
            _bound("C12", "log10_cost_left", _COST_LEFT, "the cost goes to its infimum: a hundredth of it is left"),
            noun="log10 of the share of the cost left",
            of_data=True,
        ),
        _limit("C14", "onset_over_linearization", 1.0, 0.05, "wide networks are stable where their linearizations are"),
        _limit("C14", "linearization_onset_ratio", 1.0, 0.02, "2N / lambda_max of the limit kernel"),
        _limit("C14", "stability_onset_ratio", 1.0, 0.05, "the product of both, with its larger error", judged=False),
        _limit("C14", "stability_onset", 1.0, 0.1, "in units of 2N / lambda_max: 1 for ever more steps", judged=False),
        _limit("C14", "largest_trainable", 1.0, 0.1, "beyond 1: the catapult [Lew20]", judged=False),
        _limit("C15", "speed_over_linearization", 1.0, _SPEED_UP, "wide networks learn as their linearizations do"),
        _limit("C15", "speed_by_output_scale", 1.0, _SPEED_UP, "so do networks with a small target (C17)"),
        _limit("C15", "time_over_linearization", 1.0, _SPEED_UP, "at a share of 1/e: see the speed", judged=False),
        replace(
            _bound("C15", "time_over_linearization_narrowest", 1 - _SPEED_UP, "faster by more than the limit's band"),
            noun="ratio",
            of_data=True,
        ),
        replace(
            _bound("C15", "time_and_growth", 0.0, "faster where the kernel grows more"),
            noun="correlation",
            of_data=True,
        ),
        _limit("C15", "time_over_linearization_early", 1.0, _SPEED_UP, "at a share of 0.8", judged=False),
        _limit("C15", "time_over_linearization_late", 1.0, _SPEED_UP, "at a share of 0.1", judged=False),
        _limit("C15", "time_to_residual", 1.0, _SPEED_UP, "with the random initial kernel", judged=False),
        _limit("C15", "time_to_residual_linearization", 1.0, _SPEED_UP, "the random initial kernel", judged=False),
        _limit("C15", "component_growth_ratio", 1.0, _SPEED_UP, "the kernel stays constant (C4)", judged=False),
        _band("C17", "ntk_change_by_output_scale", -1.0, 0.1, "alpha^-1 for alpha >= 1 [C19]"),
    )
}

_OF_CLAIM = {
    ("C5", "log10_cost_left"): replace(
        _OTHERS["log10_cost_left"], note="together they learn: a hundredth of the first cost is left"
    ),
    ("C7", "function_distance_of_mean_over_time"): _band(
        "C7", "function_distance_of_mean_over_time", -1.0, 0.3, "n^-1: the band separates it from the members' n^-1/2"
    ),
    ("C11", "ntk_distance_frobenius"): _distance(
        "C11", "ntk_distance_frobenius", -0.5, 0.05, "P^-1/2, or n^-1/2 [J18]"
    ),
    ("C11", "function_distance_max"): _distance("C11", "function_distance_max", -0.5, 0.1, "as the kernel's distance"),
}

_OF_DEFINITENESS: dict[Definite | None, Expectation] = {
    "positive": _at_least("C13", "smallest_eigenvalue", 0.0, "positive definite [J18 Prop. 2]", "ratio"),
    "singular": replace(_band("C13", "smallest_eigenvalue", 0.0, 1e-10, "singular: a counter-example"), noun="ratio"),
}

JUDGED = ("smallest_eigenvalue", *{**_EXPONENTS, **_BOUNDS, **_OTHERS})
"""The quantities with an expectation, which a study of a claim may list under ``judge``."""
