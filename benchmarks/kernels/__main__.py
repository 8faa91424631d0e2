"""Issue 3's figures in one run: our analytic kernels against neural-tangents, on this machine.

    python -m benchmarks.kernels [--only relu ...] [--repeats 15] [--threads 2] [--quick] [--out DIR] [--peer-env DIR]

Makes the peer's environment if need be, lets both work in turns, and writes table.md, table.csv, run.json and
agreement.csv into --out. From the root of the repository.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..harness.driver import main
from .agreement import agreement
from .ensemble import ensemble
from .generic import generic
from .memory import memory
from .speed import closed_forms, depth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..harness.bench import Bench
    from ..harness.report import Row

_SECTIONS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "relu": lambda bench: closed_forms(bench, "relu"),
    "erf": lambda bench: closed_forms(bench, "erf"),
    "gelu": lambda bench: closed_forms(bench, "gelu"),
    "generic": generic,
    "memory": lambda bench: (row for name in ("relu", "erf", "gelu") for row in memory(bench, name)),
    "depth": lambda bench: (row for name in ("relu", "erf", "gelu") for row in depth(bench, name)),
    "ensemble": ensemble,
    "agreement": agreement,
}

if __name__ == "__main__":
    sys.exit(
        main(
            "benchmarks.kernels",
            "Analytic kernels against neural-tangents",
            _SECTIONS,
            about=__doc__,
            out="results/kernels-benchmark",
            repeats=15,
        )
    )
