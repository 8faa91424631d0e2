"""Print the worst error of both kernels by activation, scales and depth, over the whole catalogue of pairs.

``python tests/ntkbench_jax/exactness_table.py --activation erf --depths 1 3 64``: errors are over
``sqrt(k(x,x) k(x',x'))``; a line ends in the number of entries that break the promise (``high_precision.measure``)
or, where the coordinates' condition number is at most 10, 1e-13 of the entry itself. Exits with 1 if any does.
"""

from __future__ import annotations

import argparse
import sys
import time

from high_precision import catalogue, measure, regimes

from ntkbench.errors import NtkbenchError


def main() -> int:
    arguments = _arguments()
    pairs = {name: pair for name, pair in catalogue.all_pairs().items() if arguments.pair in name}
    if arguments.short:
        pairs = {name: pair for name, pair in pairs.items() if name in catalogue.SHORT}
    missed = 0
    for activation in arguments.activation or regimes.CLOSED_FORM:
        started = time.perf_counter()
        for scales in arguments.scales or regimes.scales(activation):
            try:
                rows = measure.measure(activation, arguments.depths or regimes.depths(activation), scales, pairs)
            except (NtkbenchError, ImportError) as error:
                print(f"{activation}: not available ({error})")
                break
            for depth in dict.fromkeys(row.architecture.depth for row in rows):
                missed += _line([row for row in rows if row.architecture.depth == depth], arguments)
        print(f"  {activation}: {time.perf_counter() - started:.1f} s", flush=True)
    return bool(missed)


def _line(rows: list[measure.Measured], arguments: argparse.Namespace) -> int:
    a = rows[0].architecture
    worst = []
    for kernel in ("nngp", "ntk"):
        row = max((row for row in rows if row.kernel == kernel), key=lambda row: row.error)
        worst.append(f"{kernel} {row.error:8.1e} {row.pair:32}")
    missed = [row for row in rows if row.verdict(arguments.tolerance)]
    start = f"{a.activation:24} {a.weight_std:6.4g} {a.bias_std:4.2g} depth {a.depth:2}"
    lost = sum(row.lost for row in rows)
    print(start, *worst, f"{len(missed)} missed" if missed else "ok", f"({lost} inf as 0)" if lost else "", flush=True)
    for row in sorted(missed, key=lambda row: -row.error)[: arguments.show]:
        print(f"      {row.verdict(arguments.tolerance)}: {row}")
    return len(missed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activation", nargs="+", help="by default all with a closed form")
    parser.add_argument("--depths", nargs="+", type=int)
    parser.add_argument("--scales", nargs="+", type=_scales, metavar="WEIGHT_STD,BIAS_STD")
    parser.add_argument("--pair", default="", help="only pairs whose name holds these words")
    parser.add_argument("--short", action="store_true", help="18 of the 56 pairs")
    parser.add_argument("--tolerance", type=float, default=measure.TOLERANCE)
    parser.add_argument("--show", type=int, default=3, help="misses shown in full per line")
    return parser.parse_args()


def _scales(words: str) -> tuple[float, float]:
    weight_std, bias_std = map(float, words.split(","))
    return weight_std, bias_std


if __name__ == "__main__":
    sys.exit(main())
