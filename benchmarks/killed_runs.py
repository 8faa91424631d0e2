"""Runs killed by SIGKILL at random instants: resumed until finished, they must equal a run left in peace.

    python benchmarks/killed_runs.py [--kills 200] [--seed 0] [--checkpointing 0.3]

Kills the runner, one of its workers, or all of them at once, in two studies: one of twelve short cells, and one whose
cells train for seconds and save checkpoints. Each run is killed until it once ends by itself. Then all of its tables
are compared with an undisturbed run's, apart from times, attempts and environments, and processes and temporary files
that are left behind are counted. Needs Linux. Exit code 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOY = ROOT / "tests" / "ntkbench" / "plugins" / "toy.py"
MARK = "NTKBENCH_KILLED_RUNS"  # in the environment of a run and its workers, to find them by
TARGETS = ("runner", "worker", "both")
CIRCUMSTANCES = [
    *("digests_json", "wall_seconds", "compile_seconds", "peak_memory_bytes", "started_at", "env_id", "attempt"),
]
HEAD = """
schema = 1
task = [{ name = "toy/line", n_train = 16 }]
architecture = [{ depth = 1 }]
reference = [{ label = "ntk", backend = "toy-kernel" }]
store = { predictions = "all" }
"""
STUDIES = {
    "short cells": HEAD
    + """
name = "short"
training = { learning_rate = { fraction_of_max_stable = 0.5 }, steps = 10, records = 5 }
[[subject]]
label = "network"
backend = "toy-network"
widths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
members = 3
compare_with = ["ntk"]
seconds = 0.05
""",
    "checkpointing": HEAD
    + """
name = "checkpointing"
training = { learning_rate = 0.05, steps = 4000, records = 4 }
[[subject]]
label = "network"
backend = "torch"
widths = [64, 128]
members = 4
compare_with = ["ntk"]
observe = []
""",
}

if sys.argv[0].endswith("worker_process.py"):  # loaded as a plugin: cells of seconds are worth a checkpoint here
    from ntkbench_torch.training import checkpoint

    checkpoint._EVERY_SECONDS, checkpoint._SHORT_SECONDS = 0.2, 0.0


@dataclass
class Found:
    """What became of the runs of a study."""

    kills: Counter[str] = field(default_factory=Counter)
    resumed_from_checkpoints: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)


def command(study: Path, out: Path) -> list[str]:
    arguments = ["run", study, "--out", out, "--jobs", 2, "--rerun", "failed", "--quiet"]
    plugins = (
        ["--plugin", TOY, "--plugin", Path(__file__).resolve()] if "checkpointing" in study.name else ["--plugin", TOY]
    )
    return [sys.executable, "-m", "ntkbench", *map(str, [*arguments, *plugins])]


def start(study: Path, out: Path, scratch: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {MARK: str(scratch), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    with (out.parent / "output").open("wb") as log:
        return subprocess.Popen(
            command(study, out),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def marked(scratch: Path) -> list[int]:
    """Return the live processes of a run and of its workers."""
    mark, found = f"{MARK}={scratch}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def workers_of(process: subprocess.Popen[bytes], scratch: Path) -> list[int]:
    return [pid for pid in marked(scratch) if pid != process.pid]


def kill(target: str, process: subprocess.Popen[bytes], scratch: Path, rng: random.Random) -> bool:
    """Kill the runner, a worker, or all; return False if there is nobody to kill."""
    workers = workers_of(process, scratch)
    if target == "worker":
        victims = [rng.choice(workers)] if workers else []
    else:
        victims = [process.pid, *(workers if target == "both" else [])]
    if process.poll() is not None or not victims:
        return False
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended meanwhile
    return True


def gone(scratch: Path, seconds: float = 10.0) -> bool:
    """Return whether all processes of a run end within some seconds."""
    end = time.monotonic() + seconds
    while marked(scratch):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def tables(out: Path) -> dict[str, Any]:
    """Return all tables of a run in a fixed order, without what depends on the session, and its figures' names."""
    from ntkbench.store.read import load

    results = load(out)
    found: dict[str, Any] = {}
    for name in ("cells", "measurements", "predictions", "spectra", "verdicts"):
        frame = getattr(results, name)
        frame = frame.drop(columns=[column for column in CIRCUMSTANCES if column in frame])
        found[name] = (
            frame.sort_values(["cell_id"] if "cell_id" in frame else [], kind="stable") if len(frame) else frame
        )
        found[name] = found[name].reset_index(drop=True)
    found["figures"] = sorted(file.name for file in (out / "figures").iterdir())
    return found


def differing(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    same = {
        name: part.equals(found[name]) if hasattr(part, "equals") else part == found[name]
        for name, part in expected.items()
    }
    return [name for name, equal in same.items() if not equal]


def left_behind(out: Path, scratch: Path) -> list[str]:
    """Return the temporary files that a finished run has left."""
    inside = [path for path in out.rglob("*") if path.name.startswith(".tmp") or path.suffix == ".part"]
    return [str(path.name) for path in [*inside, *out.glob("checkpoints/*"), *scratch.iterdir()]]


def killed_once(
    process: subprocess.Popen[bytes], scratch: Path, seconds: float, rng: random.Random, found: Found
) -> None:
    """Kill a run at an instant of its duration, or one of its workers after the first has started."""
    target, instant = rng.choice(TARGETS), rng.uniform(0, seconds)
    if target == "worker":
        instant /= 3
        while process.poll() is None and not workers_of(process, scratch):
            time.sleep(0.01)
    try:
        process.wait(instant)
    except subprocess.TimeoutExpired:
        found.kills[target] += kill(target, process, scratch, rng)


def disturbed(
    study: Path, out: Path, scratch: Path, seconds: float, rng: random.Random, found: Found, most: int
) -> None:
    """Run a study to its end, killed again and again, at most until ``most`` kills are done."""
    while True:
        found.resumed_from_checkpoints += any(out.glob("checkpoints/*/*.pt"))
        process = start(study, out, scratch)
        if found.kills.total() < most:
            killed_once(process, scratch, seconds, rng, found)
        code = process.wait(120)
        said = (out.parent / "output").read_text(errors="replace")
        if not gone(scratch):
            found.faults.append(f"processes left: {marked(scratch)}")
        if code == 0:
            return
        if code not in (-signal.SIGKILL, 1) or "Traceback" in said:
            found.faults.append(f"exit code {code}: {said[-2000:]}")
            return


def measure(name: str, kills: int, folder: Path, rng: random.Random) -> Found:
    found, study = Found(), folder / f"{name.replace(' ', '-')}.toml"
    study.write_text(STUDIES[name], encoding="utf-8")
    scratch = folder / "scratch"
    scratch.mkdir()
    for peace in (folder / "first", folder / "peace"):  # the second finds the disk's cache warm
        peace.mkdir()
        clock = time.monotonic()
        if start(study, peace / "run", scratch).wait():
            raise SystemExit((peace / "output").read_text())
    seconds, expected = time.monotonic() - clock, tables(folder / "peace" / "run")
    while found.kills.total() < kills:
        here = folder / str(found.runs)
        here.mkdir()
        disturbed(study, here / "run", scratch, seconds, rng, found, kills)
        found.runs += 1
        try:
            wrong = differing(tables(here / "run"), expected)
        except Exception as error:
            wrong = [f"{type(error).__name__}: {error}"]
        found.faults += [f"{here.name}: differs: {table}" for table in wrong]
        found.faults += [f"{here.name}: left behind: {file}" for file in left_behind(here / "run", scratch)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpointing", type=float, default=0.3, help="the share of kills in cells with checkpoints")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    rng, faults = random.Random(options.seed), []
    share = round(options.kills * options.checkpointing)
    print(
        f"{'study':15} {'runs':>5} {'kills':>6} "
        + " ".join(f"{target:>7}" for target in TARGETS)
        + "  checkpoints  faults"
    )
    for name, kills in (("short cells", options.kills - share), ("checkpointing", share)):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, kills, Path(folder), rng)
        by_target = " ".join(f"{found.kills[target]:7}" for target in TARGETS)
        print(
            f"{name:15} {found.runs:5} {found.kills.total():6} {by_target} "
            f"{found.resumed_from_checkpoints:12} {len(found.faults):7}",
            flush=True,
        )
        faults += found.faults
    print("\n".join(faults) or "every table is that of the undisturbed run; no process and no temporary file is left")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
