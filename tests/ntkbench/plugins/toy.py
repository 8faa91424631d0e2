"""A plugin of the user's own, as small as one can be: a task, a kernel, and networks that misbehave on request."""

import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import ntkbench
from ntkbench.dynamics import decompose, kernel_dynamics
from ntkbench.errors import UnavailableError
from ntkbench.plugin.specs import BackendSpec, Estimate, MethodFacts, MetricSpec, Sizes, TaskSpec
from ntkbench.plugin.types import Measurement, Problem, Solution


class Nested(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    slope: float = 0.0


class TaskParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    n_train: int = Field(default=4, ge=1)
    outputs: int = Field(default=1, ge=1)
    labels: bool = False
    nan: bool = False
    noise: Nested = Nested()


class KernelParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    kernel: Literal["ntk"] = "ntk"
    fail: bool = False
    log: str = Field(default="", description="a file to which every solved cell adds a line")


class NetworkParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    behave: Literal[
        "well",
        "raise",
        "segfault",
        "sleep",
        "exit",
        "kill",
        "memory",
        "unavailable",
        "surrogate",
        "diverge",
        "diverge-one",
        "shape",
        "nothing",
        "word",
        "fact",
        "stranger",
        "print",
    ] = "well"
    at_width: int = Field(default=0, description="misbehave only at this width; 0: at all")
    seconds: float = 0.0
    log: str = Field(default="", description="a file to which every solved cell adds a line")


def load(parameters, split_index, seed):
    x = np.random.default_rng([seed, split_index]).standard_normal((parameters.n_train + 3, 2))
    if parameters.nan:
        x[1, 1] = np.nan
    weights = np.array([[1.0], [-2.0]]) * (1 + np.arange(parameters.outputs))
    y = np.nan_to_num(x) @ weights + 0.5 + parameters.noise.slope * np.nan_to_num(x[:, :1])
    n = parameters.n_train
    labels = (y[:, 0] > 0.5).astype(np.int64) if parameters.labels else None
    return Problem(
        x_train=x[:n],
        y_train=y[:n],
        x_test=x[n:],
        y_test=y[n:],
        labels_train=None if labels is None else labels[:n],
        labels_test=None if labels is None else labels[n:],
    )


def solve_kernel(request):
    if request.parameters.fail:
        raise RuntimeError("the toy kernel fails on request")
    _note(request.parameters.log, "kernel")
    x, z = request.problem.x_train, request.problem.x_test
    kernel, kernel_test = x @ x.T + 1, z @ x.T + 1
    spectrum = decompose(kernel)
    training = request.training.resolved(float(spectrum.eigenvalues[0]), len(x))
    found = kernel_dynamics(
        kernel,
        kernel_test,
        request.problem.y_train,
        learning_rate=training.learning_rate,
        steps=training.steps,
        spectrum=spectrum,
    )
    return Solution(
        times=training.times,
        steps=training.steps,
        training=training,
        mean_train=found.train,
        mean_test=found.test,
        variance_train=np.ones_like(found.train),
        variance_test=np.ones_like(found.test),
        kernel_train=kernel,
        kernel_test=kernel_test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
    )


def solve_network(request):
    parameters = request.parameters
    behave = parameters.behave if parameters.at_width in (0, request.width) else "well"
    _note(parameters.log, f"start {request.width}")
    _misbehave(behave)
    time.sleep(parameters.seconds)
    _note(parameters.log, f"network {request.width}")
    rng = np.random.default_rng([request.seed, request.width])
    records, outputs = len(request.training.steps), request.problem.y_train.shape[1]
    n, m = len(request.problem.x_train), len(request.problem.x_test)
    train = rng.standard_normal((request.members, records, n, outputs)) / request.width
    test = rng.standard_normal((request.members, records, m, outputs)) / request.width
    diverged = np.full(request.members, -1)
    count = {"diverge": request.members, "diverge-one": 1}.get(behave, 0)
    train[:count, -1], test[:count, -1], diverged[:count] = np.nan, np.nan, request.training.steps[-1]
    if behave == "shape":
        test = test[:, :, :-1]
    if behave == "nothing":
        return None
    request.progress(1, 2)
    distances = rng.uniform(0.9, 1.1, request.members) / request.width**0.5
    return Solution(
        times=request.training.times,
        steps=request.training.steps,
        training=request.training,
        members_train=train,
        members_test=test,
        diverged_at=diverged,
        parameters="many" if behave == "fact" else 7,
        measurements=tuple(
            Measurement(
                metric="ntk_distance_frobenius",
                value="far" if behave == "word" else value,
                unit="1",
                reference="stranger" if behave == "stranger" else "ntk",
                split="train",
                member=k,
                step=0,
                time=0.0,
            )
            for k, value in enumerate(distances if "ntk" in request.references or behave == "stranger" else ())
        ),
    )


def _misbehave(how):
    if how == "raise":
        raise ValueError("the toy network fails on request")
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "sleep":
        print("before the sleep")
        time.sleep(600)
    if how == "exit":
        os._exit(3)
    if how == "memory":
        raise MemoryError("no room on request")
    if how == "unavailable":
        raise UnavailableError("the toy device is missing")
    if how == "surrogate":
        raise ValueError("bytes that are no text: \udcff")
    if how == "print":
        print("a word on stdout")
        print("a word on stderr", file=sys.stderr)
        warnings.warn("a warning", stacklevel=2)


def _note(path, text):
    if path:
        with Path(path).open("a") as file:
            file.write(text + "\n")


def measure_offset(problem, solution, reference):
    yield Measurement(metric="toy_offset", value=float(problem.y_train.mean()), unit="target")


@ntkbench.hookimpl
def ntkbench_register_tasks():
    return [
        TaskSpec(
            name="toy/line",
            version=1,
            summary="a plane in two variables",
            parameters=f"{__name__}:TaskParameters",
            target=f"{__name__}:load",
            sizes=lambda parameters: Sizes(parameters.n_train, 3, 2, parameters.outputs, 1000),
            fingerprint=lambda parameters: "",
            standardise_inputs=True,
            standardise_targets=False,
        )
    ]


@ntkbench.hookimpl
def ntkbench_register_backends():
    return [
        BackendSpec(
            name="toy-kernel",
            version=1,
            summary="the kernel x.x' + 1",
            role="reference",
            parameters=f"{__name__}:KernelParameters",
            target=f"{__name__}:solve_kernel",
            supports=lambda architecture: None,
            estimate=lambda work: Estimate(1e3, 1e3),
            facts=lambda parameters: MethodFacts(kernel=parameters.kernel),
        ),
        BackendSpec(
            name="toy-network",
            version=1,
            summary="networks that misbehave on request",
            role="subject",
            parameters=f"{__name__}:NetworkParameters",
            target=f"{__name__}:solve_network",
            supports=lambda architecture: "only up to depth 9" if architecture.depth > 9 else None,
            estimate=lambda work: Estimate(1e3, 1e3),
            observables={"ntk_distance": "distance of the kernel to its limit"},
        ),
    ]


@ntkbench.hookimpl
def ntkbench_register_metrics():
    return [
        MetricSpec(
            name="toy_offset",
            version=1,
            summary="mean target",
            unit="target",
            goal="none",
            target=f"{__name__}:measure_offset",
        )
    ]
