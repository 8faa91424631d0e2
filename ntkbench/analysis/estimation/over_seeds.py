"""A quantity from several seeds: each of its estimates pooled as its kind demands, with how far the seeds differ.

Exponents pool their curves, so that floors, local slopes and other corrections are judged on all seeds too. Computed
numbers with error bounds (C13) are no sample: the result is the hull of their intervals. If one seed has no estimate,
all together have none: which seeds have one may depend on what they would say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from .curve import Curve, Curves
from .curve import exponent as fitted_exponent
from .exponents import ExponentFit, exponent_of, exponent_of_means
from .limits import LimitFit, limit_of_seeds, nothing
from .mixed import REJECTED, MixedEstimate
from .pooling import Heterogeneity, heterogeneity, pooled
from .smallest_eigenvalues import Bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .rates import Fit

_UNKNOWN = Heterogeneity(float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """A number of several seeds: the random-effects mean of their estimates."""

    found: MixedEstimate
    n_widths: int
    n_members: int
    method: str

    @property
    def estimate(self) -> float:
        """The mean."""
        return self.found.estimate

    @property
    def lack_of_fit(self) -> float | None:
        """The p-values of the seeds' models, combined."""
        return self.found.lack_of_fit

    @property
    def rejected(self) -> bool:
        """Whether the data reject the models of all seeds together."""
        return self.lack_of_fit is not None and self.lack_of_fit < REJECTED

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""
        return self.found.interval(confidence)

    def limits(self, error: float) -> tuple[float, float]:
        """One-sided limits, each of which misses the truth with probability ``error`` at most."""
        return self.found.limits(error)


def over_seeds(fits: Mapping[int, Fit]) -> tuple[Fit, Heterogeneity]:
    """Return the estimate of all seeds together, and how far they differ beyond their sampling errors.

    :param fits: by seed. That of a single seed is its own.
    """
    each = list(fits.values())
    if len(each) == 1:
        return each[0], _UNKNOWN
    if without := {seed: fit for seed, fit in fits.items() if math.isnan(fit.interval()[0])}:
        said = "; ".join(f"seed {seed}: {fit.method}" for seed, fit in without.items())
        return nothing(f"no estimate from {len(without)} of {len(each)} seeds ({said})"), _UNKNOWN
    exponents = [fit for fit in each if isinstance(fit, ExponentFit)]
    curves = tuple(fit.curve for fit in exponents if isinstance(fit.curve, Curve))
    if len(curves) == len(each):
        return exponent_of(Curves(curves)), heterogeneity([fitted_exponent(curve) for curve in curves])
    if len(exponents) == len(each) and not curves:
        return exponent_of_means(exponents), _of_intervals(each)
    limits = [fit for fit in each if isinstance(fit, LimitFit)]
    if len(limits) == len(each) and len({len(fit.by_power) for fit in limits}) == 1:
        return limit_of_seeds(limits), heterogeneity([fit.by_power[0] for fit in limits])
    bounded = [fit for fit in each if isinstance(fit, Bounded)]
    if len(bounded) == len(each):
        return _hull(bounded), _UNKNOWN
    return _mean(each), _of_intervals(each)


def _mean(fits: Sequence[Fit]) -> Fit:
    if not all(np.isfinite(fit.interval()).all() for fit in fits):
        return nothing("a seed's interval is unbounded")
    return OverSeeds(
        found=pooled([_estimate(fit) for fit in fits]),
        n_widths=min(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        method=fits[0].method,
    )


def _of_intervals(fits: Sequence[Fit]) -> Heterogeneity:
    usable = [_estimate(fit) for fit in fits if not math.isnan(fit.estimate) and np.isfinite(fit.interval()).all()]
    return heterogeneity(usable) if len(usable) == len(fits) else _UNKNOWN


def _estimate(fit: Fit) -> MixedEstimate:
    """Return an estimate whose sampling error is that of its 95 % interval."""
    low, high = fit.interval(0.95)
    error = (high - low) / (2 * float(ndtri(0.975)))
    return MixedEstimate(fit.estimate, error, 0.0, max(fit.n_members - 1, 1), fit.lack_of_fit)


def _hull(fits: Sequence[Bounded]) -> Bounded:
    low, high = (pick(fit.interval()[end] for fit in fits) for end, pick in ((0, min), (1, max)))
    return Bounded(
        estimate=(low + high) / 2,
        error=(high - low) / 2,
        n_widths=min(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        method=f"{fits[0].method}; hull of the intervals of {len(fits)} seeds",
    )
