"""The cache of reference solutions: one folder per cell, one .npy file per array, read by memory map."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..plugin.types import Solution

_SCALARS = (
    "learning_rate",
    "rho",
    "learning_rate_multiplier",
    "optimizer",
    "momentum",
    "batch_size",
    "batch_seed",
    "non_gradient",
)
_INDEX = "solution.json"
_KEPT = tuple(
    f.name
    for f in fields(Solution)
    if f.name not in (*_SCALARS, "measurements", "mode_residuals", "parameters", "compile_seconds")
)


def has_solution(folder: Path, cell_id: str) -> bool:
    """Return whether a cell's solution is in the cache, with every array it had."""
    here = folder / cell_id
    try:
        return all((here / f"{name}.npy").is_file() for name in _index(here)["arrays"])
    except (OSError, ValueError, KeyError):
        return False


def _index(here: Path) -> dict[str, Any]:
    return dict(json.loads((here / _INDEX).read_text()))


def save_solution(folder: Path, cell_id: str, solution: Solution) -> None:
    """Put a solution into the cache, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder))
    try:
        arrays = [name for name in _KEPT if getattr(solution, name) is not None]
        for name in arrays:
            np.save(part / f"{name}.npy", getattr(solution, name))
        scalars = {name: getattr(solution, name) for name in _SCALARS}
        (part / _INDEX).write_text(json.dumps({"arrays": arrays, "scalars": scalars}))
        shutil.rmtree(folder / cell_id, ignore_errors=True)
        part.replace(folder / cell_id)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def load_solution(folder: Path, cell_id: str) -> Solution:
    """Return a solution whose arrays are memory maps, read-only.

    :raises FileNotFoundError: if it is not in the cache.
    """
    here = folder / cell_id
    index = _index(here)
    arrays = {name: np.load(here / f"{name}.npy", mmap_mode="r") for name in index["arrays"]}
    return Solution(**arrays, **index["scalars"])
