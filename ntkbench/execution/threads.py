"""How many threads numerical libraries may use: read from the environment when they are first imported."""

from __future__ import annotations


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that limit OpenMP, BLAS and XLA on the CPU to ``threads`` threads.

    Decompositions differ in their last bits with the number of threads, so it is part of a run's record.
    """
    count = str(threads)
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
    eigen = "true" if threads > 1 else "false"
    return dict.fromkeys(names, count) | {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen}"}
