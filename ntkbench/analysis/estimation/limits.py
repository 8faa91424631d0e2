"""Where a number goes as the width does to infinity: limits, with calibrated confidence intervals.

A number of the ensemble (a slope, a ratio of variances) is taken to follow ``v(n) = a + c n^-p + e n^-2p``: its limit
with the first two finite-width corrections. The rule, fixed beforehand:

* a and c are fitted freely; e ~ N(0, correction^2) by mixed estimation. correction = 0 trusts the smallest width and
  can be off by what is left of e there; e fitted freely multiplies the interval. What is left of e is in the interval.
* Weights come from standard errors smoothed over widths, ``s.e.^2 = s n^r / members``: a few members say too little of
  their own, and the scatter of most numbers falls with the width. The error comes from each width's own standard error
  (a sandwich), with Satterthwaite's degrees of freedom and Student's t. Intervals are honest (:mod:`.mixed`).
* The power p need not be known: of several, the interval is the hull of the intervals of each, with prior
  corrections equally large at the smallest width. The estimate is that of the first. A power whose expansion the data
  reject stays in the hull: a rejection at one width too few would narrow the interval where it should be widest.
* Nothing is extrapolated from a single width: its value and error are reported as they are.

``benchmarks/limit_coverage.py`` measures coverage and width against the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import polygamma, psi

from .mixed import MixedEstimate, MixedFit, best_lack_of_fit, mixed_estimate, named
from .pooling import pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_EXPECTED, _VARIANCE, _STEEPEST = -1.0, 0.25, 3.0


@dataclass(frozen=True, kw_only=True)
class LimitFit(MixedFit):
    """A fitted limit, in the units of the values, able to state its interval at any confidence.

    ``lack_of_fit`` is that of ``a + c n^-p + e n^-2p``, of several powers the largest.
    """


def fit_limit(
    widths: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    members: ArrayLike,
    *,
    powers: tuple[float, ...] = (1.0,),
    correction: float = 0.0,
    along: str = "width",
) -> LimitFit:
    """Fit a of ``v(n) = a + c n^-p + e n^-2p``, e ~ N(0, correction^2), to an ensemble's numbers per width.

    :param widths: (W,) distinct.
    :param values: (W,); ``standard_errors`` (W,) over members (jackknife); ``members`` (W,), or one number for all.
        Widths whose value is not finite, whose error is not finite and positive, or with one member, are left out.
    :param powers: those that p may have. The interval is the hull of all, the estimate that of the first.
    :param correction: standard deviation of e beforehand, in units of the values times the width^(2 p), p the first
        power. Those of other powers are as large at the smallest width.
    :param along: in words, what n is where it is no width.
    :returns: NaN throughout where no width remains, the method saying why.
    """
    (n, v, se, counts), left_out = _usable(widths, values, standard_errors, members)
    if len(n) < 2:
        return _without_extrapolation(n, v, se, counts, along, left_out)
    largest = correction * float(n.min()) ** (-2 * powers[0])
    floor = (1e-8 * float(np.abs(v).max())) ** 2
    working = np.maximum(_smoothed(n, se**2 * counts, counts - 1) / counts, floor)

    def fitted(power: float) -> MixedEstimate:
        z = (n / n.min()) ** -power
        design = np.stack([np.ones_like(n), z, largest * z**2], axis=1)
        return mixed_estimate(design, v, working=working, variances=se**2, dof=counts - 1, of=0)

    by_power = tuple(fitted(power) for power in powers)
    return LimitFit(
        estimate=by_power[0].estimate,
        by_power=by_power,
        n_widths=len(n),
        n_members=int(counts.min()),
        method=_form(powers, correction) + named(along),
        lack_of_fit=best_lack_of_fit(by_power),
        remarks=left_out,
    )


def limit_of_seeds(fits: Sequence[LimitFit]) -> LimitFit:
    """Return the limit of several seeds together, power by power (:mod:`.pooling`)."""
    by_power = tuple(pooled(found) for found in zip(*(fit.by_power for fit in fits), strict=True))
    return replace(
        fits[0],
        estimate=by_power[0].estimate,
        by_power=by_power,
        n_widths=min(fit.n_widths for fit in fits),
        n_members=min(fit.n_members for fit in fits),
        lack_of_fit=best_lack_of_fit(by_power),
    )


def _usable(*columns: ArrayLike) -> tuple[Floats, tuple[str, ...]]:
    """Return (4, W') of widths, values, errors and members that can be used, and remarks on those that cannot."""
    same = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
    table = np.stack([np.atleast_1d(column) for column in same])
    used = table[:, np.isfinite(table).all(axis=0) & (table[2] > 0) & (table[3] > 1)]
    lost = table.shape[1] - used.shape[1]
    return used, (f"left out: {lost} without a finite value and error",) if lost else ()


def nothing(why: str) -> LimitFit:
    """Return the fit of nothing: NaN throughout, the method saying why."""
    nan = float("nan")
    return LimitFit(estimate=nan, by_power=(), n_widths=0, n_members=0, method=f"none: {why}")


def _form(powers: tuple[float, ...], correction: float) -> str:
    first, second = (f"n^-{exponent:g}" for exponent in (powers[0], 2 * powers[0]))
    others = " or ".join(f"n^-{power:g}" for power in powers[1:])
    text = f"value = a + c {first} + e {second}, prior of e: N(0, {correction:g}^2)"
    return f"{text}; or with {others} in place of {first}" if others else text


def _without_extrapolation(
    n: Floats, v: Floats, se: Floats, counts: Floats, along: str, left_out: tuple[str, ...]
) -> LimitFit:
    """Return the value at the only width that there is, or the fit of nothing."""
    if not len(n):
        return nothing(f"needs a {along} with a finite value, a positive error and two members")
    return LimitFit(
        estimate=float(v[0]),
        by_power=(MixedEstimate(float(v[0]), float(se[0]), 0.0, float(counts[0] - 1), None),),
        n_widths=1,
        n_members=int(counts[0]),
        method=f"at {along} {n[0]:g}: no extrapolation",
        remarks=left_out,
    )


def _smoothed(n: Floats, spread: Floats, dof: Floats) -> Floats:
    """Smooth variances over widths, ``s n^r``: r from their logarithms, s by pooling.

    A log chi-square has mean ``psi(dof/2) - log(dof/2)`` and variance ``psi'(dof/2)``. r ~ N(-1, 1/4) beforehand: the
    scatter of most numbers falls as 1 / n or not at all, and r of a few members would be mostly noise. Errors that
    happen to be next to nothing at some width could make r anything: no real scatter passes its bounds.
    """
    y, x = np.log(spread) - psi(dof / 2) + np.log(dof / 2), np.log(n)
    weight = 1 / polygamma(1, dof / 2)
    x = x - np.average(x, weights=weight)
    rate = ((weight * x) @ y + _EXPECTED / _VARIANCE) / ((weight * x) @ x + 1 / _VARIANCE)
    shape: Floats = (n / n.max()) ** float(np.clip(rate, -_STEEPEST, _STEEPEST))
    return shape * float(dof @ (spread / shape) / dof.sum())
