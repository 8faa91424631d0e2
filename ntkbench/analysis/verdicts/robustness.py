"""What an exponent's verdict presumes beside its interval: the size of the correction, a settled slope, no floor."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ..estimation.curve import exponent
from ..estimation.exponents import ExponentFit
from ..estimation.fit import REJECTED
from ..estimation.floor import Floor, fit_floor
from ..estimation.local_slopes import LocalSlopes, local_slopes

if TYPE_CHECKING:
    from ...theory.claims import Expectation
    from ..estimation.curve import Curve, Curves
    from ..estimation.fit import Fit
    from ..estimation.mixed import MixedEstimate

Sensitivity = Literal["robust", "depends"]
"""Whether a verdict is the same under every correction of :data:`ALLOWED` and of each power, or depends on it."""

ALLOWED = (0.0, 0.5, 1.0, 2.0, 4.0)
"""The corrections under which a verdict must not change, in units of the allowed one; 0 claims to know that there is
none. One that the data reject (:data:`REJECTED`) does not count."""


def curve_of(fit: Fit) -> Curve | Curves | None:
    """Return what an exponent was fitted to; None for limits, correlations and the bias of a mean."""
    return fit.curve if isinstance(fit, ExponentFit) else None


def floor_of(fit: Fit, expectation: Expectation) -> Floor | None:
    """Return the floor below a distance to a limit; None of other quantities.

    A bound is tested at its own exponent, the slowest fall that the claim allows: with a faster one the same data would
    show a higher floor.
    """
    return fit_floor(curve_of(fit), expectation.value) if expectation.vanishes else None


def hold_depends(fit: Fit, expectation: Expectation) -> bool:
    """Return whether under some other correction, which the data do not reject, the estimate is outside the band."""
    low, high = expectation.band_low, expectation.band_high
    return any(not low <= found.estimate <= high for found in _variants(fit))


def failure_depends(fit: Fit, expectation: Expectation) -> bool:
    """Return whether under some other correction, which the data do not reject, the 95 % interval reaches the band."""
    low, high = expectation.band_low, expectation.band_high
    found = [each.at_hand for each in _variants(fit)]
    ends = [each.limits(0.05) if expectation.one_sided else each.interval(0.95) for each in found]
    return any(lower <= high and upper >= low for lower, upper in ends)


def unsettled(fit: Fit, expectation: Expectation) -> LocalSlopes | None:
    """Return the local slopes if they may still reach the band, so that an exponent outside it refutes nothing.

    A rejected power law is settled only if its slopes move away from the band, as those of a distance that levels off.
    """
    slopes = local_slopes(curve_of(fit))
    if slopes is None:
        return None
    low, high = expectation.band_low, expectation.band_high
    doubtful = fit.rejected and not slopes.leaves(low, high)
    return slopes if doubtful or slopes.may_reach(low, high) else None


def steepens(fit: Fit) -> bool:
    """Return whether local slopes are estimated to steepen with the width; at a floor they flatten."""
    slopes = local_slopes(curve_of(fit))
    return slopes is not None and slopes.steepens < slopes.flattens


def _variants(fit: Fit) -> list[MixedEstimate]:
    curve = curve_of(fit)
    return [] if curve is None else _variants_of(curve)


@lru_cache(maxsize=1024)
def _variants_of(curve: Curve | Curves) -> list[MixedEstimate]:
    """Return the exponents under each allowed correction, those that the data do not reject."""
    found = [exponent(curve, allowed, power) for allowed in ALLOWED for power in curve.powers[: None if allowed else 1]]
    return [each for each in found if each.lack_of_fit is None or each.lack_of_fit >= REJECTED]
