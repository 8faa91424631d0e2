"""How much members scatter, as measured: what the power of a study rests on before it runs.

Of an exponent: the standard deviation of one member's share of the logarithm, pooled over widths. Of a limit: that of
one member's share of the number at the smallest width, and the power of the width with which it falls. The largest over
the studies of seeds 0 and 3 that judge the quantity, rounded up; C14's ratios of onsets and C8's variance on training
points were measured on seed 3 alone. They serve plans only: verdicts use the members at hand.

No scatter is known of the judged quantities whose error is no scatter of members around a power law or a limit: biases
of a mean with their sampling floor (C1, C7), numbers at a single width and rank correlations (C1, C15), eigenvalues
(C13). Quantities that are reported without verdict have no power.
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
    "ntk_variance_by_depth": Scatter(1.2, 1.2),
    "output_kurtosis": Scatter(0.55, 1.2),
    "weight_operator_norm": Scatter(0.03, 0.03),
    "output_blocks": Scatter(0.25, 0.25),
    "ntk_change_frobenius": Scatter(0.22, 0.48),
    "ntk_change_by_output_scale": Scatter(0.25, 0.45),
    "weight_change_first": Scatter(0.11, 0.16),
    "weight_change_middle": Scatter(0.12, 0.17),
    "weight_change_middle_operator": Scatter(0.15, 0.21),
    "weight_change_last": Scatter(0.17, 0.28),
    "bias_change": Scatter(0.18, 0.30),
    "activation_change": Scatter(0.12, 0.18),
    "layer_share_first": Scatter(0.05, 0.07),
    "linearization_distance_max": Scatter(0.45, 0.55),
    "linearization_split_kernel": Scatter(0.23, 0.37),
    "function_distance_max": Scatter(0.29, 0.38),
    "limit_rate_distance": Scatter(0.6, 0.6),
    "descent_residual": Scatter(0.33, 0.33),
    "nngp_slope": Scatter(0.11, 0.69, -0.5),
    "function_distance_relative": Scatter(0.09, 0.09, -0.5),
    "learning_speed_ratio": Scatter(1.0, 1.0, -0.5),
    "law_mean_slope": Scatter(0.35, 0.35, -0.5),
    "law_variance_ratio": Scatter(0.7, 0.7),
    "law_variance_ratio_train": Scatter(1.3, 1.3, -0.3),
    "law_variance_left": Scatter(7e-5, 7e-5),
    "law_covariance_slope": Scatter(1.2, 1.2),
    "law_kurtosis": Scatter(2.3, 2.3),
    "decay_ratio": Scatter(0.28, 0.33, -0.5),
    "early_stopping_ratio": Scatter(0.49, 0.49, -0.4),
    "late_excess_network": Scatter(0.15, 0.15, -0.3),
    "late_excess_kernel": Scatter(0.08, 0.08),
    "log10_cost_left": Scatter(0.31, 0.47, -0.5),
    "onset_over_linearization": Scatter(0.03, 0.02, -0.75),
    "linearization_onset_ratio": Scatter(0.17, 0.22, -0.45),
    "speed_over_linearization": Scatter(0.97, 0.97, -1.1),
    "speed_by_output_scale": Scatter(0.32, 0.32, -0.9),
}
