"""Checkpoints of a cell in training, so that a killed one can resume.

One file per group of members, written atomically: its state, at most once a minute, and finally its result. Cells
shorter than ten seconds write nothing. Files begin with a digest of the rest, which holds tensors, numbers, lists and
dictionaries, and is read without unpickling code.
"""

from __future__ import annotations

import io
import os
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch

from ntkbench.plugin import digest_of_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_EVERY_SECONDS = 60.0
_SHORT_SECONDS = 10.0
_DIGEST_LENGTH = 32


class Checkpoints:
    """The files of one cell in ``folder``, named by each group's first member; None to save nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._started, self._saved = folder, monotonic(), monotonic()

    def due(self) -> bool:
        """Return whether it is time to save the state."""
        return self._folder is not None and monotonic() - self._saved >= _EVERY_SECONDS

    def save_result(self, first: int, result: dict[str, Any]) -> None:
        """Save the result of a finished group."""
        if self._folder is not None and monotonic() - self._started >= _SHORT_SECONDS:
            self.save(first, {"result": result})

    def result(self, first: int) -> dict[str, Any] | None:
        """Return a group's result, on the CPU, or None if it has not finished."""
        found = self.load(first, torch.device("cpu")).get("result")
        return None if found is None else dict(found)

    def save(self, first: int, content: dict[str, Any]) -> None:
        """Replace the file of a group."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{first}.pt"
        part = path.with_suffix(f".{os.getpid()}.part")
        buffer = io.BytesIO()
        torch.save(content, buffer)
        data = buffer.getbuffer()
        with part.open("wb") as file:
            file.write(digest_of_bytes(data).encode())
            file.write(data)
        part.replace(path)
        self._saved = monotonic()

    def load(self, first: int, device: torch.device) -> dict[str, Any]:
        """Return the content of a group's file, tensors on ``device``; empty if it cannot be read."""
        if self._folder is None:
            return {}
        try:
            content = memoryview((self._folder / f"{first}.pt").read_bytes())
            digest, data = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH:]
            if digest_of_bytes(data).encode() != digest:
                return {}
            return dict(torch.load(io.BytesIO(data), map_location=device, weights_only=True))
        except Exception:  # missing or damaged, whatever torch raises
            return {}


class Checkpoint:
    """The state of one group in training, and the caller's ``notes``, which ``restore`` gets back."""

    def __init__(
        self, files: Checkpoints, first: int, notes: Callable[[], Any], restore: Callable[[Any], None]
    ) -> None:
        self._files, self._first, self._notes, self._restore = files, first, notes, restore

    def due(self) -> bool:
        """Return whether it is time to save the state."""
        return self._files.due()

    def save(self, state: dict[str, Any]) -> None:
        """Save a state with the caller's notes, replacing the one before."""
        self._files.save(self._first, {"state": state, "notes": self._notes()})

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the last saved state after restoring the caller's notes; None if there is none."""
        found = self._files.load(self._first, device)
        if "state" not in found:
            return None
        self._restore(found["notes"])
        return dict(found["state"])
