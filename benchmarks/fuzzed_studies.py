"""Studies and --set values with random mistakes: each must end in a plan or in one message, within seconds.

    python benchmarks/fuzzed_studies.py [--studies 1000] [--seed 0]

Prints how many were planned, refused, and anything else: tracebacks, plans that take long, messages longer than a page.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ntkbench.cli.main import cli

STUDIES = Path(__file__).resolve().parents[1] / "ntkbench" / "studies"
SLOW_SECONDS = 5.0
LONG_MESSAGE = 20_000
WORDS = ["", "x", "relu", "erf", "ntk", "network", "²", "\ud800", "a" * 5000, "[b]", "../..", "nan", "0x10", "uci/wine"]
NUMBERS = [
    0,
    -1,
    1,
    2,
    3.5,
    1e308,
    -1e308,
    1e-320,
    float("inf"),
    float("nan"),
    2**31,
    2**63,
    2**64,
    10**30,
    10**6,
    10**9,
]


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return any value that TOML has."""
    kind = rng.randrange(7 if depth < 3 else 4)
    if kind == 0:
        return rng.choice(WORDS)
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind == 3:
        return rng.random() < 0.5
    if kind == 4:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 5:
        return {rng.choice(WORDS) or "k": value(rng, depth + 1) for _ in range(rng.randrange(3))}
    nested: Any = 1
    for _ in range(rng.choice([2, 40, 200])):
        nested = [nested] if rng.random() < 0.5 else {"x": nested}
    return nested


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a study."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(inner for key, item in items for inner in places(item, (*path, key)))]


def mutated(study: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a study with one to three mistakes."""
    data = copy.deepcopy(study)
    for _ in range(rng.randrange(1, 4)):
        path = rng.choice(places(data)[1:])
        inside = data
        for part in path[:-1]:
            inside = inside[part]
        how = rng.randrange(4)
        if how == 0:
            del inside[path[-1]]
        elif how == 1 and isinstance(inside, dict):
            inside[rng.choice(["stpes", "x", str(path[-1]) + "s"])] = value(rng)
        else:
            inside[path[-1]] = value(rng)
        if not data:
            break
    return data


def as_toml(item: Any) -> str:
    """Return a value as inline TOML."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, int | float):
        return repr(item)
    if isinstance(item, str):
        return (
            '"'
            + item.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            + '"'
        )
    if isinstance(item, list):
        return "[" + ", ".join(map(as_toml, item)) + "]"
    return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(each)}" for key, each in item.items()) + "}"


def outcome(arguments: list[str]) -> tuple[str, str]:
    """Return how a command ended, and what it said."""
    start = time.perf_counter()
    found = CliRunner().invoke(cli, arguments)
    seconds = time.perf_counter() - start
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        return "TRACEBACK", repr(found.exception)[:300]
    if found.exit_code not in (0, 2):
        return f"EXIT CODE {found.exit_code}", found.output[-300:]
    if seconds > SLOW_SECONDS:
        return "SLOW", f"{seconds:.1f} s"
    if found.exit_code == 2 and len(found.output) > LONG_MESSAGE:
        return "LONG MESSAGE", f"{len(found.output)} characters"
    return ("planned" if found.exit_code == 0 else "refused"), ""


def main() -> None:
    """Print the counts, and each failure with what caused it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts = random.Random(options.seed), Counter[str]()
    known = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(STUDIES.glob("*.toml"))]
    names = [path.stem for path in sorted(STUDIES.glob("*.toml"))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.toml"
        for number in range(options.studies):
            chosen = rng.randrange(len(known))
            if rng.random() < 0.5:
                text = "\n".join(
                    f"{as_toml(key)} = {as_toml(item)}" for key, item in mutated(known[chosen], rng).items()
                )
                file.write_text(text, encoding="utf-8")
                arguments = ["plan", str(file)]
            else:
                path = ".".join(map(str, rng.choice(places(known[chosen])[1:])))
                text = f"{path}={as_toml(value(rng))}"
                arguments = ["plan", names[chosen], "--set", text]
            how, said = outcome([*arguments, "--out", str(Path(folder) / "run")])
            counts[how] += 1
            if how not in ("planned", "refused"):
                print(f"{number}: {how}: {said}\n    {text[:400]!r}", flush=True)
    print(
        ", ".join(f"{count} {how}" for how, count in sorted(counts.items())),
        f"of {options.studies}, seed {options.seed}",
    )


if __name__ == "__main__":
    main()
