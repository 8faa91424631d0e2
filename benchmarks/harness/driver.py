"""The command of a benchmark: sections in turn, a row per figure, tables that survive an interruption."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntkbench.errors import NtkbenchError
from ntkbench.execution.environment import cores, describe_environment
from ntkbench.plugin.loading import load_registry

from .bench import Bench
from .peer_environment import default_folder, peer_python
from .report import Row, write
from .serving import UnavailableHereError
from .workers import WorkerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Sections = Mapping[str, Callable[[Bench], Iterator[Row]]]

_BUSY = 0.3  # load in cores: above it before the start, the machine is shared and timings are unreliable


def main(package: str, title: str, sections: Sections, *, about: str, out: str, repeats: int) -> int:
    """Measure the sections named on the command line; ``package`` holds the modules ``ours`` and ``peer``.

    :param about: for ``--help``; ``out``: the folder by default, ``repeats``: the number of rounds.
    """
    options = _options(package, sections, about, out, repeats)
    try:
        python = peer_python(options.peer_env)
    except NtkbenchError as error:
        print(f"{package}: {error}", file=sys.stderr)
        return 2
    options.out = options.out.resolve()
    folder = options.out / "work"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    rounds = 3 if options.quick else options.repeats
    with Bench(package, python, folder, options.threads, rounds, options.quick) as bench:
        facts = {"title": title, **_facts(bench)}
        for section in options.only or sections:
            began = time.perf_counter()
            for row in _measured(section, sections, bench):
                rows.append(row)
                print(
                    f"{row.figure} | {row.setting} | {row.quantity} {row.value} | {row.verdict} | {row.note}",
                    flush=True,
                )
                facts["load_after"] = os.getloadavg()
                write(rows, facts, options.out)  # keeps finished sections if the rest is interrupted
            print(f"{section}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(f"\n{(options.out / 'table.md').read_text(encoding='utf-8')}")
    return 0


def _measured(section: str, sections: Sections, bench: Bench) -> Iterator[Row]:
    """Yield a section's rows; a failed measurement is a row, too."""
    try:
        yield from sections[section](bench)
    except (UnavailableHereError, WorkerFailedError) as error:
        yield Row(section, "", note=str(error))


def _facts(bench: Bench) -> dict[str, Any]:
    """Return the environment of the run; ``summary`` heads the table."""
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


def _options(package: str, sections: Sections, about: str, out: str, repeats: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        f"python -m {package}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=sorted(sections), help="a part; may be repeated")
    parser.add_argument(
        "--repeats", type=_positive, default=repeats, help="rounds (default %(default)s; fewer where one takes long)"
    )
    parser.add_argument("--threads", type=_positive, default=min(2, cores()), help="of each, on as many cores")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and 3 rounds: tries the machinery, not the figures"
    )
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--peer-env", type=Path, default=default_folder(), help="default: %(default)s")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value
