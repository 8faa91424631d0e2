"""What a study must measure for a quantity: the observables and metrics it comes from, and whether per reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class QuantitySource:
    """The source of a quantity.

    :param names: the observables and metrics that it needs, all of them; none: a backend that has no observables
        measures it unasked.
    :param by_reference: whether each comparison with a reference gives one.
    """

    names: frozenset[str]
    by_reference: bool = False

    def given_by(self, observe: Collection[str], metrics: Collection[str]) -> bool:
        """Return whether a subject with these observables, in a study with these metrics, gives the quantity."""
        return self.names <= {*observe, *metrics} if self.names else not observe


def _own(*names: str) -> QuantitySource:
    return QuantitySource(frozenset(names))


def _compared(*names: str) -> QuantitySource:
    return QuantitySource(frozenset(names), by_reference=True)


SOURCES = {
    "ntk_distance_frobenius": _compared("ntk_distance"),
    "ntk_distance_operator": _compared("ntk_distance"),
    "ntk_change_frobenius": _own("ntk_change"),
    "function_distance": _compared("function_distance"),
    "function_distance_max": _compared("function_distance"),
    "function_distance_of_mean": _compared("function_distance"),
    "function_distance_of_mean_over_time": _compared("function_distance"),
    "output_blocks": _own("output_blocks"),
    "weight_change_first": _own("weight_change"),
    "weight_change_middle": _own("weight_change"),
    "weight_change_middle_operator": _own("weight_change"),
    "weight_change_last": _own("weight_change"),
    "bias_change": _own("weight_change"),
    "activation_change": _own("activation_change"),
    "linearization_distance_max": _own("linearization_distance"),
    "nngp_bias": _compared("initial_moments"),
    "nngp_slope": _compared("initial_moments"),
    "output_kurtosis": _own("initial_moments"),
    "output_fourth_moment": _own("initial_moments"),
    "weight_operator_norm": _own("weight_norm"),
    "ntk_variance": _own("initial_moments"),
    "ntk_variance_by_depth": _own("initial_moments"),
    "ntk_change_mean_diagonal": _own("ntk_change"),
    "layer_share_first": _own("layer_share"),
    "linearization_split_network": _compared("linearization_split"),
    "linearization_split_kernel": _compared("linearization_split"),
    "function_distance_relative": _compared("function_distance_relative"),
    "learning_speed_ratio": _compared("learning_speed_ratio"),
    "law_mean_slope": _compared("law_agreement"),
    "law_variance_ratio": _compared("law_agreement"),
    "law_variance_ratio_train": _compared("law_agreement"),
    "law_variance_left": _compared("law_agreement"),
    "law_covariance_slope": _compared("law_agreement"),
    "law_kurtosis": _compared("law_agreement"),
    "decay_ratio": _compared("kernel_residuals"),
    "early_stopping_ratio": _compared("rmse", "prediction_rmse"),
    "late_excess_network": _compared("rmse", "prediction_rmse"),
    "late_excess_kernel": _compared("rmse", "prediction_rmse"),
    "descent_residual": _own("loss", "cost_rate"),
    "limit_rate_distance": _compared("cost_rate"),
    "log10_cost_left": _own("loss"),
    "onset_over_linearization": _compared("stability_onset"),
    "linearization_onset_ratio": _compared("linearization_onset"),
    "stability_onset_ratio": _compared("stability_onset"),
    "stability_onset": _compared("stability_onset"),
    "largest_trainable": _compared("largest_trainable"),
    **{
        name: _compared("component_learning")
        for name in (
            "speed_over_linearization",
            "speed_by_output_scale",
            "time_over_linearization",
            "time_over_linearization_early",
            "time_over_linearization_late",
            "time_over_linearization_narrowest",
            "time_to_residual",
            "time_to_residual_linearization",
            "component_growth_ratio",
            "time_and_growth",
        )
    },
    "ntk_change_by_output_scale": _own("ntk_change"),
    "smallest_eigenvalue": _own(),
    "ntk_smallest_eigenvalue": _own("smallest_eigenvalue", "largest_eigenvalue"),
}
"""The source of each quantity. With a study's ``observe``, ``metrics`` and ``compare_with`` it says, before anything is
measured, which subject gives which quantity."""
