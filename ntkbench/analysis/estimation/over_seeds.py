"""A quantity from several seeds: each of its estimates pooled as its kind demands, with how far the seeds differ.

Exponents pool their curves, so that floors, local slopes and other corrections are judged on all seeds too. A bound on
a number that each data set has its own of (C10, C13, C15) has to hold on each, and is refuted by any: its mean over
data sets is no constant of the theory. If one seed has no estimate, all together have none: which seeds have one may
depend on what they would say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from .bias_of_mean import BiasFit, bias_of_seeds
from .curve import Curve, Curves
from .curve import exponent as fitted_exponent
from .exponents import ExponentFit, exponent_of
from .fit import CONFIDENCE, Fit
from .limits import LimitFit, limit_of_seeds, nothing
from .mixed import MixedEstimate, MixedFit
from .pooling import Heterogeneity, combined, heterogeneity, pooled
from .smallest_eigenvalues import Bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNKNOWN = Heterogeneity(float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class OnEach(Fit):
    """A number of which every seed has its own: from the lowest lower to the highest upper end of the intervals."""

    each: tuple[Fit, ...]

    @property
    def at_hand(self) -> Fit:
        """What any seed by itself says: one that misses a bound is enough to refute that all keep it."""
        return _OnAny(**{name: getattr(self, name) for name in self.__dataclass_fields__})

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the hull of the seeds' intervals."""
        return _hull([fit.interval(confidence) for fit in self.each])

    def limits(self, error: float) -> tuple[float, float]:
        """Return the outermost of the seeds' limits: all are within a bound, or one seed's misses its truth."""
        return _hull([fit.limits(error) for fit in self.each])


class _OnAny(OnEach):
    """The highest lower and the lowest upper end of the seeds' intervals, each of which errs an S-th as often."""

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        return _innermost([fit.interval(1 - (1 - confidence) / len(self.each)) for fit in self.each])

    def limits(self, error: float) -> tuple[float, float]:
        return _innermost([fit.limits(error / len(self.each)) for fit in self.each])


def over_seeds(fits: Mapping[int, Fit], *, on_each: bool = False) -> tuple[Fit, Heterogeneity]:
    """Return the estimate of all seeds together, and how far they differ beyond their sampling errors.

    :param fits: by seed. That of a single seed is its own.
    :param on_each: whether every data set has its own number, about which something has to hold.
    """
    each = list(fits.values())
    if len(each) == 1:
        return each[0], _UNKNOWN
    if without := {seed: fit for seed, fit in fits.items() if math.isnan(fit.interval()[0])}:
        said = "; ".join(f"seed {seed}: {fit.words}" for seed, fit in without.items())
        return nothing(f"no estimate from {len(without)} of {len(each)} seeds ({said})"), _UNKNOWN
    found, differ = _together(each, on_each)
    return replace(found, remarks=_remarks(fits)), differ


def _together(fits: Sequence[Fit], on_each: bool) -> tuple[Fit, Heterogeneity]:
    if len({fit.n_widths > 1 for fit in fits}) > 1:
        return nothing("some seeds have a single width"), _UNKNOWN
    if all(isinstance(fit, Bounded) for fit in fits):
        return _on_each(fits), _UNKNOWN
    if on_each:
        return _on_each(fits), _of_intervals(fits)
    curves = tuple(fit.curve for fit in fits if isinstance(fit, ExponentFit) and isinstance(fit.curve, Curve))
    if len(curves) == len(fits):
        found = replace(exponent_of(Curves(curves)), method=fits[0].method)
        return found, heterogeneity([fitted_exponent(curve) for curve in curves])
    biases = [fit for fit in fits if isinstance(fit, BiasFit)]
    if len(biases) == len(fits):
        return bias_of_seeds(biases), _of_intervals(fits)
    limits = [fit for fit in fits if isinstance(fit, LimitFit)]
    if len(limits) == len(fits):
        return limit_of_seeds(limits), heterogeneity([fit.by_power[0] for fit in limits])
    return _mean(fits), _of_intervals(fits)


def _remarks(fits: Mapping[int, Fit]) -> tuple[str, ...]:
    """Return the remarks on all seeds, with the seed of those that are not on all."""
    by_remark: dict[str, list[int]] = {}
    for seed, fit in fits.items():
        for remark in fit.remarks:
            by_remark.setdefault(remark, []).append(seed)
    return tuple(
        remark if len(seeds) == len(fits) else f"seed {', '.join(map(str, seeds))}: {remark}"
        for remark, seeds in by_remark.items()
    )


def _on_each(fits: Sequence[Fit]) -> OnEach:
    return OnEach(
        estimate=float(np.mean([fit.estimate for fit in fits])),
        n_widths=min(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        method=f"{fits[0].method}; hull of the intervals of {len(fits)} seeds",
        lack_of_fit=combined([fit.lack_of_fit for fit in fits]),
        each=tuple(fits),
    )


def _mean(fits: Sequence[Fit]) -> Fit:
    if not all(np.isfinite(fit.interval()).all() for fit in fits):
        return nothing("a seed's interval is unbounded")
    found = pooled([_estimate(fit) for fit in fits])
    return MixedFit(
        estimate=found.estimate,
        n_widths=min(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        method=fits[0].method,
        lack_of_fit=found.lack_of_fit,
        by_power=(found,),
    )


def _of_intervals(fits: Sequence[Fit]) -> Heterogeneity:
    usable = [_estimate(fit) for fit in fits if not math.isnan(fit.estimate) and np.isfinite(fit.interval()).all()]
    return heterogeneity(usable) if len(usable) == len(fits) else _UNKNOWN


def _estimate(fit: Fit) -> MixedEstimate:
    """Return an estimate whose sampling error is that of its 95 % interval."""
    low, high = fit.interval(0.95)
    error = (high - low) / (2 * float(ndtri(0.975)))
    return MixedEstimate(fit.estimate, error, 0.0, max(fit.n_members - 1, 1), fit.lack_of_fit)


def _innermost(ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return max(low for low, _ in ends), min(high for _, high in ends)


def _hull(ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ends), max(high for _, high in ends)
