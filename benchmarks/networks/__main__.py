"""Speed and accuracy of ensembles of finite networks, in one run on this machine.

    python -m benchmarks.networks [--only loop ...] [--repeats 9] [--threads 2] [--quick] [--out DIR] [--peer-env DIR]

Makes the peer's environment if need be, lets all work in turns, and writes table.md, table.csv and run.json into --out.
From the root of the repository.
"""

from __future__ import annotations

import sys

from ..harness.driver import main
from .kernels import against_jacobians, against_structured_derivatives, agreement
from .training import against_a_loop, arithmetic_rate, observing

_SECTIONS = {
    "loop": against_a_loop,
    "rate": arithmetic_rate,
    "kernel": against_structured_derivatives,
    "jacobian": against_jacobians,
    "observables": observing,
    "agreement": agreement,
}

if __name__ == "__main__":
    sys.exit(
        main(
            "benchmarks.networks",
            "Ensembles of finite networks",
            _SECTIONS,
            about=__doc__,
            out="results/networks-benchmark",
            repeats=9,
        )
    )
