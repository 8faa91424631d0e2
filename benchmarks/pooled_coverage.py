"""Verdicts pooled over seeds, in simulated studies: coverage, and how often a claim at its band's edge ever holds.

    python benchmarks/pooled_coverage.py [--studies 4000]

Members are those of ``floor_power.py``. Each seed has its own exponent, normal around the truth with a standard
deviation of ``between`` sampling errors of one seed; the correction, of k times the allowed size, is the same for all
seeds. Looks are those of ``ntkbench claims --until decided``: after three to six seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from floor_power import COMPARISONS, TRAINED, Study

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.analysis.estimation.exponents import ExponentFit, fit_exponent
from ntkbench.analysis.estimation.over_seeds import over_seeds
from ntkbench.analysis.verdicts.judge import ERROR, verdict
from ntkbench.api.seeds import AT_FIRST, LOOKS

SMOOTH = Study("C7 erf", TRAINED, 30, -0.5, 0.1, 0.3, 10, 8)
KINKS = Study("C7 relu", TRAINED, 30, -0.5, 0.1, 0.5, 10, 8)
ERRORS = {"C7 erf": 0.023, "C7 relu": 0.0276}
"""The standard deviation of one seed's exponent over members, found by drawing."""


def fitted(study: Study, between: float, rng: np.random.Generator) -> ExponentFit:
    """Return the exponent of one seed."""
    own = replace(study, p=study.truth + between * ERRORS[study.name] * rng.standard_normal())
    return fit_exponent(study.widths, own.draw(rng), correction=study.tau, powers=study.powers)


def coverage(study: Study, seeds: int, between: float, studies: int) -> str:
    """Return the line of one scenario: coverage, width over one seed's, and how often seeds differ at p < 0.05."""
    rng = np.random.default_rng(0)
    covers, widths, differ = [], [], []
    for _ in range(studies):
        fits = {seed: fitted(study, between, rng) for seed in range(seeds)}
        fit, found = over_seeds(fits)
        low, high = fit.interval()
        own = np.diff([each.interval() for each in fits.values()]).mean()
        covers.append(low <= study.truth <= high)
        widths.append((high - low) / own)
        differ.append(found.p < 0.05)
    numbers = f"{np.mean(covers):8.3f} {np.mean(widths):8.2f} {np.mean(differ):8.3f}"
    return f"{study.name:8s} {seeds} seeds, between {between:g}, k {study.k:+g} q {study.q:g} {numbers}"


def ever_holds(study: Study, between: float, studies: int) -> str:
    """Return how often a claim, true at the edge of its band, holds at one look of three seeds, and at any of six."""
    rng = np.random.default_rng(1)
    edge = replace(study, p=study.expected + study.margin)
    once, ever = 0, 0
    for _ in range(studies):
        fits = {seed: fitted(edge, between, rng) for seed in range(AT_FIRST + LOOKS - 1)}

        def holds(seeds: int, error: float, fits: dict[int, ExponentFit] = fits) -> bool:
            fit, _ = over_seeds({seed: fits[seed] for seed in range(seeds)})
            return verdict(fit, edge.expectation, COMPARISONS, error).verdict == "holds"

        once += holds(AT_FIRST, ERROR)
        ever += any(holds(AT_FIRST + look, ERROR / LOOKS) for look in range(LOOKS))
    return (
        f"{study.name:8s} between {between:g}, k {study.k:+g}: {once / studies:.3f} at once, {ever / studies:.3f} ever"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000)
    options = parser.parse_args()
    start = time.perf_counter()
    print(f"{'':42s} {'coverage':>8s} {'width':>8s} {'differ':>8s}")
    for seeds in (2, 3, 5):
        for between in (0.0, 1.0, 3.0):
            for study in (SMOOTH, replace(SMOOTH, k=1.0), replace(KINKS, k=1.0, q=0.5), replace(KINKS, k=-2.0, q=0.5)):
                print(coverage(study, seeds, between, options.studies), flush=True)
    print("\nThe edge of the band holds:")
    for between in (0.0, 2.0):
        for study in (SMOOTH, replace(SMOOTH, k=-1.0), replace(KINKS, k=-1.0, q=0.5)):
            print(ever_holds(study, between, options.studies // 8), flush=True)
    print(f"{options.studies} studies each (an eighth at the edge), {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
