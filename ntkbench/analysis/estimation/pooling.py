"""One estimate of several seeds: a random-effects mean of independent repetitions of a study.

A seed draws data, teacher and networks anew: ``estimate_s = theta + u_s + noise_s + g_s b``. u_s ~ N(0, omega^2) is how
far data sets differ, noise_s the sampling error over members. The finite-width correction b is not drawn anew:
widths and architecture are the same, so its part does not average out, and counts with its mean size.

* Seeds weigh equally, as their members are as many. Weights from estimated errors would depend on these errors, and
  intervals of unequally precise seeds would cover 87 % in place of 93.
* omega^2 is an upper estimate: it is below the truth in 40 % of cases, where Cochran's Q, at this omega, is the 0.4
  quantile of chi^2 with S - 1 degrees of freedom (0.3 of two seeds). With the usual estimate, whose mean is right
  (Paule and Mandel 1982), 95 % intervals of three seeds cover 88 %, since it is zero too often; with a median-unbiased
  one 91 % (``benchmarks/pooled_coverage.py``).
* Student's t with Satterthwaite's degrees of freedom, S - 1 for the part of omega.

A claim is about every data set. So what it holds for is judged with omega; but the mean over the data sets at hand,
whose error has no omega, is enough to refute it (:attr:`.mixed.MixedEstimate.at_hand`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, fdtrc

from .mixed import Coefficients, MixedEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MEDIAN = 0.5
_UPPER = {2: 0.3, 3: 0.4}
"""The quantile of Q, by the number of seeds, from which omega is taken."""


@dataclass(frozen=True)
class Heterogeneity:
    """How far the estimates of seeds differ beyond their sampling errors.

    :param between: omega, the standard deviation between seeds, median-unbiased.
    :param p: the p-value of no difference (Welch 1951).
    """

    between: float
    p: float


def pooled(estimates: Sequence[MixedEstimate]) -> MixedEstimate:
    """Return the estimate of all seeds together; that of a single one is its own.

    ``lack_of_fit`` combines those of the seeds (Fisher 1932).
    """
    if len(estimates) == 1:
        return estimates[0]
    y, variances, corrections, dof = _columns(estimates)
    between = _between(y, variances, _UPPER.get(len(y), _UPPER[3]))
    at_hand = _mean(y, variances, corrections, dof).as_one(combined([found.lack_of_fit for found in estimates]))
    return replace(at_hand, between_error=float(np.sqrt(between / len(y))), between_dof=len(y) - 1)


def pooled_at_hand(seeds: Sequence[Coefficients]) -> Coefficients:
    """Return the means over the data sets at hand, each as the ``at_hand`` of :func:`pooled`."""
    if len(seeds) == 1:
        return seeds[0]
    y, errors, corrections, dof = map(np.stack, zip(*seeds, strict=True))
    return _mean(y, np.maximum(errors**2, 1e-300), corrections, dof)


def _mean(y: Floats, variances: Floats, corrections: Floats, dof: Floats) -> Coefficients:
    """Return means over seeds, the first axis of all, without how far data sets differ."""
    parts = variances / len(y) ** 2
    sampling = parts.sum(axis=0)
    return Coefficients(
        estimate=y.mean(axis=0),
        sampling_error=np.sqrt(sampling),
        correction=np.abs(corrections).mean(axis=0),
        sampling_dof=1 / np.maximum((np.square(parts / sampling) / dof).sum(axis=0), 1e-6),
    )


def heterogeneity(estimates: Sequence[MixedEstimate]) -> Heterogeneity:
    """Return how far seeds differ; nan of fewer than two."""
    if len(estimates) < 2:
        return Heterogeneity(float("nan"), float("nan"))
    y, variances, _, dof = _columns(estimates)
    return Heterogeneity(float(np.sqrt(_between(y, variances, _MEDIAN))), _welch(y, variances, dof))


def _columns(estimates: Sequence[MixedEstimate]) -> tuple[Floats, Floats, Floats, Floats]:
    table = [(e.estimate, max(e.sampling_error**2, 1e-300), e.correction, e.sampling_dof) for e in estimates]
    y, variances, corrections, dof = np.array(table, dtype=np.float64).T
    return y, variances, corrections, dof


def _cochran(y: Floats, variances: Floats, between: float) -> float:
    weights = 1 / (variances + between)
    return float(weights @ np.square(y - np.average(y, weights=weights)))


def _between(y: Floats, variances: Floats, level: float) -> float:
    """Return the omega^2 at which Cochran's Q is at this quantile of its law."""
    quantile = float(chdtri(len(y) - 1, 1 - level))
    if _cochran(y, variances, 0.0) <= quantile:
        return 0.0
    most = 2 * len(y) * float(np.ptp(y)) ** 2 / quantile  # where Q is below it, whatever the variances
    return float(brentq(lambda between: _cochran(y, variances, between) - quantile, 0.0, most, xtol=1e-12 * most))


def _welch(y: Floats, variances: Floats, dof: Floats) -> float:
    k, weights = len(y), 1 / variances
    spread = float((np.square(1 - weights / weights.sum()) / dof).sum())
    between = _cochran(y, variances, 0.0) / (k - 1)
    statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    return float(fdtrc(k - 1, (k**2 - 1) / (3 * max(spread, 1e-12)), statistic))


def combined(p_values: Sequence[float | None]) -> float | None:
    """Return the p-value of all together (Fisher 1932), of those that there are."""
    found = np.array([p for p in p_values if p is not None])
    if not len(found):
        return None
    return float(chdtrc(2 * len(found), -2 * np.log(np.maximum(found, 1e-300)).sum()))
