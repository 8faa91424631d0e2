"""Verdicts on simulated studies: coverage, false alarms and power of an exponent with its floor and its checks.

    python benchmarks/floor_power.py [--studies 4000] [--only true,edge,...]

Members' squares are gamma as in ``interval_coverage.py``, around ``shape(n) exp(k tau / n_min (n_min / n)^q)``. So k is
the correction in units of the allowed one and q its power. Every study is judged as one of 20 comparisons. The
shape is a power law; one with a floor, a share of the distance at the largest width; or, of a theory that is
true but not yet seen, ``(n + n_0)^p``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.estimation.curve import POWERS
from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.verdicts.judge import verdict
from ntkbench.analysis.verdicts.robustness import floor_of
from ntkbench.theory.claims import Expectation

INITIAL = 64.0 * 2 ** np.arange(7)
TRAINED = 64.0 * 2 ** np.arange(6)
USER = 32.0 * 2 ** np.arange(7)
COMPARISONS = 20


@dataclass(frozen=True)
class Study:
    """A simulated study of one distance, judged against ``expected +- margin``."""

    name: str
    widths: np.ndarray
    members: int | tuple[int, ...]
    expected: float
    margin: float
    cv2: float
    h: float
    tau: float
    p: float | None = None
    floor: float = 0.0
    k: float = 0.0
    q: float = 1.0
    late: float = 0.0

    @property
    def truth(self) -> float:
        """The true exponent."""
        return self.expected if self.p is None else self.p

    @property
    def powers(self) -> tuple[float, ...]:
        """The powers of 1 / n that corrections may have: at initialization only the first."""
        return POWERS[:1] if self.name.startswith("C2") else POWERS

    @property
    def expectation(self) -> Expectation:
        """The claim."""
        low, high = self.expected - self.margin, self.expected + self.margin
        return Expectation(
            claim="C2", metric="m", value=self.expected, band_low=low, band_high=high, vanishes=True
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Return members' distances per width."""
        n, widest = self.widths, self.widths.max()
        fall = ((n + self.late) / (widest + self.late)) ** (2 * self.truth)
        square = self.floor**2 + (1 - self.floor**2) * fall
        scale = np.sqrt(square) * np.exp(self.k * self.tau / n.min() * (n.min() / n) ** self.q)
        shapes, members = 1 / (self.cv2 * (1 + self.h / n)), np.broadcast_to(self.members, n.shape)
        drawn = zip(shapes, scale, members, strict=True)
        return [np.sqrt(rng.gamma(a, 1 / a, count)) * s for a, s, count in drawn]


FEWER = (600, 300, 150, 75, 40, 20)
WIDER = (800, 400, 200, 100, 50, 20)
SHIPPED = (
    Study("C2 erf, 7 x 40", INITIAL, 40, -0.5, 0.05, 0.18, 30, 2),
    Study("C2 relu, 7 x 40", INITIAL, 40, -0.5, 0.05, 0.28, 60, 2),
    Study("C4 erf, 6 x 800-20", 2 * TRAINED, WIDER, -1.0, 0.1, 0.2, 0, 24),
    Study("C6 erf, 6 x 800-20", 2 * TRAINED, WIDER, -1.0, 0.1, 0.4, 0, 12),
    Study("C7 erf, 6 x 600-20", TRAINED, FEWER, -0.5, 0.1, 0.2, 10, 8),
    Study("C7 relu, 6 x 600-20", TRAINED, FEWER, -0.5, 0.1, 0.4, 10, 8),
)
"""Widths and members as in the shipped studies; scatter as measured on networks."""

CORRECTIONS = ((0, 1.0), (1, 1.0), (-1, 1.0), (1, 0.5), (-1, 0.5), (2, 1.0), (-2, 1.0), (2, 0.5), (-2, 0.5))


def scenarios() -> dict[str, list[Study]]:
    """Return the studies by what they ask."""
    c2 = SHIPPED[:2]
    c7 = SHIPPED[4:]
    many = replace(c2[0], name="C2 erf, 7 x 200", members=200)
    user = Study("C7, user, 7 x 20", USER, 20, -0.5, 0.1, 0.5, 10, 8)
    return {
        "true": [replace(s, k=k, q=q) for s in SHIPPED for k, q in CORRECTIONS],
        "edge": [
            replace(s, p=s.expected + side * s.margin, k=side * k, q=q)
            for s in SHIPPED
            for side in (1, -1)
            for k, q in ((0, 1.0), (1, 1.0), (1, 0.5), (2, 0.5))
        ],
        "floor": [replace(s, floor=f) for s in (*c2, many, *c7) for f in (0.3, 0.4, 0.5, 0.7)],
        "wrong": [replace(s, p=s.expected + d) for s in SHIPPED for d in (0.2, 0.3)],
        "late": [replace(user, late=late) for late in (256.0, 1024.0, 4096.0)]
        + [replace(user, members=60, late=late) for late in (256.0, 1024.0, 4096.0)],
    }


def line(study: Study, studies: int, seed: int) -> str:
    """Simulate and describe one scenario."""
    rng = np.random.default_rng(seed)
    said: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    estimates = []
    covered = alarms = alarms_95 = 0
    confidence = 1 - 0.05 / COMPARISONS
    for _ in range(studies):
        fit = fit_exponent(study.widths, study.draw(rng), correction=study.tau, powers=study.powers)
        estimates.append(fit.estimate)
        low, high = fit.interval()
        covered += low <= study.truth <= high
        floor = floor_of(fit, study.expectation)
        assert floor is not None
        if floor.is_above_zero():
            alarms_95 += 1
            alarms += floor.is_above_zero(confidence)
        judgement = verdict(fit, study.expectation, COMPARISONS)
        said[judgement.verdict] += 1
        kinds[judgement.kind] += 1
    shares = [covered, said["holds"], said["inconclusive"], said["fails"], alarms_95, alarms]
    shares += [kinds[kind] for kind in ("floor", "floor-possible", "not-asymptotic", "depends", "rejected")]
    what = f"p {study.truth:g} k {study.k:g} q {study.q:g} floor {study.floor:g} late {study.late:g}"
    what += f" est {np.mean(estimates):.3f}"
    return f"{study.name:18s} {what:52s} " + " ".join(f"{share / studies:7.4f}" for share in shares)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="true,edge,floor,wrong,late")
    options = parser.parse_args()
    start = time.perf_counter()
    columns = "covers   holds inconcl   fails fl > 95 fl > fw | floor maybe-f not-asy depends rejected"
    for asked in options.only.split(","):
        print(f"\n{asked:71s} {columns}")
        for study in scenarios()[asked]:
            print(line(study, options.studies, options.seed), flush=True)
    print(f"{options.studies} studies each, {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
