"""The cache of reference solutions: one folder per cell, one .npy file per array, read by memory map."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..exchange import Solution

_SCALARS = ("learning_rate", "rho")
_KEPT = tuple(
    f.name for f in fields(Solution) if f.name not in (*_SCALARS, "measurements", "parameters", "compile_seconds")
)


def has_solution(folder: Path, cell_id: str) -> bool:
    """Return whether a cell's solution is in the cache."""
    return (folder / cell_id / "scalars.json").is_file()


def save_solution(folder: Path, cell_id: str, solution: Solution) -> None:
    """Put a solution into the cache, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder))
    try:
        for name in _KEPT:
            if (array := getattr(solution, name)) is not None:
                np.save(part / f"{name}.npy", array)
        (part / "scalars.json").write_text(json.dumps({name: getattr(solution, name) for name in _SCALARS}))
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
    scalars = json.loads((here / "scalars.json").read_text())
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in sorted(here.glob("*.npy"))}
    return Solution(**arrays, **scalars)
