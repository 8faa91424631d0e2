"""Mixed estimation (Theil and Goldberger 1961): least squares with one coefficient known roughly beforehand.

``y_w = sum_j design_wj beta_j + noise_w``, the last coefficient N(0, 1) before any data are seen, the others free. It
estimates as best linear unbiased prediction does. Weights come from variances smooth in the width; the error comes
from each width's own variance (a sandwich), with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REJECTED = 0.01
"""A model is rejected below this p-value of its lack of fit."""


@dataclass(frozen=True)
class MixedEstimate:
    """One coefficient, its standard error (sampling and prior together), dof of its Student's t, lack of fit.

    ``lack_of_fit`` is the p-value of the model; None unless there are more widths than free coefficients.
    """

    estimate: float
    standard_error: float
    dof: float
    lack_of_fit: float | None


def mixed_estimate(
    design: Floats, y: Floats, *, working: Floats, variances: Floats, dof: Floats, of: int
) -> MixedEstimate:
    """Estimate coefficient ``of`` as ``c . y``; its variance is ``sum_w c_w^2 s_w^2 + (c . design_last)^2``.

    :param design: (W, P), the last column times the standard deviation of its coefficient beforehand.
    :param y: (W,); ``working`` (W,) the variances that weigh it; ``variances`` (W,) its own, with ``dof`` (W,).
    """
    free = design.shape[1] - 1
    augmented = np.vstack([design / np.sqrt(working)[:, None], np.eye(1, free + 1, free)])
    solve = np.linalg.pinv(augmented)[:, :-1] / np.sqrt(working)
    parts, prior = solve[of] ** 2 * variances, float(solve[of] @ design[:, -1]) ** 2
    variance = float(parts.sum()) + prior
    estimate = solve @ y
    misfit = float(np.square(y - design @ estimate) @ (1 / working) + estimate[-1] ** 2)
    return MixedEstimate(
        estimate=float(estimate[of]),
        standard_error=float(np.sqrt(variance)),
        dof=1 / max(float(((parts / max(variance, 1e-300)) ** 2 / dof).sum()), 1e-6),
        lack_of_fit=_lack_of_fit(misfit, len(y) - free, float(dof.sum())),
    )


def _lack_of_fit(misfit: float, dof: int, error_dof: float) -> float | None:
    return float(fdtrc(dof, error_dof, misfit / dof)) if dof > 0 else None


def named(along: str) -> str:
    """Return the note that a method adds if n is not the width, such as ``; n is the depth``."""
    return "" if along == "width" else f"; n is the {along}"


def several(along: str) -> str:
    """Return ``widths``, or, for another axis, such as ``values of the depth``."""
    return "widths" if along == "width" else f"values of the {along}"
