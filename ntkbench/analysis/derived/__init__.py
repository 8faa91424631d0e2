"""Numbers derived from several rows of ``measurements``: each function returns further rows of that table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cost import cost_left, descent_residual, limit_rate_distance
from .decay import decay_ratio
from .learning_time import LEARNING_TIMES
from .stability import linearization_onset_ratio, onset_over_linearization, stability_onset_ratio
from .stopping import early_stopping, late_excess_kernel, late_excess_network

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ..series.records import Tables

DERIVED: dict[str, Callable[[Tables], pd.DataFrame]] = {
    "decay_ratio": decay_ratio,
    "early_stopping_ratio": early_stopping,
    "late_excess_network": late_excess_network,
    "late_excess_kernel": late_excess_kernel,
    "descent_residual": descent_residual,
    "limit_rate_distance": limit_rate_distance,
    "log10_cost_left": cost_left,
    "stability_onset_ratio": stability_onset_ratio,
    "onset_over_linearization": onset_over_linearization,
    "linearization_onset_ratio": linearization_onset_ratio,
    **LEARNING_TIMES,
}
