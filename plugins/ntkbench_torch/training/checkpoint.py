"""What is kept on disk of a cell in training, so that a killed one goes on where it was.

One file per group of members, written whole or not at all: on the way its state, at most once a minute, and in the end
what it found. Cells that last less than ten seconds leave nothing. Files hold tensors, numbers, and lists and
dictionaries of them, and are read back without running any code of theirs.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_EVERY_SECONDS = 60.0
_SHORT_SECONDS = 10.0


class Checkpoints:
    """The files of one cell in ``folder``, named by the first member of each group; None where nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._started, self._saved = folder, monotonic(), monotonic()

    def due(self) -> bool:
        """Return whether the state is to be saved now."""
        return self._folder is not None and monotonic() - self._saved >= _EVERY_SECONDS

    def save_result(self, first: int, result: dict[str, Any]) -> None:
        """Keep what a finished group found."""
        if self._folder is not None and monotonic() - self._started >= _SHORT_SECONDS:
            self.save(first, {"result": result})

    def result(self, first: int) -> dict[str, Any] | None:
        """Return what a group found, on the CPU, if it had finished."""
        found = self.load(first, torch.device("cpu")).get("result")
        return None if found is None else dict(found)

    def save(self, first: int, content: dict[str, Any]) -> None:
        """Replace what was kept of a group."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{first}.pt"
        part = path.with_suffix(f".{os.getpid()}.part")
        torch.save(content, part)
        part.replace(path)
        self._saved = monotonic()

    def load(self, first: int, device: torch.device) -> dict[str, Any]:
        """Return what was kept of a group, its tensors on ``device``; nothing where it cannot be read."""
        if self._folder is None:
            return {}
        try:
            return dict(torch.load(self._folder / f"{first}.pt", map_location=device, weights_only=True))
        except Exception:  # a file that is missing or torn, whatever torch makes of it
            return {}


class Checkpoint:
    """The state of one group: what training keeps, and beside it what the caller notes, given back by ``restore``."""

    def __init__(
        self, files: Checkpoints, first: int, notes: Callable[[], Any], restore: Callable[[Any], None]
    ) -> None:
        self._files, self._first, self._notes, self._restore = files, first, notes, restore

    def due(self) -> bool:
        """Return whether the state is to be saved now."""
        return self._files.due()

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved before."""
        self._files.save(self._first, {"state": state, "notes": self._notes()})

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state that was saved last, and give the caller its notes; None where there is none."""
        found = self._files.load(self._first, device)
        if "state" not in found:
            return None
        self._restore(found["notes"])
        return dict(found["state"])
