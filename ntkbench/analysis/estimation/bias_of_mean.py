"""At what rate the bias of an ensemble's mean closes with the width: its exponent, apart from sampling noise.

The interval inverts a test at each size of the finite-width correction up to twice the allowed one, and is the hull of
all: as of other exponents (:mod:`.mixed`), the correction is a bias and no noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.special import fdtrc, stdtrit

from .curve import POWERS
from .fit import CONFIDENCE, Fit
from .mixed import BOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_EXPONENTS = np.linspace(-4.0, 2.0, 601)
_TINY = 1e-12
_SCORING_STEPS = 6
_CORRECTIONS = BOUND * np.linspace(-1.0, 1.0, 9)
"""In units of the allowed one. The hull of the tests is widest at the largest ones."""
_IMPLAUSIBLE = 9.0
"""A correction whose least misfit is larger by this is not possible: three standard deviations."""
_STANDS_OUT = 1e-3
"""How often, over all widths together, the mean of unbiased members may stand out from its sampling floor."""


@dataclass(frozen=True, kw_only=True)
class BiasFit(Fit):
    """The exponent of an ensemble's bias.

    :param misfit: (B, P), by correction and by exponent of a fixed grid; empty if there is no fit.
    :param sizes: (B,) of the corrections, in units of the allowed one.
    :param tests: (excess, degrees of freedom) of each test of an exponent: how much larger than its variance noise is,
        and Student's t. The interval is the hull of those accepted by each.
    """

    misfit: Floats
    sizes: Floats
    tests: tuple[tuple[float, float], ...]

    @property
    def at_hand(self) -> Self:
        """The exponent of the data sets at hand."""
        return replace(self, tests=self.tests[:1])

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval: infinite ends where data set no limit, NaN where they say nothing."""
        if not self.misfit.size:
            return float("nan"), float("nan")
        least = self.misfit.min(axis=1)
        limits = [excess * float(stdtrit(dof, 0.5 + confidence / 2)) ** 2 for excess, dof in self.tests]
        possible = least - least.min() <= max(_IMPLAUSIBLE, *limits)
        ends = [_accepted(row - row.min(), max(limits)) for row in self.misfit[possible]]
        return min(low for low, _ in ends), max(high for _, high in ends)


def fit_exponent_of_mean(
    widths: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    floors: ArrayLike,
    *,
    members: int,
    correction: float = 0.0,
    powers: tuple[float, ...] = POWERS,
) -> BiasFit:
    """Fit p of the bias ``beta(n) = A n^p exp(b / n)`` of an ensemble's mean, excluding sampling noise.

    With d_k the members' differences, the mean's RMS distance v has ``E v^2 = beta^2 + floor^2``,
    ``floor^2 = tr Cov(d) / (E M)``: v itself falls as n^-1/2 sooner or later, whatever the bias does. So
    the model is ``E v^2 = beta^2 + floor^2``, and the interval is the set of p that the data do not reject (Fieller):
    where the bias drowns it is unbounded. No width is chosen by its outcome.

    :param values: (W,) v; ``standard_errors`` (W,) of v; ``floors`` (W,).
    :param members: E, the fewest at any width.
    :param correction: the allowed b, in units of the width. Widths below it are left out.
    :param powers: those of 1 / n that the correction may have, equally large at the smallest width.
    :returns: NaN throughout if no bias exceeds the noise; only the estimate is NaN if there is just a bound.
    """
    table = np.stack([np.asarray(a, dtype=np.float64) for a in (widths, values, standard_errors, floors)])
    n, v, se, floor = table[:, np.isfinite(table).all(axis=0) & (table[0] >= correction)]
    if min(len(n), members) < 2:
        return _no_fit(len(n), members, "needs two widths with two members each")
    if not v.any():
        return _no_fit(len(n), members, "a distance of exactly zero has no logarithm")
    direction = float(np.mean(np.divide(se, floor, out=np.zeros_like(se), where=floor > 0) ** 2))
    if not _stands_out(v, floor, direction, members):
        return _no_fit(len(n), members, "at the sampling floor")
    square, noise = (v / v.max()) ** 2, (floor / v.max()) ** 2
    sizes, corrections = _corrections(n, correction, powers)
    misfit = np.array([_misfit(n, square, noise, direction, each) for each in corrections])
    return BiasFit(
        estimate=_best(misfit, np.square(sizes)),
        n_widths=len(n),
        n_members=members,
        method=f"bias above the sampling floor = A n^p exp(b/n), |b| at most {BOUND * correction:g}",
        misfit=misfit,
        sizes=sizes,
        tests=((1.0, members - 1),),
    )


def bias_of_seeds(fits: Sequence[BiasFit]) -> BiasFit:
    """Return the exponent of the biases of several seeds' means: their misfits added.

    If the seeds differ by more than noise allows, noise is larger by the excess over its degrees of freedom (Birge
    1932), which are those of Student's t then.
    """
    misfit = np.sum([fit.misfit - fit.misfit.min() for fit in fits], axis=0)
    between = len(fits) - 1
    return replace(
        fits[0],
        estimate=_best(misfit, np.square(fits[0].sizes)),
        n_widths=max(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        misfit=misfit,
        tests=((1.0, sum(fit.tests[0][1] for fit in fits)), (float(misfit.min()) / between, between)),
    )


def _best(misfit: Floats, penalty: Floats) -> float:
    """Return the exponent that fits best, larger corrections being less likely; NaN at the ends of the grid."""
    best = int((misfit + penalty[:, None]).min(axis=0).argmin())
    return float(_EXPONENTS[best]) if 0 < best < len(_EXPONENTS) - 1 else float("nan")


def _corrections(n: Floats, tau: float, powers: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return (B,) sizes of corrections, in units of the allowed one, and (B, W) what they add to the logarithm."""
    smallest = float(n.min())
    sizes = np.tile(_CORRECTIONS, len(powers)) if tau else np.zeros(1)
    shapes = np.repeat([tau / smallest * (smallest / n) ** power for power in powers], len(_CORRECTIONS), axis=0)
    return sizes, sizes[:, None] * shapes[: len(sizes)]


def _stands_out(v: Floats, floor: Floats, direction: float, members: int) -> bool:
    """Whether at some width (Bonferroni over widths) v exceeds what unbiased members allow.

    Without bias ``v^2 / floor^2`` is about F(k, k (E - 1)) distributed, k the effective number of directions the
    members scatter in: ``Var v^2 = 2 floor^4 / k``, so ``direction = 1 / (2 k)``. Few directions make it skewed, and
    3 standard errors of a normal u would be left by 9 % of unbiased ensembles.
    """
    k = 1 / (2 * min(max(direction, 1e-6), 1.0))  # one direction has k = 1, and direction = 1 by the jackknife
    ratio = np.divide(v, floor, out=np.where(v > 0, np.inf, 0.0), where=floor > 0) ** 2
    chance = np.where(ratio < np.inf, fdtrc(k, k * (members - 1), np.minimum(ratio, 1e300)), 0.0)
    return float(chance.min()) * len(v) < _STANDS_OUT


def _misfit(n: Floats, square: Floats, noise: Floats, direction: float, correction: Floats) -> Floats:
    """Return (P,) misfits of ``E v^2 = beta^2 + floor^2``, ``beta^2 = a n^2p exp(2 correction)``, the least over a.

    :param square: v^2; ``noise``: floor^2; ``direction``: s.e.^2, pooled over widths as a share of floor^2.
    """
    shape: Floats = (n / n.max()) ** (2 * _EXPONENTS[:, None]) * np.exp(2 * correction)
    shape /= shape.max(axis=1, keepdims=True)
    direction, noise = max(direction, _TINY), np.maximum(noise, _TINY)
    a = np.maximum((shape * (square - noise)).sum(axis=1) / np.square(shape).sum(axis=1), 0.0)
    for _ in range(_SCORING_STEPS):
        z, spread = _normal_score(square, a[:, None] * shape + noise, noise, direction)
        slope = shape / spread
        a = np.maximum(a + (slope * z).sum(axis=1) / np.square(slope).sum(axis=1), a / 4)
    z, _ = _normal_score(square, a[:, None] * shape + noise, noise, direction)
    misfit: Floats = np.square(z).sum(axis=1)
    return misfit


def _normal_score(square: Floats, mean: Floats, noise: Floats, direction: float) -> tuple[Floats, Floats]:
    """Return v^2 as a standard normal (Wilson and Hilferty 1931), given its mean, and its standard deviation.

    ``Var v^2 = 4 direction mean floor^2``: the mean varies by ``direction * floor^2`` along itself, and
    ``direction = 1 / (2 k)`` makes it ``2 floor^4 / k`` without bias. So v^2 is ``floor^2 / k`` times chi^2 of
    ``k mean / floor^2`` degrees of freedom. At few of them a normal v^2 would stray beyond t = 5 a hundred times too
    often.
    """
    cumulant = 4 * direction * noise / (9 * mean)
    return (np.cbrt(square / mean) - 1 + cumulant) / np.sqrt(cumulant), np.sqrt(4 * direction * mean * noise)


def _accepted(deviance: Floats, limit: float) -> tuple[float, float]:
    """Return the ends of the set of exponents within the limit, interpolated; infinite at the ends of the grid."""
    inside = np.flatnonzero(deviance <= limit)
    ends = []
    for edge, step in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        if not 0 <= edge + step < len(deviance):
            ends.append(step * np.inf)
            continue
        share = (limit - deviance[edge]) / (deviance[edge + step] - deviance[edge])
        ends.append(float(_EXPONENTS[edge] + share * (_EXPONENTS[edge + step] - _EXPONENTS[edge])))
    return ends[0], ends[1]


def _no_fit(n_widths: int, n_members: int, why: str) -> BiasFit:
    nan, empty = float("nan"), np.zeros((0, len(_EXPONENTS)))
    said = f"none: {why}"
    return BiasFit(
        estimate=nan, n_widths=n_widths, n_members=n_members, method=said, misfit=empty, sizes=empty[:, 0], tests=()
    )
