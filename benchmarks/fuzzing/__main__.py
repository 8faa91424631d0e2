"""Inputs with random mistakes: how many are accepted, refused with a message, or faults.

    python -m benchmarks.fuzzing [--inputs 100000] [--seed 0] [--only studies]

Studies and --set values are planned, tables and arrays are read. An input may take 5 s of processor time and 1 GiB. A
fault is a traceback, too much time, no message or one of more than 20,000 characters. Exit code 1 if there is any.
Needs Linux.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.fuzzing import arrays, studies, tables
from benchmarks.fuzzing.outcomes import Outcomes
from ntkbench.plugin.loading import load_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from ntkbench.plugin.registry import Registry

    Use = Callable[[Any, Registry, Path], None]

KINDS: dict[str, tuple[float, SearchStrategy[Any], Use]] = {  # share, inputs, what uses them
    "studies": (0.2, studies.MUTATED, studies.plan_mutated),
    "set": (0.2, studies.ASSIGNMENTS, studies.plan_assigned),
    "tables": (0.25, tables.TABLES, tables.load_table),
    "matrices": (0.15, tables.MATRICES, tables.load_matrix),
    "arrays": (0.2, arrays.ARRAYS, arrays.load_arrays),
}
OUTCOMES = ("accepted", "refused")


def fuzzed(kind: str, inputs: int, number: int, registry: Registry, folder: Path) -> Outcomes:
    """Return what becomes of as many inputs of a kind."""
    _, strategy, use = KINDS[kind]
    outcomes = Outcomes()

    @seed(number)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def try_one(one: Any) -> None:
        outcomes.take(one, lambda: use(one, registry, folder))

    try_one()
    return outcomes


def main() -> None:
    """Print the counts of each kind, and each fault with its input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*KINDS], action="append", help="kinds; default: all")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    registry, faults = load_registry(), 0
    print(f"seed {options.seed}\n{'kind':10} {'inputs':>7} {'accepted':>9} {'refused':>8} {'faults':>7}  slowest")
    for kind in options.only or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            found = fuzzed(kind, round(KINDS[kind][0] * options.inputs), options.seed, registry, Path(folder))
        counts = " ".join(f"{found.counts[name]:{width}}" for name, width in zip(OUTCOMES, (9, 8), strict=True))
        print(f"{kind:10} {found.counts.total():7} {counts} {len(found.faults):7}  {found.slowest:.2f} s", flush=True)
        faults += len(found.faults)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
