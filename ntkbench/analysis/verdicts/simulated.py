"""Verdicts of simulated studies: how often a study with these places and members holds, or fails.

An interval is not a verdict: a failure takes a settled slope and the same outcome under every allowed correction, and a
true claim that has a correction holds less often than one that has none. So studies are drawn and judged by
:func:`.judge.verdict`. Each has

* normal noise, as large as members scatter, and its estimate of that scatter, chi-square at each place;
* a finite-width correction of a power that the fit allows, and of the size that it allows for, N(0, tau^2). A limit's
  first coefficient, which the fit leaves free, is drawn as large as its second.

All deviations are judged on the same studies. A deviation of the truth moves estimates and intervals alike, so the
expectation is moved by its opposite instead, and each study is fitted once. Floors are tested at the expected exponent:
their data are moved.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ..estimation.curve import Curve
from ..estimation.exponents import ExponentFit, exponent_of
from ..estimation.fit import CONFIDENCE
from ..estimation.floor import fit_floor
from ..estimation.limits import LimitFit, fit_limit
from ..estimation.mixed import MixedEstimate
from .judge import ERROR, POWER, minimum_detectable_deviation, verdict
from .robustness import steepens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ...theory.claims import Expectation
    from .judge import Verdict

    Floats = NDArray[np.float64]
    Drawn = ExponentFit | LimitFit

STUDIES = 200
"""How many studies are drawn: a probability near 0.8 has a standard error of 0.03."""
LARGEST = 4.0
"""The largest deviation that is tried, in units of the one whose interval excludes the band with probability 0.8."""
_SEED = 0
_HALVINGS = 4


class _Remembered(MixedEstimate):
    """An estimate whose intervals are computed once, with however many deviations they are compared."""

    @cached_property
    def _intervals(self) -> dict[float, tuple[float, float]]:
        return {}

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return that of the estimate."""
        if confidence not in self._intervals:
            self._intervals[confidence] = super().interval(confidence)
        return self._intervals[confidence]


class _DrawnCurve(Curve):
    """The curve of a simulated study, which is fitted once in each way."""

    @cached_property
    def logs(self) -> Floats:
        """Those of the curve."""
        return super().logs

    @cached_property
    def _fits(self) -> dict[tuple[object, ...], MixedEstimate]:
        return {}

    def fit(
        self, shapes: list[Floats], *, of: int, allowed: float = 1.0, power: float = 1.0, y: Floats | None = None
    ) -> MixedEstimate:
        """Return the estimate of the curve."""
        way = (*(shape.tobytes() for shape in shapes), of, allowed, power, None if y is None else y.tobytes())
        if way not in self._fits:
            self._fits[way] = _Remembered(**vars(super().fit(shapes, of=of, allowed=allowed, power=power, y=y)))
        return self._fits[way]


def drawn_exponents(curve: Curve) -> list[ExponentFit]:
    """Return the fits of studies whose logarithms scatter around those of a curve without noise."""
    rng, shape = np.random.default_rng(_SEED), (STUDIES, len(curve.n))
    dof, smallest = curve.share * (curve.counts - 1), float(curve.n.min())
    noise = rng.standard_normal(shape) * np.sqrt(curve.spread / curve.counts)
    spread = curve.spread * rng.chisquare(dof, shape) / dof
    powers = rng.choice(np.array(curve.powers), (STUDIES, 1))
    correction = rng.standard_normal((STUDIES, 1)) * curve.tau / smallest * (smallest / curve.n) ** powers
    drawn = zip(curve.y + correction + noise, spread, strict=True)
    return [exponent_of(_DrawnCurve(**{**vars(curve), "y": y, "spread": own})) for y, own in drawn]


def drawn_limits(
    n: Floats, error: Floats, members: Floats, *, limit: float, powers: tuple[float, ...], correction: float
) -> list[LimitFit]:
    """Return the fits of studies whose numbers scatter around a limit.

    :param n: (W,); ``error`` (W,) the standard errors; ``members`` (W,).
    :param powers: those that the fit allows; ``correction`` is tau.
    """
    rng, shape = np.random.default_rng(_SEED), (STUDIES, len(n))
    noise = rng.standard_normal(shape) * error
    errors = error * np.sqrt(rng.chisquare(members - 1, shape) / (members - 1))
    z = (n.min() / n) ** rng.choice(np.array(powers), (STUDIES, 1))
    first, second = correction * float(n.min()) ** (-2 * powers[0]) * rng.standard_normal((2, STUDIES, 1))
    values = limit + noise + (first * z + second * z**2 if len(n) > 1 else 0.0)
    return [
        fit_limit(n, value, own, members, powers=powers, correction=correction)
        for value, own in zip(values, errors, strict=True)
    ]


def chance(
    outcome: Verdict, fits: Sequence[Drawn], expectation: Expectation, comparisons: int, deviation: float = 0.0
) -> float:
    """Return the share of studies with this verdict, where the truth is off the expected value by a deviation."""
    found = [judged(fit, expectation, comparisons, deviation) for fit in fits]
    return found.count(outcome) / len(found)


def judged(fit: Drawn, expectation: Expectation, comparisons: int, deviation: float) -> Verdict:
    """Return the verdict on a study whose numbers are moved by a deviation: by ``n^deviation``, if an exponent."""
    moved = replace(
        expectation,
        value=expectation.value - deviation,
        band_low=expectation.band_low - deviation,
        band_high=expectation.band_high - deviation,
        vanishes=False,
    )
    found = verdict(fit, moved, comparisons).verdict
    if found == "fails" or not expectation.vanishes or not isinstance(fit, ExponentFit):
        return found
    return _beside_a_floor(found, fit, expectation, comparisons, deviation)


def _beside_a_floor(
    found: Verdict, fit: ExponentFit, expectation: Expectation, comparisons: int, deviation: float
) -> Verdict:
    """Return what a verdict on a distance becomes by its floor, whose size in words takes a hundred fits."""
    if not isinstance(fit.curve, Curve):
        return found
    floor = fit_floor(replace(fit.curve, y=fit.curve.y + deviation * fit.curve.logs), expectation.value)
    if floor is None:
        return found
    if floor.is_above_zero(1 - ERROR / comparisons) and not steepens(fit):
        return "fails"
    return "inconclusive" if found == "holds" and floor.is_above_zero(CONFIDENCE) else found


def smallest_refuted(fits: Sequence[Drawn], expectation: Expectation, comparisons: int) -> float:
    """Return the smallest deviation that fails with probability 0.8; infinite if none does.

    From a band it is a deviation downwards (:func:`_towards_failure`).
    """
    sign = _towards_failure(expectation)
    margin = expectation.band_high if sign > 0 else expectation.band_low

    def fails(deviation: float) -> bool:
        return _surely("fails", fits, expectation, comparisons, sign * deviation)

    return _smallest(fails, abs(margin - expectation.value), largest_tried(fits, expectation, comparisons))


def largest_tried(fits: Sequence[Drawn], expectation: Expectation, comparisons: int) -> float:
    """Return the largest deviation that is tried: :data:`LARGEST`, of the median study."""
    presumed = [minimum_detectable_deviation(fit, expectation, comparisons) for fit in fits]
    return LARGEST * float(np.median(presumed))


def chance_at_most(fits: Sequence[Drawn], expectation: Expectation, comparisons: int) -> float:
    """Return the probability that the largest deviation that is tried fails."""
    largest = _towards_failure(expectation) * largest_tried(fits, expectation, comparisons)
    return chance("fails", fits, expectation, comparisons, largest)


def smallest_holding(fits: Sequence[Drawn], expectation: Expectation, comparisons: int) -> float:
    """Return how far beyond a bound the truth has to be to hold with probability 0.8; infinite if it never does."""
    sign = -_towards_failure(expectation)

    def holds(beyond: float) -> bool:
        return _surely("holds", fits, expectation, comparisons, sign * beyond)

    return _smallest(holds, 0.0, largest_tried(fits, expectation, 1))


def _towards_failure(expectation: Expectation) -> float:
    """Return the sign of deviations that fail: from a bound to its other side, from a band downwards.

    Noise and corrections are symmetric. But a distance that falls too slowly may also fail by a floor, so that one that
    falls too fast is the harder to refute.
    """
    return -1.0 if math.isfinite(expectation.band_low) else 1.0


def _surely(
    outcome: Verdict, fits: Sequence[Drawn], expectation: Expectation, comparisons: int, deviation: float
) -> bool:
    """Return whether at least 0.8 of studies have this verdict."""
    others = (1 for fit in fits if judged(fit, expectation, comparisons, deviation) != outcome)
    most = math.floor(len(fits) * (1 - POWER) + 1e-9)
    return next(islice(others, most, None), None) is None


def _smallest(surely: Callable[[float], bool], low: float, largest: float) -> float:
    """Return the least number at which something is sure, found by doubling and halving; it is not at ``low``."""
    high = largest / LARGEST
    while not surely(high):
        low, high = high, 2 * high
        if high > largest:
            return math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if surely(middle) else (middle, high)
    return high
