"""Training speed: against a plain loop, against the machine's products, and with all observables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench_torch.observables.catalogue import OBSERVABLES

from ..harness.report import Row
from ..harness.timing import in_turns
from .cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..harness.bench import Bench

_LOOP = ((64, 100, 4.0), (256, 20, 1.8), (1024, 4, 1.25))  # width, steps, target
_RATE = ((1024, 128, 40), (1024, 1024, 6), (4096, 128, 6), (4096, 1024, 3))  # width, points, steps
_SHARE, _PRODUCT = 0.8, 2048
_RECORDS = 20


def against_a_loop(bench: Bench) -> Iterator[Row]:
    """Time 16 members against a loop over them with autograd."""
    for width, steps, target in _LOOP[:1] if bench.quick else _LOOP:
        case = Case(width, members=16, steps=steps)
        spec = {"kind": "train", "case": case.as_json()}
        found = in_turns({"ours": (bench.ours(), spec), "plain": (bench.ours("plain"), spec)}, bench.rounds)
        ratio, low, high = found.ratio("plain", "ours")
        yield Row(
            "16 members against a plain loop with autograd",
            f"depth 2, N 128, width {width}, float32",
            "loop's time / ours",
            ratio,
            low,
            high,
            "at least",
            target,
            found.median("ours") / steps * 1e3,
            found.median("plain") / steps * 1e3,
            "ms per step",
            samples={"seconds": found.seconds},
        )


def arithmetic_rate(bench: Bench) -> Iterator[Row]:
    """Compare the rate of training with the best of square products in the same run."""
    for width, points, steps in _RATE[:1] if bench.quick else _RATE:
        case = Case(width, points, members=2, steps=steps)
        train = {"kind": "train", "case": case.as_json()}
        product = {"kind": "product", "case": case.as_json(), "size": _PRODUCT}
        ours = bench.ours()
        found = in_turns({"training": (ours, train), "product": (ours, product)}, bench.rounds)
        gflops = {"training": case.training_flops / 1e9, "product": 2e-9 * _PRODUCT**3}
        rates = {name: gflops[name] / np.array(seconds) for name, seconds in found.seconds.items()}
        best = float(rates["product"].max())
        shares = rates["training"] / rates["product"]
        yield Row(
            "arithmetic rate of training against products",
            f"width {width}, N {points}, float32, 2 members",
            "share of the products' median rate",
            float(np.median(rates["training"]) / np.median(rates["product"])),
            *(float(q) for q in np.quantile(shares, (0.25, 0.75))),
            "at least",
            _SHARE,
            float(np.median(rates["training"])),
            float(np.median(rates["product"])),
            "GF/s",
            note=f"products of {_PRODUCT} x {_PRODUCT} at best {best:.0f} GF/s; training at best "
            f"{float(rates['training'].max()):.0f}: {float(rates['training'].max()) / best:.0%} of it",
            samples={"seconds": found.seconds},
        )


def observing(bench: Bench) -> Iterator[Row]:
    """Time a study's cell of 2,000 steps with every observable at 20 recorded times, and with none."""
    steps = 200 if bench.quick else 2000
    case = Case(64 if bench.quick else 1024, members=2)
    recorded = sorted({0, *np.unique(np.geomspace(1, steps, _RECORDS - 1).astype(int)).tolist()})
    while len(recorded) < _RECORDS:  # the first steps of a geometric series coincide
        recorded = sorted({*recorded, next(step for step in range(steps) if step not in recorded)})
    base = {"kind": "observed", "case": case.as_json(), "steps": recorded}
    kinds = {
        "nothing": {**base, "observe": [], "ntk_steps": "last"},
        "everything": {**base, "observe": sorted(OBSERVABLES), "ntk_steps": "last"},
        "everything, kernels at all records": {**base, "observe": sorted(OBSERVABLES), "ntk_steps": "all"},
    }
    ours = bench.ours()
    found = in_turns({name: (ours, spec) for name, spec in kinds.items()}, min(bench.rounds, 3))
    for name in list(kinds)[1:]:
        ratio, low, high = found.ratio(name, "nothing")
        yield Row(
            f"observing {name}",
            f"{len(recorded)} records over {steps} steps, width {case.width}, N {case.points}, 2 members",
            "time / that of training alone",
            ratio,
            low,
            high,
            "at most",
            1.25,
            found.median(name),
            found.median("nothing"),
            "s",
            samples={"seconds": found.seconds},
        )
