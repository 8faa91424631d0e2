"""How much members scatter, as measured: what the power of a study rests on before it runs.

Of an exponent: the standard deviation of one member's share of the logarithm, pooled over widths. Of a limit: that of
one member's share of the number at the smallest width, and the power of the width with which it falls. Rounded up, the
largest over the studies of seed 0 that judge the quantity. They serve plans only: verdicts use the members at hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scatter:
    """The scatter of members whose activation is smooth, and of others; ``power`` of the width, of limits."""

    smooth: float
    kinks: float
    power: float = 0.0


SCATTER = {
    "ntk_distance_frobenius": Scatter(0.22, 0.25),
    "ntk_distance_operator": Scatter(0.34, 0.37),
    "ntk_variance": Scatter(0.34, 0.40),
    "ntk_variance_by_depth": Scatter(1.1, 1.1),
    "output_kurtosis": Scatter(0.55, 1.2),
    "weight_operator_norm": Scatter(0.03, 0.03),
    "output_blocks": Scatter(0.25, 0.25),
    "ntk_change_frobenius": Scatter(0.22, 0.45),
    "ntk_change_by_output_scale": Scatter(0.25, 0.45),
    "weight_change_first": Scatter(0.11, 0.15),
    "weight_change_middle": Scatter(0.12, 0.17),
    "weight_change_middle_operator": Scatter(0.15, 0.21),
    "weight_change_last": Scatter(0.17, 0.27),
    "bias_change": Scatter(0.18, 0.19),
    "activation_change": Scatter(0.12, 0.18),
    "layer_share_first": Scatter(0.05, 0.07),
    "linearization_distance_max": Scatter(0.32, 0.55),
    "linearization_split_kernel": Scatter(0.22, 0.33),
    "function_distance_max": Scatter(0.28, 0.34),
    "limit_rate_distance": Scatter(0.6, 0.6),
    "descent_residual": Scatter(0.24, 0.24),
    "nngp_slope": Scatter(0.11, 0.68, -0.5),
    "function_distance_relative": Scatter(0.08, 0.08, -0.5),
    "learning_speed_ratio": Scatter(0.92, 0.92, -0.5),
    "law_mean_slope": Scatter(0.17, 0.17, -0.5),
    "law_variance_ratio": Scatter(0.7, 0.7),
    "law_covariance_slope": Scatter(1.2, 1.2),
    "law_kurtosis": Scatter(2.3, 2.3),
    "decay_ratio": Scatter(0.22, 0.32, -0.5),
    "early_stopping_ratio": Scatter(0.24, 0.24, -0.5),
    "late_excess_network": Scatter(0.15, 0.15, -0.5),
    "late_excess_kernel": Scatter(0.05, 0.05, -0.25),
    "log10_cost_left": Scatter(0.31, 0.31, -0.5),
    "stability_onset_ratio": Scatter(0.26, 0.21, -0.5),
    "speed_over_linearization": Scatter(0.84, 0.84, -1.0),
    "speed_by_output_scale": Scatter(0.3, 0.3, -1.0),
}
