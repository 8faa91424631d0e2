"""Studies of the toy plugin, run in this process or by the command line, and what to compare of their results."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner, Result

from ntkbench.api.run import Options, Session, execute
from ntkbench.cli import main
from ntkbench.store.read import load
from ntkbench.study.load import Overrides

TOY = Path(__file__).parent / "plugins" / "toy.py"
LISTENER = Path(__file__).parent / "plugins" / "listener.py"
CIRCUMSTANCES = ["digests_json", "wall_seconds", "compile_seconds", "peak_memory_bytes", "started_at", "env_id"]

_STUDY = {
    "schema": 1,
    "name": "toy",
    "task": [{"name": "toy/line"}],
    "architecture": [{"depth": 1}],
    "reference": [{"label": "ntk", "backend": "toy-kernel"}],
    "subject": [
        {"label": "network", "backend": "toy-network", "widths": [4, 16, 64], "members": 3, "compare_with": ["ntk"]}
    ],
    "training": {"learning_rate": {"fraction_of_max_stable": 0.5}, "steps": 10, "records": 5},
}


def study(**changes: Any) -> dict[str, Any]:
    """Return the toy study with some of its top-level keys changed."""
    return {**copy.deepcopy(_STUDY), **changes}


def subject(label: str = "network", **changes: Any) -> dict[str, Any]:
    return {**_STUDY["subject"][0], "label": label, **changes}


def as_toml(data: dict[str, Any]) -> str:
    """Return a study as TOML."""
    return "\n".join(f"{key} = {_toml(value)}" for key, value in data.items()) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def session(source: Any, out: Path, *, analyse: bool = False, overrides: Overrides | None = None, **options: Any):
    """Run a study in this process, its cells in worker processes by default; figures only if asked for."""
    chosen = Options(**{"plugins": (str(TOY),), "jobs": 2, **options})
    with nullcontext() if analyse else patch("ntkbench.api.run._analyse"):
        return execute(source, overrides or Overrides(), chosen, out)


def rows(found: Session | Path, table: str = "cells"):
    """Return a table of a session, or of the run at a path, as its readers see it."""
    return getattr(load(found.path if isinstance(found, Session) else found), table)


def compared(path: Path) -> dict[str, Any]:
    """Return all tables of a run in a fixed order, without what depends on the machine or counts attempts."""
    results = load(path)
    tables = {
        "cells": results.cells.drop(columns=CIRCUMSTANCES),
        **{name: getattr(results, name) for name in ("measurements", "predictions", "spectra")},
    }
    return {
        name: frame.drop(columns="attempt").sort_values("cell_id", kind="stable").reset_index(drop=True)
        for name, frame in tables.items()
    }


def invoke(*arguments: object) -> Result:
    """Run ``ntkbench ...`` in this process, with the plugins that are installed."""
    return CliRunner().invoke(main.cli, [str(argument) for argument in arguments], catch_exceptions=False)


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ntkbench", *map(str, arguments)]


def shell(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``ntkbench ...`` in a folder to its end."""
    return subprocess.run(
        command_line(*arguments),
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def wait_for(condition: Any, seconds: float = 240.0) -> Any:
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, in any of its threads, and that still live (Linux)."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
