"""The quantities fitted to a run: where each is stored, the axis it follows, and the law that is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["width", "depth", "output_scale", "learning_rate_multiplier"]


@dataclass(frozen=True)
class Quantity:
    """A number that is followed along an axis, and where ``measurements`` stores it.

    :param stored: the metric that it is read from.
    :param record: at initialization (``first``), after training (``last``), or the largest over recorded steps.
    :param correction_per_layer: tau per hidden layer: the standard deviation, in units of the width, of b in the
        finite-width correction ``1 + b / n``. Such corrections grow as depth / width [HN19]. Of a limit, the standard
        deviation of the second coefficient e in ``a + c / n^power + e / n^(2 power)``.
    :param summary: the number at each width: the RMS over ``members``, their ``mean``, an ``ensemble``'s own number
        with its standard error, or the ``bias`` of an ensemble's mean above its sampling floor.
    :param layers: for a metric with a component per layer, the components used: ``first`` or ``last`` of the weights,
        those in the ``middle``, or ``all``, as their root mean square; ``each`` keeps them apart. None for a metric
        without components.
    :param law: an exponent of the axis (``power``), or the value at infinite width (``limit``).
    :param powers: the leading correction of a limit falls as ``width^-p``; the interval allows for each p of these.
    :param most_components: the most series that ``layers = each`` can give of one subject; known before any run, so
        that the number of comparisons is too.
    """

    stored: str
    split: str | None
    record: Literal["first", "last", "max"]
    correction_per_layer: float
    summary: Literal["members", "mean", "ensemble", "bias"] = "members"
    layers: Literal["first", "last", "middle", "all", "each"] | None = None
    axis: Axis = "width"
    law: Literal["power", "limit"] = "power"
    powers: tuple[float, ...] = (1.0,)
    most_components: int = 1


QUANTITIES = {
    "ntk_distance_frobenius": Quantity("ntk_distance_frobenius", "train", "first", 1.0),
    "ntk_distance_operator": Quantity("ntk_distance_operator", "train", "first", 1.0),
    "ntk_change_frobenius": Quantity("ntk_change_frobenius", "train", "last", 12.0),
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
"""The quantities fitted by default. Corrections were measured on other draws than any study's (erf and ReLU, two tasks;
the kernel at initialization: depths 1, 2, 4, widths 16 to 128, 1,500 to 4,000 members; trained: depth 2, widths 32 to
1024, 20 to 400 members): b per layer is -0.1 to 1.3 at initialization, 0 to 4 for the function distance, and -7 to 4
for the kernel's change. That of the mean could not be measured; it gets the largest of these. For the kernel's change
6 was too little: on seed 4, with up to 2,000 members, it is 25 % below its limit at width 128 and 8 % at 1024."""

ONSET_POWERS = (1.0, 0.75, 0.5, 1.5)
"""At a rate 1 + delta limits a network's residual grows by 1 + 2 delta per step, while its kernel falls by O(1 / n) of
itself. In few steps the kernel's own onset needs a delta so large that the network's differs by O(1 / n); in ever more
steps delta tends to 0, and the network's must be at least of order n^-1/2 to outgrow its falling kernel. Widths and
steps that can be measured lie between the two. Where one passes into the other, the local power of the catapult model
(``benchmarks/limit_coverage.py``) reaches 1.5 before it settles at 1."""

KINKED_POWERS = (1.0, 0.75)
"""Of C15's ReLU networks: kinks may add corrections in n^-1/2 relative to the first. An expansion in 1 / n alone misses
the limit then in 11 to 30 % of simulated studies (``benchmarks/limit_coverage.py``)."""

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
        "function_distance_relative", "test", "last", 4.0, "mean", law="limit", powers=(0.5,)
    ),
    "learning_speed_ratio": Quantity("learning_speed_ratio", "test", "last", 20.0, "ensemble", law="limit"),
    "law_mean_slope": Quantity("law_mean_slope_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_variance_ratio": Quantity("law_variance_ratio_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_covariance_slope": Quantity("law_covariance_slope_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "law_variance_ratio_train": Quantity(
        "law_variance_ratio_over_time", "train", "last", 200.0, "ensemble", law="limit"
    ),
    "law_variance_left": Quantity("law_variance_left", "train", "last", 40.0, "ensemble", law="limit"),
    "law_kurtosis": Quantity("law_kurtosis_over_time", "test", "last", 40.0, "ensemble", law="limit"),
    "decay_ratio": Quantity(
        "decay_ratio", "train", "last", 40.0, "ensemble", layers="each", law="limit", most_components=7
    ),
    "early_stopping_ratio": Quantity("early_stopping_ratio", "test", "last", 40.0, "ensemble", law="limit"),
    "late_excess_network": Quantity("late_excess_network", "test", "last", 40.0, "ensemble", law="limit"),
    "late_excess_kernel": Quantity("late_excess_kernel", "test", "last", 40.0, "ensemble", law="limit"),
    "descent_residual": Quantity("descent_residual", "train", "last", 0.0, axis="learning_rate_multiplier"),
    "limit_rate_distance": Quantity("limit_rate_distance", "train", "last", 4.0),
    "log10_cost_left": Quantity("log10_cost_left", "train", "last", 0.0, "mean", law="limit"),
    **{
        name: Quantity(name, None, "last", 200.0, "mean", law="limit", powers=ONSET_POWERS)
        for name in ("onset_over_linearization", "stability_onset_ratio", "stability_onset")
    },
    "linearization_onset_ratio": Quantity("linearization_onset_ratio", None, "last", 80.0, "mean", law="limit"),
    "largest_trainable": Quantity("largest_trainable", None, "last", 0.0, "mean", law="limit"),
    **{
        name: Quantity(name, "train", "last", 700.0, "ensemble", law="limit", powers=KINKED_POWERS)
        for name in (
            "speed_over_linearization",
            "time_over_linearization",
            "time_over_linearization_early",
            "time_over_linearization_late",
            "time_to_residual",
            "time_to_residual_linearization",
        )
    },
    "component_growth_ratio": Quantity("component_growth_ratio", "train", "last", 3000.0, "ensemble", law="limit"),
    "speed_by_output_scale": Quantity(
        "speed_over_linearization", "train", "last", 0.3, "ensemble", axis="output_scale", law="limit", powers=(2.0,)
    ),
    "ntk_change_by_output_scale": Quantity("ntk_change_frobenius", "train", "last", 0.0, axis="output_scale"),
}
"""The quantities that the studies of the claims add. The second coefficients of limits allow, at the smallest width
that the studies use, a second-order term about as large as the bands; that of C8 on training points, where the variance
vanishes, one as large as was seen on seeds 3 and 4. Those of C15 (kappa of order 1) allow one as large as the effect,
seen at 50 to 800 hidden units on two other seeds than the study's. Seven eigenspaces at most can be 0.3 of themselves
above the next and at least a tenth of the largest: 0.7^7 < 0.1."""

ALL = QUANTITIES | CLAIM_QUANTITIES

QUANTITY_NAMES = {
    "ntk_distance_frobenius": "distance of the empirical NTK to its limit, Frobenius norm",
    "ntk_distance_operator": "distance of the empirical NTK to its limit, operator norm",
    "ntk_change_frobenius": "change of the NTK during training, Frobenius norm",
    "function_distance": "distance of networks to the kernel's prediction, last step",
    "function_distance_max": "distance of networks to the kernel's prediction, largest over steps",
    "function_distance_of_mean": "distance of the ensemble mean to the kernel's prediction, last step",
    "function_distance_of_mean_over_time": "distance of the ensemble mean to the kernel's prediction, all steps",
    "output_blocks": "coupling of outputs in the empirical NTK",
    "weight_change_first": "change of the first layer's weights",
    "weight_change_middle": "change of the middle layers' weights, Frobenius norm",
    "weight_change_middle_operator": "change of the middle layers' weights, operator norm",
    "weight_change_last": "change of the last layer's weights",
    "bias_change": "change of the hidden biases",
    "activation_change": "change of the activations",
    "linearization_distance_max": "distance of networks to their linearization, largest over steps",
    "nngp_bias": "bias of the mean empirical NNGP kernel",
    "nngp_slope": "slope of the mean empirical NNGP kernel along its limit",
    "output_kurtosis": "excess kurtosis of the outputs at initialization",
    "output_fourth_moment": "fourth moment of raw outputs, over the predicted one",
    "weight_operator_norm": "operator norm of the weights, over sqrt(n)",
    "ntk_variance": "relative variance of the empirical NTK",
    "ntk_variance_by_depth": "relative variance of the empirical NTK, by depth",
    "ntk_change_mean_diagonal": "signed change of the NTK's mean diagonal during training",
    "layer_share_first": "share of the first layer in the NTK",
    "linearization_split_network": "distance of networks to their linearization",
    "linearization_split_kernel": "distance of linearized networks to the limit kernel's prediction",
    "function_distance_relative": "distance of networks to the kernel's prediction, relative to its own movement",
    "learning_speed_ratio": "learning speed of the mean function over the kernel's",
    "law_mean_slope": "ensemble mean along the law's mean",
    "law_variance_ratio": "ensemble variance over the law's",
    "law_variance_ratio_train": "ensemble variance over the law's, on training points",
    "law_variance_left": "share of the initial variance left on training points",
    "law_covariance_slope": "ensemble covariance along the law's",
    "law_kurtosis": "excess kurtosis of the trained ensemble, all steps",
    "decay_ratio": "decay rate of a kernel component over the theory's",
    "early_stopping_ratio": "best stopping time of networks over the kernel's, log",
    "late_excess_network": "excess of the networks' last test error over their least, log",
    "late_excess_kernel": "excess of the kernel's last test error over its least, log",
    "descent_residual": "deviation of the first step's fall in cost from |d|^2",
    "limit_rate_distance": "distance of |d|^2 to that under the limit kernel",
    "log10_cost_left": "log10 of the share of the cost left",
    "onset_over_linearization": "largest stable learning rate over the own linearization's, in as many steps",
    "linearization_onset_ratio": "linearizations' largest stable learning rate over the kernel's, in as many steps",
    "stability_onset_ratio": "largest stable learning rate over the kernel's own, in as many steps",
    "stability_onset": "largest stable learning rate, in units of 2N / lambda_max",
    "largest_trainable": "largest learning rate that still trains, in units of 2N / lambda_max",
    "speed_over_linearization": "speed of learning the 2nd component, over the own linearization's",
    "speed_by_output_scale": "speed of learning the 2nd component, over the own linearization's, by output scale",
    "time_over_linearization": "time to learn the 2nd component, over the own linearization's",
    "time_over_linearization_early": "time to learn a fifth of the 2nd component, over the own linearization's",
    "time_over_linearization_late": "time to learn nine tenths of the 2nd component, over the own linearization's",
    "time_over_linearization_narrowest": "learning time over the own linearization's, narrowest width",
    "time_to_residual": "time to learn the 2nd component, over the limit kernel's",
    "time_to_residual_linearization": "linearizations' time to learn the 2nd component, over the limit kernel's",
    "component_growth_ratio": "growth of the NTK along the 2nd component during training, as a factor",
    "ntk_change_by_output_scale": "change of the NTK during training, by output scale",
    "smallest_eigenvalue": "smallest eigenvalue of the limit kernel, over its largest",
    "ntk_smallest_eigenvalue": "smallest eigenvalue of the empirical NTK, over its largest",
    "time_and_growth": "rank correlation over members of learning time and NTK growth",
}
"""The name of each quantity on screens and in figures; tables keep the identifiers."""


def quantity_name(quantity: str) -> str:
    """Return a quantity's name for people."""
    return QUANTITY_NAMES.get(quantity, quantity)
