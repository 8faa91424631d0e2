"""What is fitted of a run: where each quantity lies, along which axis it is followed, and by what law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["width", "depth", "output_scale", "learning_rate_multiplier"]


@dataclass(frozen=True)
class Quantity:
    """A number that is followed along an axis, and where it lies in ``measurements``.

    :param stored: the metric it is read from.
    :param record: at initialization (``first``), after training (``last``), or the largest over recorded steps.
    :param correction_per_layer: tau per hidden layer: the standard deviation, in units of the width, of b in the
        finite-width correction ``1 + b / n``. Such corrections grow as depth / width [HN19]. Of a limit, the standard
        deviation of the second coefficient e in ``a + c / n^power + e / n^(2 power)``.
    :param summary: what stands for a width: the RMS over ``members``, their ``mean``, an ``ensemble``'s own number with
        its standard error, or the ``bias`` of an ensemble's mean above its sampling floor.
    :param layers: of a metric with a component per layer, which are taken: ``first`` and ``last`` of the weights, those
        in the ``middle``, or ``all``, as the root mean square over them; ``each`` of any components by itself. None for
        a metric without components.
    :param law: an exponent of the axis (``power``), or the value at infinite width (``limit``).
    :param power: the leading correction of a limit falls as ``width^-power``.
    """

    stored: str
    split: str | None
    record: Literal["first", "last", "max"]
    correction_per_layer: float
    summary: Literal["members", "mean", "ensemble", "bias"] = "members"
    layers: Literal["first", "last", "middle", "all", "each"] | None = None
    axis: Axis = "width"
    law: Literal["power", "limit"] = "power"
    power: float = 1.0


QUANTITIES = {
    "ntk_distance_frobenius": Quantity("ntk_distance_frobenius", "train", "first", 1.0),
    "ntk_distance_operator": Quantity("ntk_distance_operator", "train", "first", 1.0),
    "ntk_change_frobenius": Quantity("ntk_change_frobenius", "train", "last", 6.0),
    "function_distance": Quantity("function_distance", "test", "last", 4.0),
    "function_distance_max": Quantity("function_distance", "test", "max", 4.0),
    "function_distance_of_mean": Quantity("function_distance_of_mean", "test", "last", 6.0, "bias"),
    "function_distance_of_mean_over_time": Quantity("function_distance_of_mean_over_time", "test", "last", 6.0, "bias"),
    "output_blocks": Quantity("output_blocks", "train", "first", 1.0),
    "weight_change_first": Quantity("weight_change_relative", None, "last", 4.0, layers="first"),
    "weight_change_middle": Quantity("weight_change_relative", None, "last", 4.0, layers="middle"),
    "weight_change_middle_operator": Quantity("weight_change_operator", None, "last", 4.0, layers="middle"),
    "weight_change_last": Quantity("weight_change_relative", None, "last", 4.0, layers="last"),
    "bias_change": Quantity("bias_change_relative", None, "last", 4.0, layers="all"),
    "activation_change": Quantity("activation_change", "train", "last", 4.0, layers="all"),
    "linearization_distance_max": Quantity("linearization_distance", "test", "max", 6.0),
}
"""What is fitted by default. Corrections were measured on other draws than any study's (erf and ReLU, two tasks; the
kernel at initialization: depths 1, 2, 4, widths 16 to 128, 1,500 to 4,000 members; trained: depth 2, widths 32 to
1024, 20 to 400 members): b per layer is -0.1 to 1.3 at initialization, 0 to 4 for the function distance, and -7 to 4
for the kernel's change. That of the mean could not be measured: it has the largest of these."""

CLAIM_QUANTITIES = {
    "nngp_bias": Quantity("nngp_bias", "train", "first", 2.0, "bias"),
    "nngp_slope": Quantity("nngp_slope", "train", "first", 4.0, "ensemble", law="limit"),
    "output_kurtosis": Quantity("output_kurtosis", "train", "first", 2.0, "ensemble"),
    "weight_operator_norm": Quantity("weight_operator_norm", None, "first", 1.0, layers="all"),
    "ntk_variance": Quantity("ntk_variance", "train", "first", 2.0, "ensemble"),
    "ntk_variance_by_depth": Quantity("ntk_variance", "train", "first", 0.0, "ensemble", axis="depth"),
    "ntk_change_mean_diagonal": Quantity("ntk_change_mean_diagonal", "train", "last", 0.0, "mean", law="limit"),
    "layer_share_first": Quantity("layer_share", "train", "last", 1.0, layers="first"),
    "linearization_split_network": Quantity("linearization_split_network", "test", "max", 6.0),
    "linearization_split_kernel": Quantity("linearization_split_kernel", "test", "max", 4.0),
    "function_distance_relative": Quantity(
        "function_distance_relative", "test", "last", 4.0, "mean", law="limit", power=0.5
    ),
    "learning_speed_ratio": Quantity("learning_speed_ratio", "test", "last", 20.0, "ensemble", law="limit"),
    "law_mean_slope": Quantity("law_mean_slope_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_variance_ratio": Quantity("law_variance_ratio_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_covariance_slope": Quantity("law_covariance_slope_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_kurtosis": Quantity("law_kurtosis", "test", "last", 40.0, "ensemble", law="limit"),
    "decay_ratio": Quantity("decay_ratio", "train", "last", 40.0, "ensemble", layers="each", law="limit"),
    "early_stopping_ratio": Quantity("early_stopping_ratio", "test", "last", 40.0, "ensemble", law="limit"),
    "late_excess_network": Quantity("late_excess_network", "test", "last", 40.0, "ensemble", law="limit"),
    "late_excess_kernel": Quantity("late_excess_kernel", "test", "last", 40.0, "ensemble", law="limit"),
    "descent_residual": Quantity("descent_residual", "train", "last", 0.0, axis="learning_rate_multiplier"),
    "limit_rate_distance": Quantity("limit_rate_distance", "train", "last", 4.0),
    "log10_cost_left": Quantity("log10_cost_left", "train", "last", 0.0, "mean", law="limit"),
    "stability_onset_ratio": Quantity("stability_onset_ratio", None, "last", 1.0, "mean", law="limit", power=0.5),
    "stability_onset": Quantity("stability_onset", None, "last", 1.0, "mean", law="limit", power=0.5),
    "largest_trainable": Quantity("largest_trainable", None, "last", 0.0, "mean", law="limit"),
    "time_to_residual": Quantity("time_to_residual", "train", "last", 0.0, "mean", law="limit", power=0.5),
    "ntk_change_by_output_scale": Quantity("ntk_change_frobenius", "train", "last", 0.0, axis="output_scale"),
}
"""What the studies of the claims add. The second coefficients of limits allow, at the smallest width that the studies
use, a second-order term about as large as the bands."""

ALL = QUANTITIES | CLAIM_QUANTITIES
