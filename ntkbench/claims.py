"""What the theory expects of each measured exponent: the claims of the theory as values and bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

_SMOOTH = frozenset(
    {"erf", "tanh", "sigmoid", "gelu", "silu", "swish", "softplus", "sin", "cos", "gaussian", "identity"}
)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a claim says of an exponent of the width.

    :param claim: ``C1`` to ``C17``.
    :param value: the exponent, or the bound on it.
    :param band_low: lower end of the equivalence band; ``-inf`` for a bound.
    :param band_high: its upper end.
    :param one_sided: the claim is a bound, "at least as fast as": tested one-sided.
    :param judged: False where the measured exponent is reported without a verdict.
    :param note: the reason for the value and the band.
    """

    claim: str
    metric: str
    value: float
    band_low: float
    band_high: float
    one_sided: bool = False
    judged: bool = True
    note: str = ""


def expected_exponent(metric: str, activation: str) -> Expectation | None:
    """Return what the theory expects of a quantity's exponent, or None where it says nothing.

    * ``ntk_distance_frobenius``, ``_operator``: C2 [J18 Thm. 1], n^-1/2; +- 0.05 in Frobenius, +- 0.1 in operator norm.
    * ``ntk_change_frobenius``: C4. Smooth activations n^-1 [L19 Fig. 1, DG19], +- 0.1; for others J18's bound, at
      least as fast as n^-1/2, one-sided (ReLU: counting kink crossings suggests n^-3/4).
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
    smooth = activation.split("(")[0] in _SMOOTH
    return (None if smooth else _BOUNDS.get(metric)) or _EXPONENTS.get(metric)


def _band(claim: str, metric: str, value: float, margin: float, note: str, *, judged: bool = True) -> Expectation:
    low, high = round(value - margin, 12), round(value + margin, 12)
    return Expectation(claim=claim, metric=metric, value=value, band_low=low, band_high=high, judged=judged, note=note)


_EXPONENTS = {
    expectation.metric: expectation
    for expectation in (
        _band("C2", "ntk_distance_frobenius", -0.5, 0.05, "n^-1/2 [J18 Thm. 1]"),
        _band("C2", "ntk_distance_operator", -0.5, 0.1, "n^-1/2 [J18 Thm. 1]"),
        _band("C4", "ntk_change_frobenius", -1.0, 0.1, "n^-1 for smooth activations [L19 Fig. 1, DG19]"),
        _band("C3", "output_blocks", -0.5, 0.1, "n^-1/2 [J18 Thm. 1]"),
        _band("C5", "weight_change_first", -0.5, 0.1, "n^-1/2 [L19 Fig. 1]"),
        _band("C5", "weight_change_middle", -1.0, 0.1, "n^-1 in Frobenius norm [L19 Fig. 1]"),
        _band("C5", "weight_change_middle_operator", -0.5, 0.1, "n^-1/2 in operator norm"),
        _band("C5", "weight_change_last", -0.5, 0.1, "n^-1/2 [L19 Fig. 1]"),
        _band("C5", "bias_change", -0.5, 0.1, "n^-1/2: hidden biases, each as a weight of the first layer"),
        _band("C5", "activation_change", -0.5, 0.1, "n^-1/2: individual activations"),
        _band("C6", "linearization_distance_max", -1.0, 0.1, "n^-1 for smooth activations [DG19]"),
        _band("C7", "function_distance_max", -0.5, 0.1, "n^-1/2: the error at initialization dominates"),
        _band("C7", "function_distance", -0.5, 0.1, "n^-1/2, at one step: the claim is of the largest", judged=False),
        _band("C7", "function_distance_of_mean_over_time", -1.0, 0.1, "n^-1: the n^-1/2 term has mean zero over draws"),
        _band("C7", "function_distance_of_mean", -1.0, 0.1, "n^-1, at one step: terms can cancel there", judged=False),
    )
}


def _bound(claim: str, metric: str, value: float, note: str) -> Expectation:
    return Expectation(
        claim=claim, metric=metric, value=value, band_low=-math.inf, band_high=value, one_sided=True, note=note
    )


_BOUNDS = {
    expectation.metric: expectation
    for expectation in (
        _bound("C4", "ntk_change_frobenius", -0.5, "at least as fast as n^-1/2 [J18 Thm. 2]; kinks suggest n^-3/4"),
        _bound("C6", "linearization_distance_max", -0.5, "at least as fast as n^-1/2 [L19 Thm. 2.1]"),
    )
}
