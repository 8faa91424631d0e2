"""The support vector machines of A19: the same as a plain program written from the paper, choice and all."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.svm import SVC

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.plugin.selection import SelectionCache
from ntkbench.plugin.types import Problem, Request, Training
from ntkbench_sklearn.plugin import ntkbench_register_backends, supports
from ntkbench_sklearn.svm import solve as backend
from ntkbench_sklearn.svm.estimate import estimate
from ntkbench_sklearn.svm.machines import Kernel, choose, gram, kernels_up_to
from ntkbench_sklearn.svm.parameters import Parameters

A19 = Architecture(depth=3, activation="relu", weight_std=1.0, bias_std=0.0)


def arc_cosine_kernels(x, depth):
    """Return {(p, q): kernel}, as Arora et al. 2019 write them: x.x' and expectations without a factor 2."""
    covariance = x @ x.T
    found, tangents = {(0, 0): covariance}, {0: covariance}
    for p in range(1, depth + 1):
        norm = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        cosine = np.clip(covariance / norm, -1, 1)
        slope = (math.pi - np.arccos(cosine)) / (2 * math.pi)
        covariance = norm * (cosine * (math.pi - np.arccos(cosine)) + np.sqrt(1 - cosine**2)) / (2 * math.pi)
        tangents = {q: tangent * slope + covariance for q, tangent in tangents.items()} | {p: covariance}
        found |= {(p, q): tangent for q, tangent in tangents.items()}
    return found


def problem(seed, n=40, m=30, classes=3, features=5, tuning=()):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + m, features))
    labels = np.argmax(x[:, :classes] ** 2 + 0.3 * rng.standard_normal((n + m, classes)), axis=1)
    labels[:classes] = range(classes)
    y = np.eye(classes)[labels] - 1 / classes if classes > 2 else np.where(labels > 0, 1.0, -1.0)[:, None]
    return Problem(
        x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:],
        labels_train=labels[:n], labels_test=labels[n:], tuning=tuning,
    )  # fmt: skip


def plainly(found):
    """Return (p, q, C), its validation accuracy and its predictions, as the paper says, one after the other."""
    (half,) = found.tuning
    best = (-1.0, None)
    kernels = arc_cosine_kernels(np.concatenate([half.x_train, half.x_test]), A19.depth)
    n = len(half.x_train)
    for p in range(A19.depth + 1):
        for q in range(p + 1):
            for penalty in (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4):
                machine = SVC(kernel="precomputed", C=penalty, max_iter=200_000).fit(
                    kernels[p, q][:n, :n], half.labels_train
                )
                accuracy = np.mean(machine.predict(kernels[p, q][n:, :n]) == half.labels_test)
                if accuracy > best[0]:
                    best = (accuracy, (p, q, penalty))
    accuracy, (p, q, penalty) = best
    kernel = arc_cosine_kernels(np.concatenate([found.x_train, found.x_test]), A19.depth)[p, q]
    n = len(found.x_train)
    machine = SVC(kernel="precomputed", C=penalty, max_iter=200_000).fit(kernel[:n, :n], found.labels_train)
    return (p, q, penalty), accuracy, machine.predict(kernel[n:, :n])


def request(found, parameters=None, threads=1):
    training = Training(learning_rate=1.0, steps=np.array([0]))
    return Request(
        problem=found, architecture=A19, training=training, parameters=parameters or Parameters(), threads=threads
    )


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(backend, "_selections", SelectionCache())


@pytest.mark.filterwarnings("ignore:Solver terminated early")  # in the plain program
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (1, 2, 3))])
@pytest.mark.parametrize("classes", [2, 3])
def test_it_chooses_and_answers_as_a_plain_program_does(seed, classes):
    found = problem(seed, classes=classes, tuning=(problem(seed + 100, classes=classes),))
    chosen, accuracy, answers = plainly(found)
    solution = backend.solve(request(found, threads=2))
    facts = {row.metric: row.value for row in solution.measurements}
    assert (facts["chosen_depth"], facts["chosen_fixed_layers"], facts["chosen_c"]) == chosen
    assert facts["validation_accuracy"] == pytest.approx(accuracy, rel=1e-14)
    outputs = solution.mean_test[0]
    np.testing.assert_array_equal(outputs[:, 0] > 0 if classes == 2 else outputs.argmax(axis=1), answers)


@pytest.mark.parametrize("kernel", kernels_up_to(3, Parameters()))
def test_kernels_are_those_of_the_paper(kernel):
    found = problem(7)
    expected = arc_cosine_kernels(np.concatenate([found.x_train, found.x_test]), 3)[kernel]
    train, test = gram(found, kernel, A19, Parameters())
    np.testing.assert_allclose(train, expected[:40, :40], rtol=0, atol=1e-8 * expected.max())  # arccos near 1: 1e-8
    np.testing.assert_allclose(test, expected[40:, :40], rtol=0, atol=1e-13 * expected.max())
    mean, _ = gram(found, kernel, A19, Parameters(inner_product="mean"))
    np.testing.assert_allclose(5 * mean, train, rtol=1e-13)


def test_the_order_of_kernels_is_the_order_of_the_paper():
    assert kernels_up_to(2, Parameters()) == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    assert kernels_up_to(2, Parameters(fixed_layers="none")) == [(0, 0), (1, 0), (2, 0)]
    assert len(kernels_up_to(4, Parameters())) == 15


def test_the_first_best_is_kept():
    """Where all machines are right about everything it is the linear one with the smallest C."""
    x = np.array([[-3.0], [-2.5], [-2.8], [2.7], [3.0], [2.6]])
    labels = (x[:, 0] > 0).astype(int)
    y = np.where(labels > 0, 1.0, -1.0)[:, None]
    easy = Problem(x_train=x, y_train=y, x_test=x, y_test=y, labels_train=labels, labels_test=labels)
    chosen = choose([easy], A19, Parameters(c=(1.0, 2.0)), 1)
    assert (chosen.kernel, chosen.c, chosen.accuracy) == (Kernel(0, 0), 1.0, 1.0)
    assert chosen.fits == 10 * 2


def test_a_fit_that_is_cut_short_is_counted_and_warns_nobody():
    found = problem(1, tuning=(problem(2),))
    solution = backend.solve(request(found, Parameters(max_iter=1)))
    facts = {row.metric: row.value for row in solution.measurements}
    assert facts["fits_cut_short"] > 60  # of 10 kernels, 7 penalties and the answer


def test_splits_that_choose_on_the_same_problems_choose_once(monkeypatch):
    tuning, calls = (problem(5),), []
    real = backend.choose
    monkeypatch.setattr(backend, "choose", lambda *keys: calls.append(1) or real(*keys))
    first, second = (backend.solve(request(problem(seed, tuning=tuning))) for seed in (0, 1))
    assert len(calls) == 1
    assert not np.array_equal(first.mean_test, second.mean_test)
    backend.solve(request(problem(0, tuning=tuning), Parameters(c=(1.0,))))
    backend.solve(request(problem(0, tuning=(problem(6),))))
    assert len(calls) == 3


def test_several_problems_to_choose_on_are_averaged():
    parts = (problem(5), problem(6))
    both = choose(parts, A19, Parameters(), 1)
    scores = []
    for part in parts:
        n = len(part.x_train)
        kernel = arc_cosine_kernels(np.concatenate([part.x_train, part.x_test]), 3)[both.kernel]
        machine = SVC(kernel="precomputed", C=both.c).fit(kernel[:n, :n], part.labels_train)
        scores.append(np.mean(machine.predict(kernel[n:, :n]) == part.labels_test))
    assert both.accuracy == pytest.approx(np.mean(scores), rel=1e-14)


def test_tasks_without_classes_or_without_rows_to_choose_on_are_refused():
    with pytest.raises(DataError, match="no tuning problems"):
        backend.solve(request(problem(0)))
    x, y = np.ones((3, 1)), np.ones((3, 1))
    with pytest.raises(DataError, match="no classes"):
        backend.solve(request(Problem(x_train=x, y_train=y, x_test=x, y_test=y)))


@pytest.mark.parametrize(
    "keys", [{"c": ()}, {"c": (1.0, 1.0)}, {"c": (0.0,)}, {"max_iter": 0}, {"fixed_layers": "all"}]
)
def test_senseless_parameters_are_refused(keys):
    with pytest.raises(ValueError, match=next(iter(keys))):
        Parameters(**keys)


def test_what_it_supports_and_costs():
    spec = next(spec for spec in ntkbench_register_backends() if spec.name == "sklearn-svm")
    assert spec.role == "reference" and spec.estimate is estimate
    assert supports(A19) is None
    assert "global" in supports(Architecture(parameterization="standard-global-rate"))
    code = "import sys; import ntkbench_sklearn.plugin; print(sorted({'sklearn', 'jax', 'scipy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
