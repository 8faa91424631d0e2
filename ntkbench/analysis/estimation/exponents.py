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

from .curve import POWERS, Curve, Curves
from .curve import exponent as fitted_exponent
from .mixed import MixedFit, best_lack_of_fit, named, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_OF_SQUARES = 1 / 3
"""Share of the degrees of freedom left to the jackknife variance of a log variance. Of squares of Gaussian members it
is 1 / 7 in many members (excess kurtosis 12); a logarithm's scatters less, and a third covers with 8 to 50 of them."""


@dataclass(frozen=True, kw_only=True)
class ExponentFit(MixedFit):
    """A fitted exponent of the width, able to state its interval at any confidence.

    :param curve: what was fitted, for the tests beside the exponent; None where nothing was.
    """

    curve: Curve | Curves | None = None


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
    return replace(
        found,
        method=found.method.replace("log RMS", "log value") + named(along),
        remarks=(f"left out: {without} without a positive value and error",) if without else (),
    )


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
    tau = max(each.tau for each in curve.each)
    return ExponentFit(
        estimate=by_power[0].estimate,
        n_widths=len(curve.n),
        n_members=min(int(each.counts.min()) for each in curve.each),
        method=f"log RMS = a + p log n + b/n, prior of b: N(0, {tau:g}^2)"
        + (", or as large a b/n^1/2" if tau and len(by_power) > 1 else ""),
        by_power=by_power,
        lack_of_fit=best_lack_of_fit(by_power),
        curve=curve,
    )


def _jackknife_spread(x: Floats) -> float:
    """E times the jackknife variance of log rms: ``(E - 1) sum_k (l_k - mean l)^2``, l_k without member k."""
    squares = np.square(x / _rms(x))
    left_out = np.log(np.maximum(squares.sum() - squares, 1e-12) / (len(x) - 1)) / 2
    return float((len(x) - 1) * len(x) * left_out.var())


def _no_fit(n_widths: int, n_members: int, why: str) -> ExponentFit:
    nan = float("nan")
    return ExponentFit(estimate=nan, n_widths=n_widths, n_members=n_members, method=f"none: {why}")


def _finite(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    return x[np.isfinite(x)]


def _rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
