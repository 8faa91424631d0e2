"""Mixed estimation (Theil and Goldberger 1961): least squares with one coefficient known roughly beforehand.

``y_w = sum_j design_wj beta_j + noise_w``, the last coefficient N(0, 1) before any data are seen, the others free. It
estimates as best linear unbiased prediction does. Weights come from variances smooth in the width; the error comes
from each width's own variance (a sandwich), with Satterthwaite's degrees of freedom.

The coefficient that is known roughly is a bias, not noise: it does not average out over members or seeds. So intervals
are honest (Armstrong and Kolesar 2018): they cover at least as often as they say for every value of it up to
:data:`BOUND` standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from scipy.optimize import brentq
from scipy.special import fdtrc, stdtr, stdtrit

from .fit import CONFIDENCE, Fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BOUND = 2.0
"""How large the coefficient may be, in units of its standard deviation beforehand, for intervals to cover."""


class Coefficients(NamedTuple):
    """The same coefficient of several designs (...,), with what its error consists of, as in :class:`MixedEstimate`."""

    estimate: Floats
    sampling_error: Floats
    correction: Floats
    sampling_dof: Floats

    def as_one(self, lack_of_fit: float | None) -> MixedEstimate:
        """Return the coefficient of a single design."""
        estimate, error, correction, dof = map(float, self)
        return MixedEstimate(estimate, error, correction, dof, lack_of_fit)


@dataclass(frozen=True)
class MixedEstimate:
    """One coefficient, and what its error consists of.

    :param sampling_error: its standard error over members, with ``sampling_dof`` degrees of freedom.
    :param correction: its change by one standard deviation of the coefficient that is known roughly beforehand.
    :param lack_of_fit: the p-value of the model; None unless there are more widths than free coefficients.
    :param between_error: of a mean over seeds, its standard error because data sets differ, with ``between_dof``.
    """

    estimate: float
    sampling_error: float
    correction: float
    sampling_dof: float
    lack_of_fit: float | None
    between_error: float = 0.0
    between_dof: float = inf

    @property
    def at_hand(self) -> MixedEstimate:
        """The mean over the data sets at hand, which says nothing of others."""
        return replace(self, between_error=0.0) if self.between_error else self

    @property
    def noise(self) -> tuple[float, float]:
        """The standard error without the correction, and its degrees of freedom (Satterthwaite)."""
        parts = self.sampling_error**2, self.between_error**2
        total = max(sum(parts), 1e-300)
        spread = (parts[0] / total) ** 2 / self.sampling_dof + (parts[1] / total) ** 2 / self.between_dof
        return float(np.sqrt(sum(parts))), 1 / max(spread, 1e-300)

    @property
    def standard_error(self) -> float:
        """Noise and unknown correction together."""
        return float(np.hypot(self.noise[0], self.correction))

    @property
    def dof(self) -> float:
        """Degrees of freedom of the standard error (Satterthwaite): the correction's part is known."""
        error, dof = self.noise
        share = error**2 / max(self.standard_error**2, 1e-300)
        return dof / max(share**2, 1e-300)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval: the shortest around the estimate that covers whatever the correction is."""
        error, dof = self.noise
        reach = _honest_reach(error, BOUND * abs(self.correction), dof, confidence)
        return self.estimate - reach, self.estimate + reach

    def limits(self, error: float) -> tuple[float, float]:
        """Return a lower and an upper limit, each of which misses the truth with probability ``error`` at most.

        Unlike an interval, a limit has one tail, so that the largest correction takes all of the error.
        """
        noise, dof = self.noise
        reach = BOUND * abs(self.correction) + float(stdtrit(dof, 1 - error)) * noise
        return self.estimate - reach, self.estimate + reach


@dataclass(frozen=True, kw_only=True)
class MixedFit(Fit):
    """An estimate by mixed estimation whose correction may have several powers of 1 / n.

    :param by_power: the estimates with each, whose intervals the interval includes.
    """

    by_power: tuple[MixedEstimate, ...] = ()

    @property
    def at_hand(self) -> Self:
        """The mean over the data sets at hand."""
        if not any(found.between_error for found in self.by_power):
            return self
        return replace(self, by_power=tuple(found.at_hand for found in self.by_power))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval at this confidence; NaN where the data say nothing."""
        return _hull([found.interval(confidence) for found in self.by_power])

    def limits(self, error: float) -> tuple[float, float]:
        """Return one-sided limits, each of which misses the truth with probability ``error`` at most."""
        return _hull([found.limits(error) for found in self.by_power])


def _hull(ends: list[tuple[float, float]]) -> tuple[float, float]:
    return min((low for low, _ in ends), default=np.nan), max((high for _, high in ends), default=np.nan)


def best_lack_of_fit(by_power: Sequence[MixedEstimate]) -> float | None:
    """Return the largest of the p-values: data that some allowed correction describes do not reject the model."""
    return max((found.lack_of_fit for found in by_power if found.lack_of_fit is not None), default=None)


def _honest_reach(error: float, bias: float, dof: float, confidence: float) -> float:
    """Return the r for which an estimate off by ``bias`` is within r with this probability."""
    if not error > 0 or not np.isfinite(bias + error):
        return bias + error
    shift = bias / error

    def missing(t: float) -> float:
        return float(stdtr(dof, t - shift) - stdtr(dof, -t - shift)) - confidence

    low, high = (shift + float(stdtrit(dof, level)) for level in (confidence, 0.5 + confidence / 2))
    if missing(low) >= 0:
        return error * low
    return error * (float(brentq(missing, low, high, xtol=1e-10 * high)) if missing(high) > 0 else high)


def mixed_estimate(
    design: Floats, y: Floats, *, working: Floats, variances: Floats, dof: Floats, of: int
) -> MixedEstimate:
    """Estimate coefficient ``of`` as ``c . y``; its variance is ``sum_w c_w^2 s_w^2 + (c . design_last)^2``.

    :param design: (W, P), the last column times the standard deviation of its coefficient beforehand.
    :param y: (W,); ``working`` (W,) the variances that weigh it; ``variances`` (W,) its own, with ``dof`` (W,).
    """
    found = coefficients(design, y, working=working, variances=variances, dof=dof, of=of)
    misfit = _lack_of_fit(design / np.sqrt(working)[:, None], y / np.sqrt(working), float(dof.sum()))
    return found.as_one(misfit)


def coefficients(
    design: Floats, y: Floats, *, working: Floats, variances: Floats, dof: Floats, of: int
) -> Coefficients:
    """Estimate coefficient ``of`` of many designs at once, each as :func:`mixed_estimate` does.

    :param design: (..., W, P); ``y`` (..., W); variances and ``dof`` (W,) are those of all.
    """
    weighted = design / np.sqrt(working)[:, None]
    prior = np.broadcast_to(np.eye(design.shape[-1])[-1:], (*design.shape[:-2], 1, design.shape[-1]))
    solve = np.linalg.pinv(np.concatenate([weighted, prior], axis=-2))[..., of, :-1] / np.sqrt(working)
    parts = solve**2 * variances
    sampling = parts.sum(axis=-1)
    shares = parts / np.maximum(sampling, 1e-300)[..., None]
    return Coefficients(
        estimate=(solve * y).sum(axis=-1),
        sampling_error=np.sqrt(sampling),
        correction=(solve * design[..., -1]).sum(axis=-1),
        sampling_dof=1 / np.maximum((shares**2 / dof).sum(axis=-1), 1e-6),
    )


def _lack_of_fit(design: Floats, y: Floats, error_dof: float) -> float | None:
    """Return the p-value of the model, its last coefficient the best within the bound.

    So a model is rejected no more often than stated, whatever that coefficient is, and on each seed by itself.
    """
    free, last = design[:, :-1], design[:, -1]
    dof = len(y) - free.shape[1]
    if dof <= 0:
        return None
    basis = np.linalg.qr(free)[0]
    rest, along = (v - basis @ (basis.T @ v) for v in (y, last))
    best = float(along @ rest) / max(float(along @ along), 1e-300)
    misfit = float(np.square(rest - np.clip(best, -BOUND, BOUND) * along).sum())
    return float(fdtrc(dof, error_dof, misfit / dof))


def named(along: str) -> str:
    """Return the note that a method adds if n is not the width, such as ``; n is the depth``."""
    return "" if along == "width" else f"; n is the {along}"


def several(along: str) -> str:
    """Return ``widths``, or, for another axis, such as ``values of the depth``."""
    return "widths" if along == "width" else f"values of the {along}"
