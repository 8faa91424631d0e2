"""Coverage and width of the 95 % intervals of limits, and of exponents of variances, in simulated studies.

    python benchmarks/limit_coverage.py [--studies 4000]

Members are drawn, so that standard errors are as uncertain as in a study. A limit's values are means of members with
spread ``s (n / 64)^(r / 2)`` around ``a + c / n^power + e / n^second``, Gaussian or skewed (gamma, shape 1 / skew);
``second`` is twice the power unless given. With ``catapult`` = (c, u) the values are those of the catapult model.
``holds`` is how often a wrong limit, at the edge of the claim's band, holds: the larger share of the two edges.
Summaries are the variance of Gaussian members, or ``3 Var / mean^2`` of gamma ones, whose true ones are
``n^-1 (1 + b / n)``, with their jackknife errors. The simulation does not use the allowances: ``e`` and
``b`` range from zero to, in the scenarios marked BEYOND, two or three times the allowance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.estimation import exponents, limits
from ntkbench.analysis.estimation.exponents import ExponentFit, fit_exponent_of_summaries
from ntkbench.analysis.estimation.limits import LimitFit, fit_limit
from ntkbench.analysis.series.quantities import ALL, KINKED_POWERS, ONSET_POWERS

FIVE = 64.0 * 2 ** np.arange(5)
FOUR = 128.0 * 2 ** np.arange(4)
SMALL = 32.0 * 2 ** np.arange(4)
THREE = 64.0 * 4 ** np.arange(3)
TWO = 128.0 * 4 ** np.arange(2)

Table = tuple[np.ndarray, np.ndarray]
"""Values and standard errors, (studies, widths) each."""


def _catapult(widths: np.ndarray, c: float, u: float, steps: int = 60) -> np.ndarray:
    """Return the excess of a network's onset over its linearization's in the model of Lewkowycz et al. 2020.

    Along the first eigenvector the residual r and the sharpness g, the rate times its eigenvalue over N, follow
    ``r <- (1 - g) r`` and ``g <- g + c r^2 g (g - 4) / (4 n)``; the rest of the loss, at first 1, falls by 0.64 a step.
    r^2 = u at first. The local power of the excess goes from 1/2, with the width, past 1 to 1.
    """
    inverse = np.append(c / widths, 0.0)
    low, high = np.ones_like(inverse), np.full_like(inverse, 4.0)
    for _ in range(50):
        middle = (low + high) / 2
        r, g, exceeds = np.full_like(low, u**0.5), 2 * middle, np.zeros(len(low), dtype=bool)
        for step in range(1, steps + 1):
            r, g = (1 - g) * r, g + inverse * r**2 * g * (g - 4) / 4
            r, g = np.clip(r, -10.0, 10.0), np.clip(g, -10.0, 10.0)
            exceeds |= r**2 + 0.64**step > u + 1
        low, high = np.where(exceeds, low, middle), np.where(exceeds, middle, high)
    return np.asarray(high[:-1] / high[-1] - 1)


@dataclass(frozen=True)
class Limit:
    """A study of a limit."""

    name: str
    widths: np.ndarray
    members: int | tuple[int, ...]
    a: float
    c: float
    e: float
    correction: float
    s: float = 1.0
    r: float = -1.0
    power: float = 1.0
    skew: float = 0.0
    second: float | None = None
    catapult: tuple[float, float] | None = None
    fitted: tuple[float, ...] | None = None
    band: float | None = None

    @property
    def truth(self) -> float:
        """The true value of the estimate."""
        return self.a

    def draw(self, rng: np.random.Generator, studies: int) -> Table:
        """Return values and errors."""
        drawn = []
        for n, members, mean in zip(self.widths, self._counts(), self._means(), strict=True):
            shape = (studies, members)
            x = rng.gamma(1 / self.skew, self.skew, shape) - 1 if self.skew else rng.standard_normal(shape)
            x *= self.s * (n / 64) ** (self.r / 2) / (self.skew**0.5 or 1)
            drawn.append((mean + x.mean(axis=1), x.std(axis=1, ddof=1) / members**0.5))
        values, errors = np.moveaxis(drawn, 0, -1)
        return values, errors

    def _counts(self) -> np.ndarray:
        return np.broadcast_to(self.members, self.widths.shape)

    def _means(self) -> np.ndarray:
        second = 2 * self.power if self.second is None else self.second
        first = self.c / self.widths**self.power
        if self.catapult is not None:
            first = _catapult(self.widths, *self.catapult)
        return np.asarray(self.a + first + self.e / self.widths**second)

    def fit(self, values: np.ndarray, errors: np.ndarray, correction: float) -> LimitFit:
        """Fit one study."""
        powers = self.fitted or (self.power,)
        return fit_limit(self.widths, values, errors, self._counts(), powers=powers, correction=correction)


@dataclass(frozen=True)
class Summary:
    """A study of the exponent of a variance over members, or of a kurtosis."""

    name: str
    widths: np.ndarray
    members: int
    b: float
    correction: float
    scale: float = 1.0
    kurtosis: bool = False
    truth: float = -1.0

    def draw(self, rng: np.random.Generator, studies: int) -> Table:
        """Return values and errors."""
        drawn = []
        for n in self.widths:
            variance = self.scale / n * (1 + self.b / n)
            shape = (studies, self.members)
            if self.kurtosis:
                drawn.append(_with_jackknife(rng.gamma(1 / variance, variance, shape), relative=True))
            else:
                drawn.append(_with_jackknife(rng.standard_normal(shape) * variance**0.5, relative=False))
        values, errors = np.moveaxis(drawn, 0, -1)
        return values, errors

    def fit(self, values: np.ndarray, errors: np.ndarray, correction: float) -> ExponentFit:
        """Fit one study."""
        return fit_exponent_of_summaries(self.widths, values, errors, self.members, correction=correction)


def _with_jackknife(x: np.ndarray, *, relative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Variance over members (S, E), ddof 1, or three times that over the squared mean; and jackknife error."""
    count, mean = x.shape[1], x.mean(axis=1, keepdims=True)
    squares = (x - mean) ** 2
    value = squares.sum(axis=1) / (count - 1)
    without = (squares.sum(axis=1, keepdims=True) - squares * count / (count - 1)) / (count - 2)
    if relative:
        value = 3 * value / mean[:, 0] ** 2
        without = 3 * without / ((count * mean - x) / (count - 1)) ** 2
    return value, np.sqrt((count - 1) * without.var(axis=1))


LIMITS = (
    Limit("slope, c 4, e 8, 20 members", FIVE, 20, 1.0, 4.0, 8.0, 64.0, 0.3),
    Limit("slope, c 8, e 40, 100 members", FIVE, 100, 1.0, 8.0, 40.0, 64.0, 0.3),
    Limit("slope, c -16, e 64, 1000 members", FIVE, 1000, 1.0, -16.0, 64.0, 64.0, 0.3),
    Limit("slope, c 16, e -64, 1000 members", FIVE, 1000, 1.0, 16.0, -64.0, 64.0, 0.3),
    Limit("slope, e 128 of 64, 1000 members", FIVE, 1000, 1.0, -16.0, 128.0, 64.0, 0.3),
    Limit("zero, c -4, 20 members", FIVE, 20, 0.0, -4.0, 0.0, 64.0),
    Limit("zero, c 16, e 128, 100 members", FIVE, 100, 0.0, 16.0, 128.0, 128.0),
    Limit("scatter not falling, 20 members", FIVE, 20, 1.0, 8.0, 40.0, 64.0, 0.3, 0.0),
    Limit("scatter not falling, 1000 members", FIVE, 1000, 0.0, -8.0, 40.0, 64.0, 0.3, 0.0),
    Limit("scatter falls as n^-1, 20 members", FIVE, 20, 1.0, -8.0, 40.0, 64.0, 0.3, -2.0),
    Limit("few members, 5 x 4", FIVE, 4, 1.0, 8.0, 40.0, 64.0, 0.3),
    Limit("few members, 5 x 8", FIVE, 8, 0.0, -8.0, 40.0, 64.0, 0.3),
    Limit("few members, 4 x 5", FOUR, 5, 1.0, 4.0, 0.0, 80.0, 0.5),
    Limit("small widths, 4 x 10", SMALL, 10, 1.0, -8.0, 40.0, 80.0, 4.0),
    Limit("small widths, 4 x 2000", SMALL, 2000, 1.0, -8.0, -80.0, 80.0, 4.0),
    Limit("skewed members, 5 x 20", FIVE, 20, 0.0, 8.0, 40.0, 64.0, 0.3, skew=1.0),
    Limit("n^-1/2 first, 5 x 20", FIVE, 20, 0.0, 1.0, 4.0, 4.0, 0.3, power=0.5),
    Limit("three widths, 3 x 20", THREE, 20, 1.0, 8.0, 40.0, 64.0, 0.3),
    Limit("two widths, 2 x 20", TWO, 20, 1.0, 8.0, 40.0, 64.0, 0.3),
    Limit("one width, no bias, 1 x 8", FIVE[-1:], 8, 1.0, 0.0, 0.0, 64.0, 0.3),
    Limit("BEYOND: e 192 of 64, 1000 members", FIVE, 1000, 1.0, -16.0, 192.0, 64.0, 0.3),
    Limit("BEYOND: one width, c 16", FIVE[-1:], 1000, 1.0, 16.0, 0.0, 64.0, 0.3),
)


def _tau(quantity: str, depth: int) -> float:
    """Return the allowance of a claim's study."""
    return ALL[quantity].correction_per_layer * depth


ONSET: dict[str, Any] = {
    "widths": FIVE,
    "members": (60, 40, 24, 16, 10),
    "a": 1.0,
    "correction": _tau("onset_over_linearization", 2),
    "s": 0.03,
    "r": -2.0,
    "fitted": ONSET_POWERS,
    "band": 0.05,
}
LAW: dict[str, Any] = {"widths": SMALL, "members": 2000, "a": 1.0, "s": 1.0, "r": 0.0, "band": 0.1}
DECAY: dict[str, Any] = {"widths": FOUR, "members": 300, "a": 1.0, "s": 0.2, "band": 0.02}
SPEED: dict[str, Any] = {"widths": SMALL, "members": 5000, "a": 1.0, "s": 0.3, "band": 0.02}
GROWTH: dict[str, Any] = {
    "widths": 50.0 * 2 ** np.arange(5),
    "members": 16,
    "a": 1.0,
    "s": 0.2,
    "fitted": KINKED_POWERS,
    "band": 0.1,
}


def _onsets() -> Iterator[Limit]:
    """Yield studies like C14's: ten per cent at the smallest width, falling with several powers."""
    for power in (1.0, 0.75, 0.5):
        for share in (0.0, 0.04, -0.04):
            c, e = 0.1 * 64**power, share * 64 ** (2 * power)
            yield Limit(f"C14, n^-{power:g}, e {share:g} at 64", c=c, e=e, power=power, **ONSET)
    for c, u in ((1.0, 0.9), (1.0, 0.1), (1.0, 0.02), (4.0, 0.02)):
        yield Limit(f"C14, catapult model, {c:g} / n, u^2 {u:g}", c=0.0, e=0.0, catapult=(c, u), **ONSET)


def _corrected(name: str, c: float, expected: float, settings: dict[str, Any]) -> Iterator[Limit]:
    """Yield studies whose second correction is ``expected`` at the smallest width, or twice it, of either power.

    It is in units of the values times the width^2. The fit allows for ``correction``.
    """
    smallest = settings["widths"].min()
    for times, second in ((1, 2.0), (1, 1.5), (2, 2.0), (2, 1.5)):
        for sign in (1, -1):
            e = sign * times * expected / smallest**2 * smallest**second
            yield Limit(f"{name}, e {sign * times:+d} n^-{second:g}", c=c, e=e, second=second, **settings)


OTHERS = (
    *_onsets(),
    *_corrected("C8", -1.0, 80.0, {**LAW, "correction": _tau("law_variance_ratio", 2)}),
    *_corrected("C16", -1.0, 40.0, {**LAW, "correction": _tau("law_variance_ratio", 1)}),
    *_corrected("C9", 2.0, 80.0, {**DECAY, "correction": _tau("decay_ratio", 2)}),
    *_corrected("C7 speed", -1.0, 40.0, {**SPEED, "correction": _tau("learning_speed_ratio", 2)}),
    *_corrected("C15", 20.0, 2100.0, {**GROWTH, "correction": _tau("speed_over_linearization", 3)}),
)

SUMMARIES = (
    Summary("variance, no b, 5 x 20", FIVE, 20, 0.0, 4.0),
    Summary("variance, b 4 of 4, 5 x 100", FIVE, 100, 4.0, 4.0),
    Summary("variance, b -4 of 4, 5 x 1000", FIVE, 1000, -4.0, 4.0),
    Summary("variance, b 2 of 4, 4 x 8", FOUR, 8, 2.0, 4.0),
    Summary("variance, b 2 of 4, 4 x 40", FOUR, 40, 2.0, 4.0),
    Summary("kurtosis, b 4 of 4, 5 x 20", FIVE, 20, 4.0, 4.0, 8.0, kurtosis=True),
    Summary("kurtosis, b 8 of 4, 5 x 100", FIVE, 100, 8.0, 4.0, 8.0, kurtosis=True),
    Summary("kurtosis, b 4 of 4, 5 x 1000", FIVE, 1000, 4.0, 4.0, 8.0, kurtosis=True),
    Summary("BEYOND: variance, b 12 of 4, 5 x 1000", FIVE, 1000, 12.0, 4.0),
)

Smooth = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _pooled(n: np.ndarray, spread: np.ndarray, dof: np.ndarray) -> np.ndarray:
    return np.full_like(n, dof @ spread / dof.sum())


@contextmanager
def _weighed_by(smooth: Smooth) -> Iterator[None]:
    before, limits._smoothed = limits._smoothed, smooth
    try:
        yield
    finally:
        limits._smoothed = before


@contextmanager
def _share(share: float) -> Iterator[None]:
    before, exponents._OF_SQUARES = exponents._OF_SQUARES, share
    try:
        yield
    finally:
        exponents._OF_SQUARES = before


def _line(scenario: Limit | Summary, method: str, table: Table, correction: float) -> str:
    fits = [scenario.fit(value, error, correction) for value, error in zip(*table, strict=True)]
    low, high = np.array([fit.interval() for fit in fits]).T
    off = np.array([fit.estimate for fit in fits]) - scenario.truth
    covered, width = np.mean((low <= scenario.truth) & (scenario.truth <= high)), np.median(high - low)
    numbers = (
        f"{covered:8.4f} {width:8.4f} {off.mean():+8.4f} {off.std():8.4f} {np.mean([f.rejected for f in fits]):8.4f}"
    )
    band = scenario.band if isinstance(scenario, Limit) else None
    return f"{scenario.name:40s} {method:12s} {numbers}" + ("" if band is None else f" {_wrong(low, high, band):8.4f}")


def _wrong(low: np.ndarray, high: np.ndarray, band: float) -> float:
    """Return how often an interval is inside the band though the truth, 1, is at one of its edges; the worse edge."""
    return float(max(np.mean((low >= 1 - 2 * band) & (high <= 1)), np.mean((low >= 1) & (high <= 1 + 2 * band))))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    columns = ("coverage", "width", "bias", "sd", "rejected", "holds")
    print(f"{'scenario':40s} {'method':12s} " + " ".join(f"{column:>8s}" for column in columns))
    for scenario in OTHERS:
        table = scenario.draw(np.random.default_rng(options.seed), options.studies)
        print(_line(scenario, "chosen", table, scenario.correction), flush=True)
    for scenario in LIMITS:
        table = scenario.draw(np.random.default_rng(options.seed), options.studies)
        print(_line(scenario, "chosen", table, scenario.correction), flush=True)
        if len(scenario.widths) < 2:
            continue
        with _weighed_by(_pooled):
            print(_line(scenario, "pooled", table, scenario.correction))
        with _weighed_by(lambda _, spread, __: spread):
            print(_line(scenario, "own weights", table, scenario.correction))
        print(_line(scenario, "correction 0", table, 0.0), flush=True)
    for summary in SUMMARIES:
        table = summary.draw(np.random.default_rng(options.seed), options.studies)
        print(_line(summary, "chosen", table, summary.correction), flush=True)
        with _share(1.0):
            print(_line(summary, "E - 1 dof", table, summary.correction))
        print(_line(summary, "tau 0", table, 0.0), flush=True)
    print(f"{options.studies} studies each, {time.perf_counter() - start:.0f} s. Width: median.")


if __name__ == "__main__":
    main()
