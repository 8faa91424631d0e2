"""The cache of reference solutions: one folder per cell, one .npy file per array, read by memory map."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..plugin.hashing import digest, digest_of_file
from ..plugin.types import Solution, Training

_SCALARS = ("rho", "time_scale")
_LEFT_OUT = (
    "measurements",
    "mode_residuals",
    "parameters",
    "compile_seconds",
)  # fields that no reader of a reference needs
_INDEX = "solution.json"
_ARRAYS = tuple(f.name for f in fields(Solution) if f.name not in (*_SCALARS, *_LEFT_OUT, "training"))


def has_solution(folder: Path, cell_id: str) -> bool:
    """Return whether a cell's solution is in the cache, with all of its arrays as they were written."""
    here = folder / cell_id
    try:
        index = _index(here)
        own = index["digest"] == _digest(index) and index["cell_id"] == cell_id
        return own and all(digest_of_file(here / f"{name}.npy") == found for name, found in index["arrays"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _index(here: Path) -> dict[str, Any]:
    return dict(json.loads((here / _INDEX).read_text()))


def _digest(index: dict[str, Any]) -> str:
    """Return the digest of an index without its own."""
    return digest({key: value for key, value in index.items() if key != "digest"}, 32)


def save_solution(folder: Path, cell_id: str, solution: Solution) -> None:
    """Write a solution to the cache, completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder))
    try:
        arrays = [name for name in _ARRAYS if getattr(solution, name) is not None]
        for name in arrays:
            np.save(part / f"{name}.npy", getattr(solution, name))
        scalars = {name: getattr(solution, name) for name in _SCALARS}
        training = None if solution.training is None else solution.training.as_json()
        digests = {name: digest_of_file(part / f"{name}.npy") for name in arrays}
        index = {"cell_id": cell_id, "arrays": digests, "scalars": scalars, "training": training}
        (part / _INDEX).write_text(json.dumps({**index, "digest": _digest(index)}))
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
    training = None if index["training"] is None else Training(**index["training"])
    return Solution(**arrays, **index["scalars"], training=training)
