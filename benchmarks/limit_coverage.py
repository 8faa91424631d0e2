"""Coverage and width of the 95 % intervals of limits, and of exponents of variances, in simulated studies.

    python benchmarks/limit_coverage.py [--studies 4000]

Members are drawn, so that standard errors are as uncertain as in a study. A limit's values are means of members with
spread ``s (n / 64)^(r / 2)`` around ``a + c / n^power + e / n^(2 power)``, Gaussian or skewed (gamma, shape 1 / skew).
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

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.estimation import exponents, limits
from ntkbench.analysis.estimation.exponents import ExponentFit, fit_exponent_of_summaries
from ntkbench.analysis.estimation.limits import LimitFit, fit_limit

FIVE = 64.0 * 2 ** np.arange(5)
FOUR = 128.0 * 2 ** np.arange(4)
SMALL = 32.0 * 2 ** np.arange(4)
THREE = 64.0 * 4 ** np.arange(3)
TWO = 128.0 * 4 ** np.arange(2)

Table = tuple[np.ndarray, np.ndarray]
"""Values and standard errors, (studies, widths) each."""


@dataclass(frozen=True)
class Limit:
    """A study of a limit."""

    name: str
    widths: np.ndarray
    members: int
    a: float
    c: float
    e: float
    correction: float
    s: float = 1.0
    r: float = -1.0
    power: float = 1.0
    skew: float = 0.0

    @property
    def truth(self) -> float:
        """The true value of the estimate."""
        return self.a

    def draw(self, rng: np.random.Generator, studies: int) -> Table:
        """Return values and errors."""
        drawn = []
        for n in self.widths:
            shape = (studies, self.members)
            x = rng.gamma(1 / self.skew, self.skew, shape) - 1 if self.skew else rng.standard_normal(shape)
            x *= self.s * (n / 64) ** (self.r / 2) / (self.skew**0.5 or 1)
            value = self.a + self.c / n**self.power + self.e / n ** (2 * self.power) + x.mean(axis=1)
            drawn.append((value, x.std(axis=1, ddof=1) / self.members**0.5))
        values, errors = np.moveaxis(drawn, 0, -1)
        return values, errors

    def fit(self, values: np.ndarray, errors: np.ndarray, correction: float) -> LimitFit:
        """Fit one study."""
        return fit_limit(self.widths, values, errors, self.members, power=self.power, correction=correction)


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
    return f"{scenario.name:40s} {method:12s} {numbers}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    print(f"{'scenario':40s} {'method':12s} {'coverage':>8s} {'width':>8s} {'bias':>8s} {'sd':>8s} {'rejected':>8s}")
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
