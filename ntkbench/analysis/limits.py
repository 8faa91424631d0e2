"""What a number tends to as the width grows: its value at infinite width, with an interval that keeps its word.

A value is taken to follow ``v(n) = a + c n^-p + e n^-2p``: its limit, the first correction, whose size is fitted, and
the second, which is not. The rule, fixed beforehand: mixed estimation (Theil and Goldberger 1961) as for exponents,
``e ~ N(0, tau^2)``; weights from standard errors that are smoothed over widths, as few members say too little of their
own; the interval counts sampling, by each width's own standard error, and what is left of e, with Satterthwaite's
degrees of freedom and Student's t. A single width is taken as it is, without extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, stdtrit

from .exponents import CONFIDENCE, REJECTED

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LimitFit:
    """A limit, able to state its interval at any confidence.

    :param standard_error: sampling and unknown second correction together.
    :param dof: degrees of freedom of Student's t.
    :param lack_of_fit: p-value of the expansion itself; None where none was tested.
    """

    estimate: float
    standard_error: float
    dof: float
    n_widths: int
    n_members: int
    method: str
    lack_of_fit: float | None = None

    @property
    def rejected(self) -> bool:
        """Whether the data reject the expansion, so that its limit does not describe them."""
        return self.lack_of_fit is not None and self.lack_of_fit < REJECTED

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval at this confidence, NaN where there is no estimate."""
        half = float(stdtrit(self.dof, 0.5 + confidence / 2)) * self.standard_error
        return self.estimate - half, self.estimate + half


def fit_limit(
    widths: ArrayLike,
    values: ArrayLike,
    standard_errors: ArrayLike,
    members: ArrayLike,
    *,
    power: float = 1.0,
    correction: float = 0.0,
) -> LimitFit:
    """Fit a of ``v(n) = a + c n^-power + e n^(-2 power)``, ``e ~ N(0, correction^2)``.

    :param widths: (W,); ``values`` (W,) with ``standard_errors`` (W,), of ``members`` (W,) each. Those that are not
        finite, or have no positive standard error, are left out.
    :param power: of the leading correction.
    :returns: NaN throughout where nothing is left, or two widths, which c and a would fit exactly, disagree in nothing.
    """
    n, v, se, counts = (np.asarray(part, dtype=np.float64) for part in (widths, values, standard_errors, members))
    kept = np.isfinite(n) & np.isfinite(v) & np.isfinite(se) & (se > 0) & (counts > 1)
    n, v, se, counts = n[kept], v[kept], se[kept], counts[kept]
    if len(n) == 0:
        return _no_fit("needs a width with two members that differ")
    if len(n) == 1:
        return LimitFit(
            estimate=float(v[0]),
            standard_error=float(se[0]),
            dof=float(counts[0] - 1),
            n_widths=1,
            n_members=int(counts[0]),
            method=f"at {n[0]:g}: no extrapolation",
        )
    return _extrapolated(n, v, se, counts, power, correction)


def _extrapolated(n: Floats, v: Floats, se: Floats, counts: Floats, power: float, tau: float) -> LimitFit:
    """Estimate ``a = w . v``; its variance is ``sum_n w_n^2 se_n^2 + (tau w . n^-2p)^2``."""
    small = (n / n.min()) ** -power
    second = tau * n ** (-2 * power)
    design, working = np.stack([np.ones_like(n), small, second], axis=1), _smoothed(n, se, counts)
    augmented = np.vstack([design / working[:, None], [0.0, 0.0, 1.0]])
    solve = np.linalg.pinv(augmented)[:, :-1] / working
    parts, prior = (solve[0] * se) ** 2, float(solve[0] @ second) ** 2
    variance = float(parts.sum()) + prior
    estimate = solve @ v
    misfit = float(np.square((v - design @ estimate) / working).sum() + estimate[2] ** 2)
    return LimitFit(
        estimate=float(estimate[0]),
        standard_error=float(np.sqrt(variance)),
        dof=1 / max(float(((parts / variance) ** 2 / (counts - 1)).sum()), 1e-6),
        n_widths=len(n),
        n_members=int(counts.min()),
        method=f"v = a + c n^-{power:g} + e n^-{2 * power:g}, e of standard deviation {tau:g} beforehand",
        lack_of_fit=float(chdtrc(len(n) - 2, misfit)) if len(n) > 2 else None,
    )


def _smoothed(n: Floats, se: Floats, counts: Floats) -> Floats:
    """Return standard errors smoothed over widths, a power of the width times ``E^-1/2``: weights less at random.

    With two widths they are taken as they are.
    """
    if len(n) == 2:
        return se
    design = np.stack([np.ones_like(n), np.log(n)], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, np.log(se) + np.log(counts) / 2, rcond=None)
    smooth: Floats = np.exp(design @ coefficients) / np.sqrt(counts)
    return smooth


def _no_fit(why: str) -> LimitFit:
    nan = float("nan")
    return LimitFit(estimate=nan, standard_error=nan, dof=nan, n_widths=0, n_members=0, method=f"none: {why}")
