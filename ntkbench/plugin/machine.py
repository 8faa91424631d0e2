"""What this process may use of this machine: cores, memory, and how fast they multiply matrices."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")  # Linux, control groups of version 2


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Return the memory in bytes of the machine, or of the container this runs in; None where it is not known."""
    if sys.platform == "win32":
        return None
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CONTAINER_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or "max"
        return machine


def multiply_rate(seconds: float = 0.05) -> float:
    """Return the flops per second of products of float32 matrices on all cores: the best within some ``seconds``.

    It is measured on one core, with matrices too small to be shared out: if another program runs, threads that wait for
    each other would measure that.
    """
    import numpy as np

    size, best = 64, float("inf")
    matrix = np.ones((size, size), dtype=np.float32)
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return cores() * 2 * size**3 / best
