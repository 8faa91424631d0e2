"""Regression with large kernels: time of each stage, peak memory, and the accuracy reached.

    python benchmarks/large_regression.py [--points 20000] [--larger 40000] [--outputs 10] [--time 1e4] [--only NAME]

ReLU, 3 hidden layers, NTK, 32 standard normal inputs; N training points, 2000 test points. Each row is a separate
process, which gives its own peak memory:

    lapack      the kernel's matrix, and LAPACK's potrf of it in float64 (torch's, which is MKL's): the yardstick
    cholesky    NTKRegressor(solver="cholesky"), t = inf
    lanczos     NTKRegressor(solver="iterative") at a finite time
    two         NTKRegressor(solver="iterative"), t = inf: a float32 factor, float64 products (with --larger: there)

``kernel`` is the assembly of the matrix, ``factor`` its factorisation, ``rest`` all else in fit, ``predict`` the mean
at the test points. ``error`` is what the estimator reports, a bound on the relative 2-norm error on the training
points; ``measured`` is the same, computed from the kernel at 500 of them (at t = inf).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from threadpoolctl import threadpool_info

from ntkbench import Architecture
from ntkbench_jax import NTKRegressor, analytic_kernel
from ntkbench_jax.regression import direct, iterative
from ntkbench_jax.regression.source import AnalyticSource, assemble

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES, TEST_POINTS, CHECKED = 32, 2000, 500
ARCHITECTURE = Architecture(depth=3, activation="relu")
COLUMNS = ("job", "N", "kernel", "factor", "rest", "predict", "iterations", "error", "measured", "GiB")


def data(points: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((points, FEATURES)), rng.standard_normal((TEST_POINTS, FEATURES))
    y = np.sin(x @ rng.standard_normal((FEATURES, outputs)) / np.sqrt(FEATURES))
    return x, y + 0.1 * rng.standard_normal(y.shape), z


class Stopwatch:
    """Seconds by name; ``watch`` replaces a function of a module by itself, timed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def call(self, name: str, work: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        result = work(*arguments, **keywords)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return result

    def watch(self, module: Any, attribute: str, name: str) -> None:
        work = getattr(module, attribute)
        setattr(module, attribute, lambda *arguments, **keywords: self.call(name, work, *arguments, **keywords))


def measure_lapack(points: int, outputs: int) -> dict[str, Any]:
    x, _, _ = data(points, outputs)
    clock = Stopwatch()
    matrix = clock.call("kernel", assemble, AnalyticSource(x, ARCHITECTURE))
    clock.call("factor", torch.linalg.cholesky, torch.from_numpy(matrix.T))  # OpenBLAS's own may crash at this size
    return clock.seconds


def measure_regressor(points: int, outputs: int, **keys: Any) -> dict[str, Any]:
    x, y, z = data(points, outputs)
    clock = Stopwatch()
    for module in (direct, iterative):
        clock.watch(module, "assemble", "kernel")
        clock.watch(module, "factorise", "factor")
    fitted = clock.call("fit", NTKRegressor(depth=3, activation="relu", **keys).fit, x, y)
    clock.call("predict", fitted.predict, z)
    found = dict(clock.seconds)
    found["rest"] = found.pop("fit") - found["kernel"] - found.get("factor", 0.0)
    if keys["time"] == inf:
        some = np.random.default_rng(1).choice(points, min(CHECKED, points), replace=False)
        left = y[some] - fitted.predict(x[some])  # no ridge
        found["measured"] = float((np.linalg.norm(left, axis=0) / np.linalg.norm(y[some], axis=0)).max())
    return found | {"iterations": fitted.iterations_, "error": float(fitted.error_.max())}


def measure(job: str, points: int, outputs: int, flow_time: float) -> dict[str, Any]:
    analytic_kernel(np.eye(3, FEATURES), architecture=ARCHITECTURE)  # start JAX
    if job == "lapack":
        found = measure_lapack(points, outputs)
    else:
        solver = "cholesky" if job == "cholesky" else "iterative"
        found = measure_regressor(points, outputs, solver=solver, time=flow_time if job == "lanczos" else inf)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found | {"job": job, "N": points, "GiB": peak / 2**30}


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    blas = {f"{pool['internal_api']} {pool['version']} ({pool['num_threads']} threads)" for pool in threadpool_info()}
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "scipy", "torch"))
    return (
        f"{names[0] if names else platform.processor()}; Python {platform.python_version()}, {packages}; "
        f"{', '.join(sorted(blas))}"
    )


def shown(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column in ("error", "measured"):
        return f"{value:.1e}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--larger", type=int, help="training points for the job in two precisions")
    parser.add_argument("--outputs", type=int, default=10)
    parser.add_argument("--time", type=float, default=1e4)
    parser.add_argument("--only", nargs="+", choices=["lapack", "cholesky", "lanczos", "two"])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child[0], int(options.child[1]), options.outputs, options.time)))
        return
    print(machine())
    print(f"{options.outputs} outputs, finite time {options.time:g}, {TEST_POINTS} test points; seconds and GiB\n")
    print("".join(f"{column:>11}" for column in COLUMNS), flush=True)
    for job in options.only or ("lapack", "cholesky", "lanczos", "two"):
        points = options.larger if job == "two" and options.larger else options.points
        command = [sys.executable, __file__, "--child", job, str(points)]
        command += ["--outputs", str(options.outputs), "--time", str(options.time)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{job:>11}{points:>11} ended with {done.returncode}", flush=True)
            continue
        found = json.loads(done.stdout)
        print("".join(f"{shown(column, found.get(column)):>11}" for column in COLUMNS), flush=True)
    print(f"\nload of the machine over the last 15 minutes: {os.getloadavg()[2]:.1f} (at rest but for this: about 2)")


if __name__ == "__main__":
    main()
