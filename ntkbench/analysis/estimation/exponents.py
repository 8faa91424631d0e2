"""At what rate a distance closes with the width: exponents, with calibrated confidence intervals.

A distance is taken to follow ``q(n) = A n^p (1 + b / n)``: a power law with the first finite-width correction. Members
are the replicates; widths differ in variance; b is not known. The rule, fixed beforehand:

* ``y_w = log rms_k x_wk`` at each width, with its jackknife variance over members (the delta method's is a sixth too
  small for 8 members with chi-like values). The root mean square is what the tables show, its expansion is in 1/n, and
  of chi-like values it is a more efficient summary than the mean logarithm.
* ``y = a + p log n + b / n + noise`` by mixed estimation (Theil and Goldberger 1961): b ~ N(0, tau^2), tau fixed
  before any data are seen. tau = 0 trusts the smallest width and can be off by its own standard error; tau = inf (b
  fitted) doubles the interval. In between, the smallest widths get the weight they deserve, and the interval
  includes the remaining uncertainty of b. Widths below tau, where the correction may reach 100 %, are left out.
* After training with kinks the correction may fall as n^-1/2 in place of 1 / n. The interval is then the hull of the
  intervals of both, with corrections equally large at the smallest width; the estimate is that of 1 / n.
* Weights come from the variance pooled over widths, since 8 members determine their own too poorly; the error comes
  from each width's own variance (a sandwich), with Satterthwaite's degrees of freedom and Student's t.

``benchmarks/interval_coverage.py`` measures coverage and width against the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc, stdtrit

from .curve import POWERS, Curve, Curves
from .curve import exponent as fitted_exponent
from .mixed import REJECTED, named, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .mixed import MixedEstimate

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
_EXPONENTS = np.linspace(-4.0, 2.0, 601)
_TINY = 1e-12
_SCORING_STEPS = 6
_OF_SQUARES = 1 / 3
"""Share of the degrees of freedom left to the jackknife variance of a log variance. Of squares of Gaussian members it
is 1 / 7 in many members (excess kurtosis 12); a logarithm's scatters less, and a third covers with 8 to 50 of them."""
_STANDS_OUT = 1e-3
"""How often, over all widths together, the mean of unbiased members may stand out from its sampling floor."""


@dataclass(frozen=True, kw_only=True)
class ExponentFit:
    """A fitted exponent of the width, able to state its interval at any confidence.

    :param n_members: the fewest members at any width used.
    :param by_power: the estimates with corrections of each power, whose intervals the interval includes; the first is
        that of the exponent.
    :param deviance: where the interval is an inverted test instead: its statistic over a fixed grid of exponents, with
        ``dof`` degrees of freedom of Student's t.
    :param lack_of_fit: p-value of the power law itself, corrected by b / n; None where none was tested.
    :param curve: what was fitted, for the tests beside the exponent; None for the bias of a mean.
    """

    exponent: float
    n_widths: int
    n_members: int
    method: str
    by_power: tuple[MixedEstimate, ...] = ()
    deviance: Floats | None = None
    dof: float = float("nan")
    lack_of_fit: float | None = None
    curve: Curve | Curves | None = None

    @property
    def estimate(self) -> float:
        """The exponent."""
        return self.exponent

    @property
    def rejected(self) -> bool:
        """Whether the data reject the power law, so that no exponent describes them."""
        return self.lack_of_fit is not None and self.lack_of_fit < REJECTED

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval at this confidence: infinite ends where data set no limit, NaN where they say nothing."""
        if self.deviance is not None:
            return _accepted(self.deviance, float(stdtrit(self.dof, 0.5 + confidence / 2)) ** 2)
        ends = [found.interval(confidence) for found in self.by_power]
        return min((low for low, _ in ends), default=np.nan), max((high for _, high in ends), default=np.nan)

    def limits(self, error: float) -> tuple[float, float]:
        """Return one-sided limits, each of which misses the truth with probability ``error`` at most."""
        if self.deviance is not None:
            return self.interval(1 - 2 * error)
        ends = [found.limits(error) for found in self.by_power]
        return min((low for low, _ in ends), default=np.nan), max((high for _, high in ends), default=np.nan)


def fit_exponent(
    widths: ArrayLike,
    samples: Sequence[ArrayLike],
    *,
    correction: float = 0.0,
    powers: tuple[float, ...] = POWERS,
    along: str = "width",
) -> ExponentFit:
    """Fit p of ``rms_k x_wk = A n_w^p (1 + b / n_w)``, b ~ N(0, correction^2), to members' distances per width.

    :param widths: (W,) hidden widths, distinct.
    :param samples: W arrays, members' distances (>= 0) at each width; non-finite ones (diverged) are left out.
    :param correction: tau, in units of the width. Widths below it are left out.
    :param powers: those of 1 / n that the correction may have, equally large at the smallest width.
    :param along: the name of n, if it is not the width.
    :returns: NaN throughout if fewer than two widths with two members each remain; the method says why.
    """
    widths = np.asarray(widths, dtype=np.float64)
    finite = {float(n): _finite(x) for n, x in zip(widths, samples, strict=True) if n >= correction}
    members = {n: x for n, x in finite.items() if len(x) > 1}
    n_members = min(map(len, members.values()), default=0)
    if len(members) < 2:
        return _no_fit(len(members), n_members, f"needs two {several(along)} with two members each")
    if not all(x.any() for x in members.values()):
        return _no_fit(len(members), n_members, "a distance of exactly zero has no logarithm")
    y = np.log([_rms(x) for x in members.values()])
    spread = np.array([_jackknife_spread(x) for x in members.values()])
    counts = np.array([len(x) for x in members.values()])
    found = _mixed_fit(np.array(list(members)), y, spread, counts, correction, powers=powers)
    return replace(found, method=found.method + named(along))


def fit_exponent_of_summaries(
    axis: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    members: ArrayLike,
    *,
    correction: float = 0.0,
    powers: tuple[float, ...] = POWERS,
    along: str = "width",
) -> ExponentFit:
    """Fit p of ``v(n) = A n^p (1 + b / n)`` to positive numbers of whole ensembles, such as a variance over members.

    To first order in relative errors. If noise makes the smallest values negative, noise has selected the others: the
    interval describes only the points that remain, and the method says that points were left out.

    :param axis: (W,) values of n, distinct: widths, depths or others; ``along`` names n.
    :param values: (W,); ``standard_errors`` (W,) over members (jackknife); ``members`` (W,), or one number for all.
        Points below ``correction``, not positive, without a finite positive error or of one member are left out.
    :returns: NaN throughout if fewer than two remain; the method says why.
    """
    table = np.stack(
        np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (axis, values, standard_errors, members)))
    )
    usable = np.isfinite(table).all(axis=0) & (table[1] > 0) & (table[2] > 0) & (table[3] > 1)
    n, v, se, counts = table[:, usable & (table[0] >= correction)]
    if len(n) < 2:
        return _no_fit(len(n), int(counts.min(initial=0)), f"needs two {several(along)} with positive values")
    spread = counts * (se / v) ** 2
    found = _mixed_fit(n, np.log(v), spread, counts.astype(np.int64), correction, powers=powers, share=_OF_SQUARES)
    without = int((~usable & ~(table[0] < correction)).sum())
    said = f"; left out: {without} without a positive value and error" if without else ""
    return replace(found, method=found.method.replace("log RMS", "log value") + named(along) + said)


def _mixed_fit(
    n: Floats,
    y: Floats,
    spread: Floats,
    counts: NDArray[np.int64],
    tau: float,
    *,
    powers: tuple[float, ...],
    share: float = 1.0,
) -> ExponentFit:
    """Fit p of ``y = a + p log n + b / n``; members scatter with variance ``spread`` (W,), pooled for the weights.

    :param share: of the ``counts - 1`` degrees of freedom, how many ``spread`` has.
    """
    return exponent_of(Curve(n, y, spread, counts, tau, share, powers))


def exponent_of(curve: Curve | Curves) -> ExponentFit:
    """Return the exponent of a curve, or of those of several seeds together."""
    by_power = tuple(fitted_exponent(curve, power=power) for power in curve.powers)
    p, tau = by_power[0].lack_of_fit, max(each.tau for each in curve.each)
    return ExponentFit(
        exponent=by_power[0].estimate,
        n_widths=len(curve.n),
        n_members=min(int(each.counts.min()) for each in curve.each),
        method=f"log RMS = a + p log n + b/n, prior of b: N(0, {tau:g}^2)"
        + (", or as large a b/n^1/2" if tau and len(by_power) > 1 else "")
        + (f"; not a power law (p = {p:.1g})" if p is not None and p < REJECTED else ""),
        by_power=by_power,
        lack_of_fit=p,
        curve=curve,
    )


def exponent_of_means(fits: Sequence[ExponentFit]) -> ExponentFit:
    """Return the exponent of the biases of several seeds' means: their deviances added.

    If the seeds differ by more than noise allows, the sum is divided by its excess over its degrees of freedom (Birge
    1932).
    """
    total = np.sum([fit.deviance for fit in fits if fit.deviance is not None], axis=0)
    best = int(total.argmin())
    excess = max(1.0, float(total[best]) / max(len(fits) - 1, 1))
    return replace(
        fits[0],
        exponent=float(_EXPONENTS[best]) if 0 < best < len(_EXPONENTS) - 1 else np.nan,
        dof=min(fit.dof for fit in fits),
        n_widths=max(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        deviance=(total - total[best]) / excess,
    )


def _jackknife_spread(x: Floats) -> float:
    """E times the jackknife variance of log rms: ``(E - 1) sum_k (l_k - mean l)^2``, l_k without member k."""
    squares = np.square(x / _rms(x))
    left_out = np.log(np.maximum(squares.sum() - squares, 1e-12) / (len(x) - 1)) / 2
    return float((len(x) - 1) * len(x) * left_out.var())


def fit_exponent_of_mean(
    widths: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    floors: ArrayLike,
    *,
    members: int,
    correction: float = 0.0,
) -> ExponentFit:
    """Fit p of the bias ``beta(n) = A n^p (1 + b / n)`` of an ensemble's mean, excluding sampling noise.

    With d_k the members' differences, the mean's RMS distance v has ``E v^2 = beta^2 + floor^2``,
    ``floor^2 = tr Cov(d) / (E M)``: v itself falls as n^-1/2 sooner or later, whatever the bias does. So
    the model is ``E v^2 = beta^2 + floor^2``, and the interval is the set of p that the data do not reject (Fieller):
    where the bias drowns it is unbounded. No width is chosen by its outcome.

    :param values: (W,) v; ``standard_errors`` (W,) of v; ``floors`` (W,).
    :param members: E, the fewest at any width.
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
    deviance = _deviance_of_mean(n, (v / v.max()) ** 2, (floor / v.max()) ** 2, direction, correction)
    best = int(deviance.argmin())
    return ExponentFit(
        exponent=float(_EXPONENTS[best]) if 0 < best < len(_EXPONENTS) - 1 else np.nan,
        dof=members - 1,
        n_widths=len(n),
        n_members=members,
        method=f"bias above the sampling floor = A n^p (1 + b/n), prior of b: N(0, {correction:g}^2)",
        deviance=deviance,
    )


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


def _deviance_of_mean(n: Floats, square: Floats, noise: Floats, direction: float, tau: float) -> Floats:
    """Misfit of ``E v^2 = beta^2 + floor^2``, ``beta^2 = a n^2p (1 + 2 b / n)``, by p, minimised over a >= 0.

    :param square: v^2; ``noise``: floor^2; ``direction``: s.e.^2, pooled over widths as a share of floor^2.
    :returns: at each p of the grid, less the minimum. b adds ``2 tau beta^2 / n``, in common (Sherman-Morrison); to
        first order suffices, simulated b of one tau at widths from 32 is covered.
    """
    shape: Floats = (n / n.max()) ** (2 * _EXPONENTS[:, None])
    shape /= shape.max(axis=1, keepdims=True)
    direction, noise = max(direction, _TINY), np.maximum(noise, _TINY)
    a = np.maximum((shape * (square - noise)).sum(axis=1) / np.square(shape).sum(axis=1), 0.0)
    for _ in range(_SCORING_STEPS):
        z, spread = _normal_score(square, a[:, None] * shape + noise, noise, direction)
        slope, shared = shape / spread, 2 * tau / n * a[:, None] * shape / spread
        step = _inner(slope, z, shared) / _inner(slope, slope, shared)
        a = np.maximum(a + step, a / 4)
    bias = a[:, None] * shape
    z, spread = _normal_score(square, bias + noise, noise, direction)
    deviance = _inner(z, z, 2 * tau / n * bias / spread)
    return deviance - float(deviance.min())


def _normal_score(square: Floats, mean: Floats, noise: Floats, direction: float) -> tuple[Floats, Floats]:
    """Return v^2 as a standard normal (Wilson and Hilferty 1931), given its mean, and its standard deviation.

    ``Var v^2 = 4 direction mean floor^2``: the mean varies by ``direction * floor^2`` along itself, and
    ``direction = 1 / (2 k)`` makes it ``2 floor^4 / k`` without bias. So v^2 is ``floor^2 / k`` times chi^2 of
    ``k mean / floor^2`` degrees of freedom. At few of them a normal v^2 would stray beyond t = 5 a hundred times too
    often.
    """
    cumulant = 4 * direction * noise / (9 * mean)
    return (np.cbrt(square / mean) - 1 + cumulant) / np.sqrt(cumulant), np.sqrt(4 * direction * mean * noise)


def _inner(x: Floats, y: Floats, shared: Floats) -> Floats:
    """``x^T (1 + shared shared^T)^-1 y`` along the last axis."""
    across = (x * shared).sum(axis=-1) * (y * shared).sum(axis=-1)
    product: Floats = (x * y).sum(axis=-1) - across / (1 + (shared**2).sum(axis=-1))
    return product


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


def _no_fit(n_widths: int, n_members: int, why: str) -> ExponentFit:
    nan = float("nan")
    return ExponentFit(exponent=nan, n_widths=n_widths, n_members=n_members, method=f"none: {why}")


def _finite(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    return x[np.isfinite(x)]


def _rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
