"""Support vector machines on precomputed kernels, and the choice among them."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from ntkbench.plugin import DataError, select
from ntkbench_jax import analytic_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import Float, Int, Problem

    from .parameters import Parameters

_CACHE_MEGABYTES = 1000


class Kernel(NamedTuple):
    """A kernel of networks with ``depth`` hidden layers, whose first ``fixed`` layers of weights are not trained."""

    depth: int
    fixed: int


@dataclass(frozen=True)
class TunedClassifier:
    """The chosen machine, its accuracy where it was chosen, and how many of the ``fits`` were cut short."""

    kernel: Kernel
    c: float
    accuracy: float
    fits: int
    cut: int


class Fitted(NamedTuple):
    """Predicted labels of training and test points, and whether libsvm was cut short."""

    train: Int
    test: Int
    cut: bool


def kernels_up_to(depth: int, parameters: Parameters) -> list[Kernel]:
    """Return the candidate kernels in order of preference among equals: by depth, then fixed."""
    any_fixed = parameters.fixed_layers == "any"
    return [Kernel(p, q) for p in range(depth + 1) for q in range(p + 1 if any_fixed else 1)]


def choose(
    tuning: Sequence[Problem], architecture: Architecture, parameters: Parameters, threads: int
) -> TunedClassifier:
    """Return the kernel and the penalty with the highest mean accuracy over the tuning problems.

    Among equals the first one is kept, in the order of depth, fixed layers and C (Arora et al. 2019).

    :raises DataError: for a problem without classes.
    """
    kernels = kernels_up_to(architecture.depth, parameters)

    def scores(kernel: Kernel) -> tuple[Float, int]:
        found = [_scores(problem, kernel, architecture, parameters) for problem in tuning]
        return np.mean([accuracy for accuracy, _ in found], axis=0), sum(cut for _, cut in found)

    with _quiet(), ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(scores, kernels))
    best = select(kernels, [-accuracy for accuracy, _ in results])
    return TunedClassifier(
        kernel=best.candidate,
        c=parameters.c[best.place[0]],
        accuracy=-best.score,
        fits=len(kernels) * len(parameters.c) * len(tuning),
        cut=sum(cut for _, cut in results),
    )


def _scores(problem: Problem, kernel: Kernel, architecture: Architecture, parameters: Parameters) -> tuple[Float, int]:
    """Return the accuracy (C,) on a problem's test points for each penalty, and how many fits were cut short."""
    train, test = gram(problem, kernel, architecture, parameters)
    accuracy, cut = np.empty(len(parameters.c)), 0
    for i, c in enumerate(parameters.c):
        machine, was_cut = _fit(train, _labels(problem)[0], c, parameters)
        accuracy[i] = np.mean(machine.predict(test) == _labels(problem)[1])
        cut += was_cut
    return accuracy, cut


def predict(problem: Problem, chosen: TunedClassifier, architecture: Architecture, parameters: Parameters) -> Fitted:
    """Return the predictions of the chosen machine, fitted to the training points, on all points."""
    train, test = gram(problem, chosen.kernel, architecture, parameters)
    with _quiet():
        machine, cut = _fit(train, _labels(problem)[0], chosen.c, parameters)
    return Fitted(machine.predict(train), machine.predict(test), cut)


def gram(problem: Problem, kernel: Kernel, architecture: Architecture, parameters: Parameters) -> tuple[Float, Float]:
    """Return the kernel on the training points (N, N), and between test and training points (M, N).

    Inputs times sqrt(n_0) turn x.x'/n_0 into x.x'.
    """
    scale = np.sqrt(problem.x_train.shape[1]) if parameters.inner_product == "sum" else 1.0
    x_train, x_test = scale * problem.x_train, scale * problem.x_test
    part = architecture.model_copy(update={"depth": kernel.depth})
    train = analytic_kernel(x_train, architecture=part, fixed_layers=kernel.fixed)
    test = analytic_kernel(x_test, x_train, architecture=part, fixed_layers=kernel.fixed)
    return np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)


def _fit(kernel: Float, labels: Int, c: float, parameters: Parameters) -> tuple[SVC, bool]:
    machine = SVC(kernel="precomputed", C=c, cache_size=_CACHE_MEGABYTES, max_iter=parameters.max_iter)
    machine.fit(kernel, labels)
    return machine, bool(machine.fit_status_)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about fits that are cut short, which are counted; wraps all threads, which share the filters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _labels(problem: Problem) -> tuple[Int, Int]:
    if problem.labels_train is None or problem.labels_test is None:
        raise DataError("backend sklearn-svm: the task has no classes")
    return problem.labels_train, problem.labels_test
