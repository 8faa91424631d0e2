"""Time two workers in turns, in one run, and report medians and the spread of their ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .workers import Worker


@dataclass(frozen=True)
class Timings:
    """Seconds of each round, by contestant, (rounds,); ``first`` is the first call, which compiles."""

    seconds: dict[str, list[float]]
    cpu_seconds: dict[str, list[float]]
    first: dict[str, float]

    def median(self, name: str) -> float:
        return float(np.median(self.seconds[name]))

    def ratio(self, slower: str, faster: str) -> tuple[float, float, float]:
        """Return the ratio of the medians, and the quartiles of the ratio round by round."""
        rounds = np.array(self.seconds[slower]) / np.array(self.seconds[faster])
        low, high = np.quantile(rounds, (0.25, 0.75))
        return self.median(slower) / self.median(faster), float(low), float(high)


def in_turns(contestants: Mapping[str, tuple[Worker, dict[str, Any]]], rounds: int) -> Timings:
    """Run each contestant's task once per round, the order reversed from round to round, after one call to warm up.

    A worker's task stays prepared, so that the next measurement can :meth:`Worker.ask` it to save its result.
    """
    first = {}
    for name, (worker, spec) in contestants.items():
        first[name] = worker.ask("prepare", key=name, spec=spec)["first_seconds"]
        worker.ask("time", key=name)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds):
        names = list(contestants) if turn % 2 == 0 else list(contestants)[::-1]
        for name in names:
            answer = contestants[name][0].ask("time", key=name)
            seconds[name].append(answer["seconds"])
            cpu_seconds[name].append(answer["cpu_seconds"])
    return Timings(seconds, cpu_seconds, first)


def fastest(worker: Worker, variants: Mapping[str, dict[str, Any]], rounds: int) -> tuple[str, Timings]:
    """Return the variant with the smallest median, and the timings of all."""
    found = in_turns({name: (worker, spec) for name, spec in variants.items()}, rounds)
    for name in variants:
        worker.ask("forget", key=name)
    return min(variants, key=found.median), found
