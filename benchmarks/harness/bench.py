"""Shared by all measurements: the workers, the files of arrays, the number of repetitions."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .workers import Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Bench:
    """The workers of ``package``, its modules ``ours`` and ``peer``, start on first use and end with the bench.

    The peer has a process per precision: in float32 it runs as its users run it, without JAX's 64-bit mode.
    """

    package: str
    python: Path
    folder: Path
    threads: int
    rounds: int
    quick: bool
    _stack: ExitStack = field(default_factory=ExitStack)
    _workers: dict[str, Worker] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: Any) -> None:
        self._stack.close()

    def ours(self, name: str = "ours") -> Worker:
        """Return the process of a module that runs in this environment."""
        if name not in self._workers:
            self._workers[name] = self._stack.enter_context(self.fresh_ours(name))
        return self._workers[name]

    def peer(self, dtype: str) -> Worker:
        if dtype not in self._workers:
            self._workers[dtype] = self._stack.enter_context(self.fresh_peer(dtype))
        return self._workers[dtype]

    def fresh_ours(self, name: str = "ours") -> Worker:
        return self._worker(Path(sys.executable), name)

    def fresh_peer(self, dtype: str) -> Worker:
        return self._worker(self.python, "peer", double=dtype == "float64")

    def _worker(self, python: Path, name: str, *, double: bool = False) -> Worker:
        log = self.folder / f"{name}.log"
        return Worker(python, f"{self.package}.{name}", threads=self.threads, double=double, log=log)

    def stored(self, name: str, array: NDArray[Any]) -> str:
        """Write an array to a file for the workers, and return its path."""
        path = self.folder / f"{name}.npy"
        np.save(path, array)
        return str(path)

    def saved(self, worker: Worker, key: str, stride: int = 1) -> dict[str, NDArray[Any]]:
        """Return the result of a prepared task, or a sample of its rows and columns."""
        path = self.folder / f"{worker.name}-{key}.npz"
        worker.ask("save", key=key, path=str(path), stride=stride)
        with np.load(path) as arrays:
            return dict(arrays)
