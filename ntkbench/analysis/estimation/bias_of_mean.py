"""At what rate the bias of an ensemble's mean closes with the width: its exponent, apart from sampling noise.

The interval inverts a test at each size of the finite-width correction up to twice the allowed one that the data do not
exclude, and is the hull of all: as of other exponents (:mod:`.mixed`), the correction is a bias and no noise. The more
the data say of it, the finer are the sizes that are tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtrit

from .curve import POWERS
from .fit import CONFIDENCE, Fit
from .mixed import BOUND
from .pooling import combined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_LOW, _HIGH = -4.0, 2.0
"""The exponents that are tried."""
_TINY = 1e-12
_SCORING_STEPS = 4
_SIZES, _POINTS = 17, 33
"""How many corrections, and how many exponents of each, are tried at once; their ranges are narrowed."""
_ZOOMS = 6
_IMPLAUSIBLE = 9.0
"""A correction is not possible whose least misfit is larger by this than the best one's: three standard deviations."""
_BEYOND = 1.5
"""How much more misfit than an interval asks for is looked at."""
_STANDS_OUT = 1e-3
"""How often, over all widths together, the mean of unbiased members may stand out from its sampling floor."""


class _Means(NamedTuple):
    """The means of one seed: v^2 and floor^2 (W,) at widths n, in units of the largest v^2.

    :param direction: s.e.^2, pooled over widths as a share of floor^2.
    """

    n: Floats
    square: Floats
    noise: Floats
    direction: float
    members: int


@dataclass(frozen=True, kw_only=True)
class BiasFit(Fit):
    """The exponent of an ensemble's bias.

    :param means: of each seed; none if there is no fit.
    :param correction: the allowed b, in units of the width; ``powers`` of 1 / n that it may have.
    :param differ: whether the interval includes how the seeds' exponents differ.
    """

    means: tuple[_Means, ...] = ()
    correction: float = 0.0
    powers: tuple[float, ...] = POWERS
    differ: bool = False

    @property
    def at_hand(self) -> Self:
        """The exponent of the data sets at hand."""
        return replace(self, differ=False) if self.differ else self

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval: infinite ends where data set no limit, NaN where they say nothing."""
        if not self.means:
            return float("nan"), float("nan")
        reach = float(stdtrit(sum(means.members - 1 for means in self.means), 0.5 + confidence / 2)) ** 2
        found = [each.within(max(reach, _IMPLAUSIBLE)) for each in self.profiles(max(reach, _IMPLAUSIBLE))]
        ends = [end for each in found for end in each.accepted(reach)]
        if self.differ:
            quantile = float(stdtrit(len(self.means) - 1, 0.5 + confidence / 2))
            ends += [end for each in found for end in each.around_the_mean(quantile)]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def profiles(self, reach: float) -> list[_Profiles]:
        """Return misfits by power of the correction, to ``reach`` beyond the least and further."""
        if reach not in self._known:
            powers = self.powers if self.correction else self.powers[:1]
            self._known[reach] = [_profiles(self.means, self.correction, power, _BEYOND * reach) for power in powers]
        return self._known[reach]

    @cached_property
    def _known(self) -> dict[float, list[_Profiles]]:
        return {}


class _Profiles(NamedTuple):
    """Misfits (B, P) by size of the correction (B,) and by exponent (B, P).

    :param own: (B, S) the exponents that fit each seed by itself best.
    """

    sizes: Floats
    exponents: Floats
    misfit: Floats
    own: Floats

    def within(self, reach: float) -> _Profiles:
        """Return the sizes whose least misfit is at most ``reach`` more than the least of all, and their neighbours."""
        inside = _around(self.misfit.min(axis=1), reach)
        return _Profiles(*(part[inside] for part in self))

    def accepted(self, reach: float) -> list[tuple[float, float]]:
        """Return, by size, between which exponents the misfit is at most ``reach`` more than the least."""
        return [
            _accepted(p, misfit - misfit.min(), reach) for p, misfit in zip(self.exponents, self.misfit, strict=True)
        ]

    def around_the_mean(self, quantile: float) -> list[tuple[float, float]]:
        """Return, by size, Student's interval of the seeds' exponents; without ends if one of them has none."""
        mean, reach = self.own.mean(axis=1), quantile * self.own.std(axis=1, ddof=1) / self.own.shape[1] ** 0.5
        lost = np.isnan(mean)
        return list(zip(np.where(lost, -np.inf, mean - reach), np.where(lost, np.inf, mean + reach), strict=True))


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
    means = _Means(n, (v / v.max()) ** 2, (floor / v.max()) ** 2, direction, members)
    return _fitted((means,), correction, powers)


def bias_of_seeds(fits: Sequence[BiasFit]) -> BiasFit:
    """Return the exponent of the biases of several seeds' means: their misfits added, the correction common.

    What it says of other data sets includes how their exponents differ: the interval is the hull with Student's t of
    the seeds' own exponents, which covers however unequally precise they are (Ibragimov and Mueller 2010).
    """
    means = tuple(mean for fit in fits for mean in fit.means)
    found = _fitted(means, fits[0].correction, fits[0].powers)
    return replace(found, differ=True, lack_of_fit=combined([fit.lack_of_fit for fit in fits]))


def _fitted(means: tuple[_Means, ...], correction: float, powers: tuple[float, ...]) -> BiasFit:
    fit = BiasFit(
        estimate=float("nan"),
        n_widths=max(len(mean.n) for mean in means),
        n_members=min(mean.members for mean in means),
        method=f"bias above the sampling floor = A n^p exp(b/n), |b| at most {BOUND * correction:g}",
        means=means,
        correction=correction,
        powers=powers,
    )
    misfit, best = min(_least(each) for each in fit.profiles(_IMPLAUSIBLE))
    dof = sum(len(mean.n) - 1 for mean in means) - 1
    return replace(
        fit,
        estimate=float(best) if _LOW < best < _HIGH else float("nan"),
        lack_of_fit=float(chdtrc(dof, misfit)) if dof > 0 else None,
    )


def _least(profiles: _Profiles) -> tuple[float, float]:
    """Return the least misfit and its exponent, larger corrections being less likely."""
    penalized = profiles.misfit + np.square(profiles.sizes)[:, None]
    place = np.unravel_index(int(penalized.argmin()), penalized.shape)
    return float(profiles.misfit[place]), float(profiles.exponents[place])


def _profiles(means: tuple[_Means, ...], tau: float, power: float, reach: float) -> _Profiles:
    """Return misfits at sizes of a correction and exponents, from the least one to ``reach`` beyond it."""
    smallest = min(float(mean.n.min()) for mean in means)
    low, high = (-BOUND, BOUND) if tau else (0.0, 0.0)
    least, most = _LOW, _HIGH
    for _ in range(_ZOOMS):
        sizes = np.linspace(low, high, _SIZES if tau else 1)
        shapes = [sizes[:, None] * tau / smallest * (smallest / mean.n) ** power for mean in means]
        exponents, misfit = _near_the_least(means, shapes, reach, least, most)
        inside = _around(misfit.min(axis=1), reach)
        if 2 * len(inside) > len(sizes):
            break
        low, high = float(sizes[inside[0]]), float(sizes[inside[-1]])
        least, most = float(exponents[inside].min()), float(exponents[inside].max())
    if len(means) == 1:
        return _Profiles(sizes, exponents, misfit, _best(exponents, misfit)[:, None])
    own = [
        _best(*_near_the_least((mean,), [shape], reach, _LOW, _HIGH)) for mean, shape in zip(means, shapes, strict=True)
    ]
    return _Profiles(sizes, exponents, misfit, np.stack(own, axis=1))


def _near_the_least(
    means: tuple[_Means, ...], shapes: list[Floats], reach: float, least: float, most: float
) -> tuple[Floats, Floats]:
    """Return exponents (B, P) near the one that fits best, and their misfits summed over seeds.

    :param shapes: by seed: log corrections (B, W).
    :param least: where it is looked for; ``most`` the other end.
    """
    low, high = (np.full(len(shapes[0]), end) for end in (least, most))
    for _ in range(_ZOOMS):
        exponents = np.linspace(low, high, _POINTS, axis=1)
        misfit = np.sum([_misfit(mean, shape, exponents) for mean, shape in zip(means, shapes, strict=True)], axis=0)
        near = misfit - misfit.min(axis=1, keepdims=True) <= reach
        first, last = near.argmax(axis=1), near.shape[1] - 1 - near[:, ::-1].argmax(axis=1)
        if (2 * (last - first) >= near.shape[1] - 3).all():
            break
        rows = np.arange(len(near))
        low, high = exponents[rows, np.maximum(first - 1, 0)], exponents[rows, np.minimum(last + 1, _POINTS - 1)]
    return exponents, misfit


def _best(exponents: Floats, misfit: Floats) -> Floats:
    """Return the exponent (B,) that fits best; NaN at the ends of those that are tried."""
    best: Floats = exponents[np.arange(len(misfit)), misfit.argmin(axis=1)]
    return np.where((best > _LOW) & (best < _HIGH), best, np.nan)


def _around(values: Floats, reach: float) -> NDArray[np.intp]:
    """Return the indices from the first to the last value within reach of the least, and one more on each side."""
    inside = np.flatnonzero(values - values.min() <= reach)
    return np.arange(max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 2, len(values)))


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


def _misfit(means: _Means, correction: Floats, exponents: Floats) -> Floats:
    """Return misfits (B, P) of ``E v^2 = beta^2 + floor^2``, ``beta^2 = a n^2p exp(2 correction)``, the least over a.

    :param correction: (B, W); ``exponents`` (B, P).
    """
    log_shape = 2 * (exponents[..., None] * np.log(means.n / means.n.max()) + correction[:, None, :])
    shape = np.exp(log_shape - log_shape.max(axis=-1, keepdims=True))
    square, direction, noise = means.square, max(means.direction, _TINY), np.maximum(means.noise, _TINY)
    a = np.maximum((shape * (square - noise)).sum(axis=-1) / np.square(shape).sum(axis=-1), 0.0)
    for _ in range(_SCORING_STEPS):
        z, spread = _normal_score(square, a[..., None] * shape + noise, noise, direction)
        slope = shape / spread
        a = np.maximum(a + (slope * z).sum(axis=-1) / np.square(slope).sum(axis=-1), a / 4)
    z, _ = _normal_score(square, a[..., None] * shape + noise, noise, direction)
    misfit: Floats = np.square(z).sum(axis=-1)
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


def _accepted(exponents: Floats, deviance: Floats, limit: float) -> tuple[float, float]:
    """Return the ends of the set of exponents within the limit, interpolated; infinite at the ends of what is tried."""
    inside = np.flatnonzero(deviance <= limit)
    ends = []
    for edge, step in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        if not 0 <= edge + step < len(deviance):
            ends.append(step * np.inf)
            continue
        share = (limit - deviance[edge]) / (deviance[edge + step] - deviance[edge])
        ends.append(float(exponents[edge] + share * (exponents[edge + step] - exponents[edge])))
    return ends[0], ends[1]


def _no_fit(n_widths: int, n_members: int, why: str) -> BiasFit:
    return BiasFit(estimate=float("nan"), n_widths=n_widths, n_members=n_members, method=f"none: {why}")
