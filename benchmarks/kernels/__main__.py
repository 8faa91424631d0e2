"""Issue 3's figures in one run: our analytic kernels against neural-tangents, on this machine.

    python -m benchmarks.kernels [--only relu ...] [--repeats 15] [--threads 2] [--quick] [--out DIR] [--peer-env DIR]

Makes the peer's environment if need be, lets both work in turns, and writes table.md, table.csv, run.json and
agreement.csv into --out. From the root of the repository.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntkbench.environment import cores, describe_environment
from ntkbench.errors import NtkbenchError
from ntkbench.registry import load_registry

from .agreement import agreement
from .bench import Bench
from .ensemble import ensemble
from .generic import generic
from .memory import memory
from .peer_environment import default_folder, peer_python
from .report import Row, write
from .serving import UnavailableHereError
from .speed import closed_forms, depth
from .workers import WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
_BUSY = 0.3  # of one core: more before the start, and timings are of a shared machine


def main() -> int:
    options = _options()
    try:
        python = peer_python(options.peer_env)
    except NtkbenchError as error:
        print(f"benchmarks.kernels: {error}", file=sys.stderr)
        return 2
    options.out = options.out.resolve()
    folder = options.out / "work"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with Bench(python, folder, options.threads, 3 if options.quick else options.repeats, options.quick) as bench:
        facts = _facts(bench)
        for section in options.only or _SECTIONS:
            began = time.perf_counter()
            for row in _measured(section, bench):
                rows.append(row)
                print(
                    f"{row.figure} | {row.setting} | {row.quantity} {row.value} | {row.verdict} | {row.note}",
                    flush=True,
                )
                facts["load_after"] = os.getloadavg()
                write(rows, facts, options.out)  # what is done stays if the rest is interrupted
            print(f"{section}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(f"\n{(options.out / 'table.md').read_text(encoding='utf-8')}")
    return 0


def _measured(section: str, bench: Bench) -> Iterator[Row]:
    """Yield a section's rows; what cannot be measured is a row too."""
    try:
        yield from _SECTIONS[section](bench)
    except (UnavailableHereError, WorkerFailedError) as error:
        yield Row(section, "", note=str(error))


def _facts(bench: Bench) -> dict[str, Any]:
    """Return what the run was made with; ``summary`` heads the table."""
    load = os.getloadavg()[0]
    environment = describe_environment(load_registry())
    peer = bench.peer("float64").ask("versions")
    ours = bench.ours().ask("versions")
    summary = {
        "machine": f"{environment['processor']}, {environment['cores']} cores, "
        f"{(environment['memory_bytes'] or 0) / 2**30:.0f} GiB; {environment['platform']}",
        "ours": ", ".join(f"{name} {version}" for name, version in ours.items())
        + f", commit {environment['git_commit']}",
        "peer": ", ".join(f"{name} {version}" for name, version in peer.items()),
        "method": f"{bench.threads} threads each, in turns, {bench.rounds} rounds, medians; compiling excluded; "
        "from arrays to arrays in host memory",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load before": f"{load:.2f}" + ("; NOT A QUIET MACHINE" if load > _BUSY else ""),
    }
    if bench.quick:
        summary["sizes"] = "QUICK: small, to try the machinery; not the figures"
    return {"summary": summary, "environment": environment, "ours": ours, "peer": peer, "quick": bench.quick}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=sorted(_SECTIONS), help="a part; may be repeated")
    parser.add_argument("--repeats", type=_positive, default=15, help="rounds (default 15; fewer where one takes long)")
    parser.add_argument("--threads", type=_positive, default=min(2, cores()), help="of each, on as many cores")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and 3 rounds: tries the machinery, not the figures"
    )
    parser.add_argument("--out", type=Path, default=Path("results/kernels-benchmark"))
    parser.add_argument("--peer-env", type=Path, default=default_folder(), help="default: %(default)s")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


if __name__ == "__main__":
    sys.exit(main())
