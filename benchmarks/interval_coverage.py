"""Coverage and width of the exponents' 95 % intervals in simulated studies, for the rule chosen and its alternatives.

    python benchmarks/interval_coverage.py [--studies 4000]

Members' squares are gamma with the squared coefficient of variation ``cv2 (1 + h / n)``: at cv2 = 1 a member's distance
is that of two Gaussians. Measured on networks of depth 2 (1,500 to 4,000 members): cv2 0.2 to 1.2 and h 10 to 70 at
initialization, 0.2 to 0.7 for the kernel's change. Their root mean square is ``n^p exp(b / n)``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.estimation import exponents
from ntkbench.analysis.estimation.bias_of_mean import fit_exponent_of_mean
from ntkbench.analysis.estimation.exponents import ExponentFit, fit_exponent

QUICK = 32.0 * 4 ** np.arange(4)
FULL = 64.0 * 2 ** np.arange(7)
TRAINED = 64.0 * 2 ** np.arange(6)
FAMILIES = (9, 18, 100)


@dataclass(frozen=True)
class Members:
    """A study whose members are replicates."""

    name: str
    widths: np.ndarray
    members: int
    p: float
    b: float
    cv2: float
    h: float
    tau: float

    def draw(self, rng: np.random.Generator, studies: int) -> list[np.ndarray]:
        """Return (studies, members) distances per width."""
        drawn = []
        for n in self.widths:
            cv2 = self.cv2 * (1 + self.h / n)
            squares = rng.gamma(1 / cv2, cv2, (studies, self.members))
            drawn.append(np.sqrt(squares) * n**self.p * np.exp(self.b / n))
        return drawn


MEMBERS = (
    Members("C2 erf, 7 x 20, b 1.2", FULL, 20, -0.5, 1.2, 0.18, 30, 2),
    Members("C2 relu, 7 x 20, b 2.4", FULL, 20, -0.5, 2.4, 0.28, 60, 2),
    Members("C2 no bias, 7 x 20", FULL, 20, -0.5, 0.0, 0.18, 30, 2),
    Members("C2 b 2.5 tau, 7 x 20", FULL, 20, -0.5, 5.0, 0.18, 30, 2),
    Members("C2 circle, 7 x 20, b 1.6", FULL, 20, -0.5, 1.6, 1.0, 30, 2),
    Members("quickstart circle, 4 x 8, b 1.6", QUICK, 8, -0.5, 1.6, 1.0, 30, 2),
    Members("quickstart, 4 x 10, b 2.4", QUICK, 10, -0.5, 2.4, 0.28, 60, 2),
    Members("quickstart, no bias, 4 x 8", QUICK, 8, -0.5, 0.0, 1.0, 0, 2),
    Members("few members, 4 x 4, b 2", QUICK, 4, -0.5, 2.0, 0.5, 30, 2),
    Members("C4 erf, 4 x 8, b -13", QUICK, 8, -1.0, -13.0, 0.4, 0, 12),
    Members("C4 erf, 6 x 20, b -13", TRAINED, 20, -1.0, -13.0, 0.4, 0, 12),
    Members("C4 relu, 6 x 20, b 8", TRAINED, 20, -0.75, 8.0, 0.5, 40, 12),
    Members("C7 relu, 4 x 8, b 8", QUICK, 8, -0.5, 8.0, 0.5, 10, 8),
    Members("C7 erf, 6 x 20, no bias", TRAINED, 20, -0.5, 0.0, 0.3, 10, 8),
)


def _delta(x: np.ndarray) -> float:
    return float((x**2 / np.mean(x**2)).var(ddof=1) / 4)


def _fit(n: np.ndarray, samples: list[np.ndarray], tau: float, spread: Callable[[np.ndarray], float]) -> ExponentFit:
    y = np.log([np.sqrt(np.mean(x**2)) for x in samples])
    counts = np.array([len(x) for x in samples])
    return exponents._mixed_fit(n, y, np.array([spread(x) for x in samples]), counts, tau, powers=(1.0,))


def _own_weights(n: np.ndarray, samples: list[np.ndarray]) -> tuple[float, float, float]:
    """The textbook: least squares with each width's own delta variance, normal quantile, no correction."""
    y = np.log([np.sqrt(np.mean(x**2)) for x in samples])
    weight = np.array([len(x) / max(_delta(x), 1e-12) for x in samples])
    x = np.log(n) - np.average(np.log(n), weights=weight)
    slope, half = float((weight * x * y).sum() / (weight * x**2).sum()), 1.96 / np.sqrt((weight * x**2).sum())
    return slope, slope - half, slope + half


def _ends(fit: ExponentFit) -> tuple[float, float, float]:
    return (fit.estimate, *fit.interval())


METHODS: dict[str, Callable[[np.ndarray, list[np.ndarray], float], tuple[float, float, float]]] = {
    "chosen": lambda n, s, tau: _ends(fit_exponent(n, s, correction=tau)),
    "tau 0": lambda n, s, tau: _ends(_fit(n, s, 0.0, exponents._jackknife_spread)),
    "b fitted": lambda n, s, tau: _ends(_fit(n, s, 1e5, exponents._jackknife_spread)),
    "drop one": lambda n, s, tau: _ends(_fit(n[1:], s[1:], 0.0, exponents._jackknife_spread)),
    "delta": lambda n, s, tau: _ends(_fit(n, s, tau, _delta)),
    "textbook": lambda n, s, tau: _own_weights(n, s),
}


@dataclass(frozen=True)
class Mean:
    """A study of the ensemble's mean: ``d_k = beta(n) e + s(n) C^(1/2) z_k`` in 24 points, C_ii = i^-decay."""

    name: str
    widths: np.ndarray
    members: int
    p: float
    b: float
    bias64: float
    noise64: float
    decay: float

    def draw(self, rng: np.random.Generator, studies: int) -> np.ndarray:
        """Return (3, studies, widths): value, standard error, floor."""
        scale = np.sqrt(np.arange(1, 25.0) ** -self.decay)
        scale /= np.sqrt(np.mean(scale**2))
        direction = rng.standard_normal((studies, 1, 24)) * scale
        direction /= np.sqrt(np.mean(direction**2, axis=-1, keepdims=True))
        drawn = []
        for n in self.widths:
            noise = rng.standard_normal((studies, self.members, 24)) * scale * self.noise64 * (n / 64) ** -0.5
            bias = self.bias64 * (n / 64) ** self.p * np.exp(self.b / n - self.b / 64)
            drawn.append(_of_mean(noise + bias * direction))
        return np.stack(drawn, axis=-1)


def _of_mean(d: np.ndarray) -> np.ndarray:
    members = d.shape[1]
    mean = d.mean(axis=1)
    left_out = np.sqrt(np.mean(((members * mean[:, None] - d) / (members - 1)) ** 2, axis=-1))
    error = np.sqrt((members - 1) * left_out.var(axis=1))
    floor = np.sqrt(d.var(axis=1, ddof=1).mean(axis=-1) / members)
    return np.stack([np.sqrt(np.mean(mean**2, axis=-1)), error, floor])


MEANS = (
    Mean("strong bias, 6 x 20", TRAINED, 20, -1.0, -4.0, 0.5, 0.1, 2),
    Mean("strong bias, b 10", TRAINED, 20, -1.0, 10.0, 0.5, 0.1, 2),
    Mean("medium bias, 6 x 20", TRAINED, 20, -1.0, -4.0, 0.1, 0.1, 2),
    Mean("medium bias, 4 x 8", QUICK, 8, -1.0, -4.0, 0.08, 0.1, 2),
    Mean("n^-1/2, 6 x 20", TRAINED, 20, -0.5, 0.0, 0.1, 0.1, 2),
    Mean("many members, 6 x 100", TRAINED, 100, -1.0, -4.0, 0.05, 0.1, 2),
    Mean("weak bias, 6 x 20", TRAINED, 20, -1.0, 4.0, 0.03, 0.1, 2),
    Mean("medium bias, 4 x 10", QUICK, 10, -1.0, -4.0, 0.1, 0.1, 2),
    Mean("b = tau, 4 x 10", QUICK, 10, -1.0, 12.0, 0.3, 0.1, 2),
    Mean("few directions, 4 x 10", QUICK, 10, -1.0, -4.0, 0.3, 0.1, 4),
    Mean("few directions, 7 x 20", FULL, 20, -1.0, -4.0, 0.1, 0.1, 4),
    Mean("no bias, few directions, 7 x 20", FULL, 20, -1.0, 0.0, 1e-9, 0.1, 4),
    Mean("no bias, 6 x 20", TRAINED, 20, -1.0, 0.0, 1e-9, 0.1, 2),
    Mean("no bias, 4 x 8", QUICK, 8, -1.0, 0.0, 1e-9, 0.1, 2),
)


def _line(name: str, method: str, p: float, intervals: list[tuple[float, float, float]]) -> str:
    estimate, low, high = np.array(intervals).T
    nothing = np.isnan(low)
    covers = ((low <= p) & (p <= high))[~nothing]
    width = np.median(np.where(nothing, np.inf, high - low))
    off, spread = np.nanmedian(estimate) - p if not np.isnan(estimate).all() else np.nan, np.nanstd(estimate)
    numbers = (
        f"{covers.mean() if len(covers) else np.nan:8.4f} {width:8.4f} {off:+8.4f} {spread:8.4f} {nothing.mean():8.3f}"
    )
    return f"{name:34s} {method:9s} {numbers}"


def _missed_in_families(fits: list[ExponentFit], p: float) -> str:
    """How often, per 1,000 studies, the interval of one verdict out of m misses p: 50 / m is allowed."""
    shares = []
    for m in FAMILIES:
        ends = np.array([fit.interval(1 - 0.05 / m) for fit in fits])
        shares.append(f"{m}: {1000 * np.mean((ends[:, 0] > p) | (ends[:, 1] < p)):.2f} of {50 / m:.2f}")
    return "  missed in 1000, " + ", ".join(shares)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    print(f"{'scenario':34s} {'method':9s} {'coverage':>8s} {'width':>8s} {'bias':>8s} {'sd':>8s} {'no fit':>8s}")
    for scenario in MEMBERS:
        drawn = scenario.draw(np.random.default_rng(options.seed), options.studies)
        for name, method in METHODS.items():
            studies = ([x[i] for x in drawn] for i in range(options.studies))
            found = (method(scenario.widths, samples, scenario.tau) for samples in studies)
            print(_line(scenario.name, name, scenario.p, list(found)), flush=True)
    for mean in MEANS:
        table = mean.draw(np.random.default_rng(options.seed), options.studies)
        fits = [
            fit_exponent_of_mean(mean.widths, *table[:, i], members=mean.members, correction=12.0)
            for i in range(options.studies)
        ]
        line = _line("mean: " + mean.name, "chosen", mean.p, [_ends(fit) for fit in fits])
        print(line, _missed_in_families(fits, mean.p), flush=True)
    print(f"{options.studies} studies each, {time.perf_counter() - start:.0f} s.")
    print("Width: median. Coverage: where an exponent is found.")


if __name__ == "__main__":
    main()
