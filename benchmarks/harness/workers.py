"""The driver's side of a worker: start it, ask it, stop it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .serving import UnavailableHereError

if TYPE_CHECKING:
    from types import TracebackType

_ROOT = Path(__file__).resolve().parents[2]
_SETTLING_SECONDS = 0.1  # threads of either library spin for a while after their work


class WorkerFailedError(RuntimeError):
    """A worker ended, or a call in it failed."""


class Worker:
    """One process with one implementation, on ``threads`` cores and with as many threads."""

    def __init__(self, python: Path, module: str, *, threads: int, double: bool = False, log: Path) -> None:
        self.name = module.rpartition(".")[2]
        self._log = log.open("ab")
        cores = sorted(os.sched_getaffinity(0))[:threads]
        counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        self._process = subprocess.Popen(
            [str(python), "-m", module],
            cwd=_ROOT,
            env={**os.environ, **counts, **quiet, "JAX_ENABLE_X64": str(int(double))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Return the answer to one request.

        :raises UnavailableHereError: if this implementation does not support the request.
        :raises WorkerFailedError: if the call failed or the process ended.
        """
        assert self._process.stdin and self._process.stdout
        time.sleep(_SETTLING_SECONDS)
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerFailedError(f"{self.name} ended with {self._process.wait()}; see {self._log.name}")
        answer: dict[str, Any] = json.loads(line)
        if "unavailable" in answer:
            raise UnavailableHereError(answer["unavailable"])
        if "failed" in answer:
            raise WorkerFailedError(f"{self.name}: {answer['failed']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
