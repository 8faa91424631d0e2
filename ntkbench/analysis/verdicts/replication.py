"""Verdicts on several seeds: what the seeds say together, each by itself, and how far they differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..estimation.limits import nothing
from ..estimation.over_seeds import over_seeds
from .judge import ERROR, Finding, JudgedRun, as_one_family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..estimation.pooling import Heterogeneity
    from ..estimation.rates import FittedRate
    from ..series.keys import SeriesKey

Same = tuple["SeriesKey", str, bool]
"""What identifies a quantity on any seed: its series, its metric, and whether it is of a negative control."""


@dataclass(frozen=True)
class Replicated:
    """One quantity on several seeds.

    :param pooled: the finding of all seeds together.
    :param by_seed: each seed's own.
    """

    pooled: Finding
    by_seed: Mapping[int, Finding]
    heterogeneity: Heterogeneity

    @property
    def same(self) -> Same:
        """What identifies it."""
        return same_quantity(self.pooled)

    @property
    def decided(self) -> bool:
        """Whether it holds or fails."""
        return self.pooled.verdict in ("holds", "fails")

    @property
    def open(self) -> bool:
        """Whether further seeds may decide it; controls are not waited for."""
        if self.pooled.verdict != "inconclusive" or self.pooled.negative_control:
            return False
        return self.pooled.kind not in ("censored", "no-estimate")

    @cached_property
    def verdicts(self) -> Counter[str]:
        """How many seeds gave each verdict by themselves."""
        return Counter(finding.verdict for finding in self.by_seed.values())


@dataclass(frozen=True)
class Replication:
    """All quantities on several seeds.

    :param comparisons: m, the comparisons that they are judged among.
    :param error: how often an interval may miss the truth.
    """

    seeds: tuple[int, ...]
    quantities: tuple[Replicated, ...]
    comparisons: int
    error: float = ERROR

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all seeds together."""
        return tuple(quantity.pooled for quantity in self.quantities)


def replication(boards: Mapping[int, Sequence[Finding]], comparisons: int, error: float = ERROR) -> Replication:
    """Return what several seeds say together, judged as one family.

    A kernel component (C9) is judged on the seeds whose kernels have it. Anything else that one seed lacks has no
    estimate. A caveat, or a possible selection, of one seed is one of all.

    :param boards: the findings of each seed.
    :param comparisons: m.
    :param error: how often an interval may miss the truth (:func:`.judge.verdict`).
    """
    groups: dict[Same, dict[int, Finding]] = {}
    for seed, findings in boards.items():
        for finding in findings:
            groups.setdefault(same_quantity(finding), {})[seed] = finding
    for same, by_seed in groups.items():
        by_seed |= _lacking(same, by_seed, boards)
    together = [_together(by_seed) for by_seed in groups.values()]
    judged: JudgedRun = as_one_family([finding for finding, _ in together], comparisons, error)
    quantities = tuple(
        Replicated(_unless_one_fails(finding, by_seed), by_seed, differ)
        for finding, by_seed, (_, differ) in zip(judged.findings, groups.values(), together, strict=True)
    )
    return Replication(tuple(boards), quantities, judged.comparisons, error)


def _lacking(same: Same, by_seed: Mapping[int, Finding], boards: Mapping[int, Sequence[Finding]]) -> dict[int, Finding]:
    """Return findings without an estimate for the seeds that ran a quantity's study and do not have the quantity."""
    key, *_ = same
    first = next(iter(by_seed.values()))
    ran = [seed for seed, found in boards.items() if any(f.rate.key.study == key.study for f in found)]
    rate = replace(first.rate, fit=nothing("the seed does not have it"), censored=None)
    missing = () if key.component is not None else (seed for seed in ran if seed not in by_seed)
    return {seed: replace(first, rate=rate) for seed in missing}


def same_quantity(finding: Finding) -> Same:
    """Return what identifies a quantity on any seed."""
    key = replace(finding.rate.key, run_id="")
    return key, finding.rate.metric, finding.negative_control


def _together(by_seed: Mapping[int, Finding]) -> tuple[Finding, Heterogeneity]:
    """Return a quantity's finding of all seeds, not yet judged, and how far they differ."""
    first, *_ = by_seed.values()
    fit, differ = over_seeds(
        {seed: finding.rate.fit for seed, finding in by_seed.items()}, on_each=first.expectation.of_data
    )
    expected = next((f.expectation for f in by_seed.values() if not f.expectation.judged), first.expectation)
    runs = ",".join(finding.rate.key.run_id for finding in by_seed.values())
    rate = replace(first.rate, key=replace(first.rate.key, run_id=runs), fit=fit, censored=_censored(by_seed))
    return replace(first, rate=rate, expectation=expected), differ


def _unless_one_fails(finding: Finding, by_seed: Mapping[int, Finding]) -> Finding:
    """Return the finding of all seeds; what fails on one does not hold on every data set."""
    failing = [str(seed) for seed, found in by_seed.items() if found.verdict == "fails"]
    if finding.verdict != "holds" or not failing:
        return finding
    reason = f"{finding.reason}; but by itself seed {', '.join(failing)} fails"
    return replace(finding, verdict="inconclusive", reason=reason, kind="one-seed-fails")


def _censored(by_seed: Mapping[int, Finding]) -> str | None:
    rates: dict[int, FittedRate] = {seed: finding.rate for seed, finding in by_seed.items()}
    said = [f"seed {seed}: {rate.censored}" for seed, rate in rates.items() if rate.censored]
    return "; ".join(said) or None
