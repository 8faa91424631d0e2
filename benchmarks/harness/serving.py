"""A worker: a process that holds one implementation and serves requests, one line of JSON each.

Shared by :mod:`.ours` and :mod:`.peer`, which run in different environments; needs nothing beyond numpy.
The clock runs from inputs in numpy arrays to results in numpy arrays; freeing the results is not timed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Result = dict[str, NDArray[Any]]
    Task = Callable[[], Result]

_PACKAGES = ("neural-tangents", "ntkbench", "jax", "jaxlib", "torch", "numpy", "scipy")


class UnavailableHereError(Exception):
    """This implementation does not support the request."""


def serve(build: Callable[[dict[str, Any]], Task]) -> None:
    """Answer requests from standard input until it ends. ``build`` turns a specification into a task."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries may print: keep that apart from answers
    tasks: dict[str, Task] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _answer(request, build, tasks)
        except UnavailableHereError as error:
            answer = {"unavailable": str(error)}
        except Exception as error:  # one failure is one row of the table
            answer = {"failed": f"{type(error).__name__}: {error}"}
        gc.collect()
        print(json.dumps(answer), file=answers, flush=True)


def _answer(request: dict[str, Any], build: Callable[[dict[str, Any]], Task], tasks: dict[str, Task]) -> dict[str, Any]:
    match request["do"]:
        case "versions":
            return {"python": sys.version.split()[0], **_versions()}
        case "prepare":
            tasks[request["key"]] = build(request["spec"])
            if not request.get("run", True):
                return {}
            first = _timed(tasks[request["key"]])  # compiles
            return {"first_seconds": first["seconds"], "shapes": first["shapes"], "dtypes": first["dtypes"]}
        case "time":
            return _timed(tasks[request["key"]])
        case "memory":
            return _memory(tasks[request["key"]])
        case "save":
            np.savez(request["path"], allow_pickle=False, **_sampled(tasks[request["key"]](), request.get("stride", 1)))
            return {}
        case "forget":
            tasks.pop(request["key"], None)
            return {}
    raise ValueError(f"no request {request['do']!r}")


def _timed(task: Task) -> dict[str, Any]:
    cpu, start = time.process_time(), time.perf_counter()
    result = task()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    _check_in_host_memory(result)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "shapes": {name: list(array.shape) for name, array in result.items()},
        "dtypes": {name: str(array.dtype) for name, array in result.items()},
    }


def _check_in_host_memory(result: Result) -> None:
    for name, array in result.items():
        if type(array) is not np.ndarray:
            raise TypeError(f"{name} is a {type(array).__name__}, not an array in host memory: the clock stopped early")


def _memory(task: Task) -> dict[str, Any]:
    """Return the most memory resident during one call, beyond what was resident before it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # otherwise memory freed by an earlier call hides what this one takes
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status_bytes("VmRSS")
    result = task()
    peak = _status_bytes("VmHWM")
    return {"extra_bytes": peak - before, "result_bytes": sum(array.nbytes for array in result.values())}


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def _sampled(result: Result, stride: int) -> Result:
    """Keep a regular sample of rows and columns, from all tiles, with part of the diagonal."""
    if stride == 1:
        return result
    return {name: array[..., ::stride, ::stride] for name, array in result.items()}


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
