"""The baselines: what each predicts, against a formula; what it chooses, against a plain loop; what it ignores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.plugin.selection import SelectionCache
from ntkbench.plugin.specs import Sizes, Workload, import_target
from ntkbench.plugin.types import Problem, Request, Training
from ntkbench_sklearn.baselines import selection
from ntkbench_sklearn.baselines.parameters import ForestParameters, LinearParameters, RbfParameters
from ntkbench_sklearn.plugin import ntkbench_register_backends

SPECS = {spec.name: spec for spec in ntkbench_register_backends() if spec.name != "sklearn-svm"}
FEW = {
    "sklearn-linear": LinearParameters(),
    "sklearn-rbf": RbfParameters(gammas=(0.1, 1.0, 3.0), ridges=(1e-6, 1e-3, 0.1)),
    "sklearn-forest": ForestParameters(trees=20),
}


def data(seed, n, classes=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)) @ np.diag([3.0, 1.0, 0.5, 0.0]) + [0, 5, 0, 2]  # the last input is constant
    y = np.stack([np.sin(x[:, 0]) + 0.3 * x[:, 1], x[:, 2] ** 2], axis=1) + 0.2 * rng.standard_normal((n, 2))
    if not classes:
        return x, y, None
    labels = np.digitize(np.sin(x[:, 0]), [-0.4, 0.4]) if classes == 3 else (y[:, 0] > 1.5).astype(int)
    return x, np.eye(3)[labels] - 1 / 3 if classes == 3 else 2.0 * labels[:, None] - 1, labels


def problem(seed=0, classes=0, tuning=True):
    (x, y, labels), (x_test, y_test, labels_test) = data(seed, 60, classes), data(seed + 50, 25, classes)
    parts = tuple(problem(seed + 7 + i, classes, tuning=False) for i in range(2)) if tuning else ()
    return Problem(
        x_train=x, y_train=y, x_test=x_test, y_test=y_test,
        labels_train=labels, labels_test=labels_test, tuning=parts,
    )  # fmt: skip


def solve(name, found, seed=3, threads=1, parameters=None):
    return import_target(SPECS[name].target)(
        Request(
            problem=found,
            architecture=Architecture(depth=1),
            training=Training(learning_rate=1.0, steps=np.array([0])),
            parameters=parameters or FEW[name],
            seed=seed,
            threads=threads,
        )
    )


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(selection, "_selections", SelectionCache())


def linear_by_hand(x, y, at, ridge):
    """Return the minimum of |y - a - x w|^2 + alpha |w|^2 from an augmented least-squares problem."""
    alpha = ridge * np.square(x - x.mean(axis=0)).sum() / x.shape[1]
    rows = np.block([[np.ones((len(x), 1)), x], [np.zeros((x.shape[1], 1)), np.sqrt(alpha) * np.eye(x.shape[1])]])
    weights = np.linalg.lstsq(rows, np.concatenate([y, np.zeros((x.shape[1], y.shape[1]))]), rcond=None)[0]
    return weights[0] + at @ weights[1:]


def rbf_by_hand(x, y, at, gamma, ridge):
    def kernel(a, b):
        squared = np.square(a[:, None] - b[None]).sum(axis=2)
        return np.exp(-gamma / (x.shape[1] * np.var(x)) * squared)

    return kernel(at, x) @ np.linalg.solve(kernel(x, x) + ridge * np.eye(len(x)), y)


def forest_by_hand(x, y, at, max_features, min_samples_leaf):
    forest = RandomForestRegressor(
        20,
        max_features=max_features,
        min_samples_leaf=int(min_samples_leaf),
        random_state=int(np.random.SeedSequence(3).generate_state(1)[0]),
    )
    return forest.fit(x, y if y.shape[1] > 1 else y[:, 0]).predict(at).reshape(len(at), -1)


BY_HAND = {"sklearn-linear": linear_by_hand, "sklearn-rbf": rbf_by_hand, "sklearn-forest": forest_by_hand}
SETTINGS = {
    "sklearn-linear": [{"ridge": ridge} for ridge in LinearParameters().ridges],
    "sklearn-rbf": [{"gamma": g, "ridge": r} for g in (0.1, 1.0, 3.0) for r in (1e-6, 1e-3, 0.1)],
    "sklearn-forest": [{"max_features": f, "min_samples_leaf": leaf} for f in (1 / 3, 1.0) for leaf in (1, 3, 10)],
}


def score_by_hand(name, part, setting, classes):
    outputs = BY_HAND[name](part.x_train, part.y_train, part.x_test, **setting)
    if not classes:
        return 0.0, np.mean((outputs - part.y_test) ** 2)
    labels = outputs.argmax(axis=1) if classes > 2 else outputs[:, 0] > 0
    return np.mean(labels != part.labels_test), np.mean((outputs - part.y_test) ** 2)


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("name", SPECS)
def test_choice_and_predictions_are_those_of_a_plain_loop(name, classes):
    found = problem(classes=classes)
    scores = [
        tuple(np.mean([score_by_hand(name, part, setting, classes) for part in found.tuning], axis=0))
        for setting in SETTINGS[name]
    ]
    best = SETTINGS[name][min(range(len(scores)), key=lambda i: scores[i])]
    solution = solve(name, found)
    assert {row.metric: row.value for row in solution.measurements} == {
        f"chosen_{key}": value for key, value in best.items()
    }
    for at, outputs in ((found.x_test, solution.mean_test), (found.x_train, solution.mean_train)):
        expected = BY_HAND[name](found.x_train, found.y_train, at, **best)
        np.testing.assert_allclose(outputs[0], expected, rtol=1e-8, atol=1e-10)
    assert solution.times.tolist() == [np.inf]


@pytest.mark.parametrize("name", SPECS)
def test_what_is_to_be_predicted_enters_nowhere(name):
    found = problem(classes=3)
    blind = replace(found, y_test=np.zeros_like(found.y_test), labels_test=np.zeros_like(found.labels_test))
    np.testing.assert_array_equal(solve(name, found).mean_test, solve(name, blind).mean_test)


def test_a_forest_is_the_same_for_any_number_of_threads_and_another_for_another_seed():
    found = problem()
    forests = [solve("sklearn-forest", found, threads=threads).mean_test for threads in (1, 2, 3)]
    np.testing.assert_array_equal(forests[0], forests[1])
    np.testing.assert_array_equal(forests[0], forests[2])
    assert (solve("sklearn-forest", found, seed=4).mean_test != forests[0]).any()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", ["sklearn-linear", "sklearn-rbf"])
def test_the_unit_of_the_inputs_does_not_matter(name, scale):
    def scaled(part):
        return replace(
            part, x_train=scale * part.x_train, x_test=scale * part.x_test, tuning=tuple(map(scaled, part.tuning))
        )

    found = problem()
    np.testing.assert_allclose(solve(name, scaled(found)).mean_test, solve(name, found).mean_test, rtol=1e-7, atol=1e-9)


def test_constant_inputs_predict_the_mean():
    flat = problem(tuning=False)
    flat = replace(flat, x_train=np.ones((60, 4)), x_test=np.ones((25, 4)))
    solution = solve("sklearn-linear", replace(flat, tuning=(flat,)))
    np.testing.assert_allclose(solution.mean_test[0], np.tile(flat.y_train.mean(axis=0), (25, 1)), rtol=1e-13)


def test_few_rows_choose_and_all_are_fitted():
    found = problem()
    parameters = FEW["sklearn-rbf"].model_copy(update={"tuning_rows": 20})
    cut = tuple(replace(part, x_train=part.x_train[:20], y_train=part.y_train[:20]) for part in found.tuning)
    few = solve("sklearn-rbf", found, parameters=parameters)
    np.testing.assert_array_equal(few.mean_test, solve("sklearn-rbf", replace(found, tuning=cut)).mean_test)


def test_one_choice_serves_all_that_choose_on_the_same_problems(monkeypatch):
    made = []
    monkeypatch.setattr(selection, "_choose", lambda tuning, method: made.append(method.name) or method.settings[0])
    for seed in (0, 1):
        solve("sklearn-rbf", replace(problem(seed), tuning=problem(0).tuning))
    solve("sklearn-rbf", problem(1))
    assert len(made) == 2


@pytest.mark.parametrize("name", SPECS)
def test_without_rows_for_validation_it_says_so(name):
    with pytest.raises(DataError, match=f"{name}: the task has no tuning problems"):
        solve(name, problem(tuning=False))


@pytest.mark.parametrize("name", SPECS)
def test_a_cost_grows_with_the_rows(name):
    def cost(n):
        return SPECS[name].estimate(Workload(Sizes(n, 100, 8, 1, 1), Architecture(depth=1)))

    assert 0 < cost(100).flops < cost(10_000).flops
    assert 0 < cost(100).bytes < cost(10_000).bytes
    assert SPECS[name].supports(Architecture(depth=5, activation="erf")) is None
