"""Coverage and width of the 95 % intervals of limits, and of exponents of variances, in simulated studies.

    python benchmarks/limit_coverage.py [--studies 4000]

Members are drawn, so that standard errors are as uncertain as in a study: values are means of members with spread
``s n^-1/2`` around ``a + c / n + e / n^2``, or variances over members whose true ones are ``n^-1 (1 + b / n)``. ``e``
and ``b`` are known to no fit. Beyond its allowance an interval must not be trusted: the last scenarios say by how much.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.exponents import fit_exponent_of_summaries
from ntkbench.analysis.limits import fit_limit

SMALL = 32.0 * 2 ** np.arange(4)
LARGE = 128.0 * 2 ** np.arange(4)


@dataclass(frozen=True)
class Limit:
    """A study of a limit."""

    name: str
    widths: np.ndarray
    members: int
    a: float
    c: float
    e: float
    spread: float
    correction: float

    def ends(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Simulate one study; return its interval and the truth."""
        n = self.widths
        noise = rng.standard_normal((self.members, len(n))) * self.spread * n**-0.5
        drawn = self.a + self.c / n + self.e / n**2 + noise
        errors = drawn.std(axis=0, ddof=1) / self.members**0.5
        counts = np.full(len(n), self.members)
        fit = fit_limit(n, drawn.mean(axis=0), errors, counts, correction=self.correction)
        return (*fit.interval(), self.a)


@dataclass(frozen=True)
class Variance:
    """A study of the exponent of a variance over members."""

    name: str
    widths: np.ndarray
    members: int
    b: float
    correction: float

    def ends(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """Simulate one study; return its interval and the truth."""
        n, count = self.widths, self.members
        x = rng.standard_normal((count, len(n))) * np.sqrt((1 + self.b / n) / n)
        squares = (x - x.mean(axis=0)) ** 2
        without = (squares.sum(axis=0) - squares * count / (count - 1)) / (count - 2)
        errors = np.sqrt((count - 1) * np.mean((without - without.mean(axis=0)) ** 2, axis=0))
        values, counts = x.var(axis=0, ddof=1), np.full(len(n), count)
        fit = fit_exponent_of_summaries(n, values, errors, counts, correction=self.correction)
        return (*fit.interval(), -1.0)


SCENARIOS = (
    Limit("clock, no second term", SMALL, 5000, 1.0, 1.0, 0.0, 2.0, 40.0),
    Limit("clock, e = 40", SMALL, 5000, 1.0, 1.0, 40.0, 2.0, 40.0),
    Limit("clock, noise dominates", SMALL, 100, 1.0, 1.0, 20.0, 2.0, 40.0),
    Limit("law, e = -80", SMALL, 2000, 1.0, -8.0, -80.0, 8.0, 80.0),
    Limit("law, few members", SMALL, 10, 1.0, -8.0, 40.0, 8.0, 80.0),
    Limit("decay, e = 80", LARGE, 100, 1.0, 4.0, 80.0, 1.5, 80.0),
    Limit("decay, five members", LARGE, 5, 1.0, 4.0, 0.0, 1.5, 80.0),
    Limit("kurtosis at 0", SMALL, 2000, 0.0, 10.0, 40.0, 10.0, 80.0),
    Variance("variance, b = 2", LARGE, 200, 2.0, 4.0),
    Variance("variance, b = 4, 40 members", LARGE, 40, 4.0, 4.0),
    Limit("BEYOND: clock, e = 120", SMALL, 5000, 1.0, 1.0, 120.0, 2.0, 40.0),
    Variance("BEYOND: variance, b = 12", LARGE, 200, 12.0, 4.0),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'scenario':32s} {'coverage':>8s} {'width':>8s}")
    for scenario in SCENARIOS:
        rng = np.random.default_rng(options.seed)
        low, high, truth = np.array([scenario.ends(rng) for _ in range(options.studies)]).T
        covered = float(np.mean((low <= truth) & (truth <= high)))
        print(f"{scenario.name:32s} {covered:8.4f} {np.median(high - low):8.4f}", flush=True)


if __name__ == "__main__":
    main()
