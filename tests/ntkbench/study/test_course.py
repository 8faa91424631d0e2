"""Costs, mini-batches, stops and recorded steps, from a study's TOML to the cells and what is measured."""

import numpy as np
import pytest
from toy_runs import TOY, study

from ntkbench.errors import DataError, StudyError
from ntkbench.execution.data import with_loss
from ntkbench.metrics.errors import function_distance, loss
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.types import Problem, Solution, Training
from ntkbench.study.model import TrainingEntry
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

BOTH = {
    "task": [{"name": "synthetic/circle", "n_train": 8}],
    "reference": [{"label": "ntk", "backend": "jax", "kernel": "ntk"}],
    "subject": [{"label": "network", "backend": "torch", "widths": [4], "members": 2, "compare_with": ["ntk"]}],
}


@pytest.fixture(scope="module")
def registry():
    return load_registry([TOY])


def plan(registry, *, task=(), **training):
    entry = {**BOTH["task"][0], **dict(task)}
    asked = {**study(), **BOTH, "task": [entry], "training": {"learning_rate": 0.1, "steps": 8, **training}}
    asked.pop("metrics", None)
    return make_plan(resolve_study(asked, registry), registry)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 3},
        {"non_gradient": 0.5},
        {"stop_loss": 0.1},
        {"stop_patience": 5},
        {"task": {"loss": "huber"}},
        {"task": {"loss": "cross-entropy"}},
    ],
    ids=str,
)
def test_what_changes_numbers_changes_every_cell(registry, change):
    plain, changed = plan(registry), plan(registry, **change)
    assert not {c.cell_id for c in plain.cells} & {c.cell_id for c in changed.cells}
    assert plain.run_id != changed.run_id


def test_recorded_steps():
    def steps(**training):
        return TrainingEntry(**training).recorded_steps()

    assert steps(steps=100, records=4) == (0, 25, 50, 75, 100)
    assert steps(steps=1000, records=4, spacing="log") == (0, 1, 10, 100, 1000)
    assert steps(steps=0, records=4, spacing="log") == (0,)
    assert steps(steps=5, records=20, spacing="log") == (0, 1, 2, 3, 4, 5)
    assert steps(learning_rate=0.1, time=30.0, records=3) == (0, 100, 200, 300)
    assert steps(learning_rate=0.3, time=1.0, records=1) == (0, 4)  # 0.9 is too short


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": 3.0, "learning_rate": {"fraction_of_max_stable": 0.5}}, "time needs an absolute learning_rate"),
        ({"time": 3.0, "steps": 4}, "give steps or time, not both"),
        ({"spacing": "log", "records": [1, 2]}, "but records is a list"),
        ({"stop_loss": -1.0}, "greater than 0"),
        ({"non_gradient": 0.5, "batch_size": 2}, "non_gradient is for gradient-descent on all points"),
        (
            {"non_gradient": 0.5, "optimizer": "nesterov", "momentum": 0.9},
            "non_gradient is for gradient-descent on all points",
        ),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"time": 1.0, "records": [50]}, "training ends at step 10"),
    ],
)
def test_mistakes_are_named(registry, change, message):
    training = {"learning_rate": 0.1, **change}
    with pytest.raises(StudyError, match=message):
        resolve_study({**study(), **BOTH, "training": training}, registry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"task": [{**study()["task"][0], "loss": "huber"}]},
            r'task\[0\].loss: the backend "toy-kernel" does not know',
        ),
        ({"training": {"batch_size": 2}}, 'training.batch_size: the backend "toy-kernel" takes all points'),
        (
            {"training": {"non_gradient": 0.5}},
            'training.non_gradient: the backend "toy-kernel" trains along gradients only',
        ),
        ({"training": {"stop_loss": 0.5}}, 'training.stop_loss: the backend "toy-network" trains to the last step'),
    ],
)
def test_a_backend_says_what_it_does_not_know(registry, change, message):
    with pytest.raises(StudyError, match=message):
        resolve_study({**study(), **change}, registry)


def problem(**changes):
    rng = np.random.default_rng(0)
    parts = {"x_train": (4, 2), "y_train": (4, 1), "x_test": (3, 2), "y_test": (3, 1)}
    return Problem(**{**{name: rng.standard_normal(shape) for name, shape in parts.items()}, **changes})


def test_cross_entropy_takes_labels_as_probabilities():
    found = with_loss(problem(labels_train=[0, 2, 1, 0], labels_test=[1, 1, 2]), "cross-entropy")
    np.testing.assert_array_equal(found.y_train, np.eye(3)[[0, 2, 1, 0]])
    np.testing.assert_array_equal(found.y_test, np.eye(3)[[1, 1, 2]])
    assert found.loss == "cross-entropy"
    with pytest.raises(DataError, match="no labels"):
        with_loss(problem(), "cross-entropy")
    with pytest.raises(DataError, match="counted from 0"):
        with_loss(problem(labels_train=[-1, 1, 1, -1], labels_test=[1, 1, -1]), "cross-entropy")
    halves = problem(y_train=np.full((4, 2), 0.5), y_test=np.full((3, 2), 0.5))
    np.testing.assert_array_equal(with_loss(halves, "cross-entropy").y_train, halves.y_train)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("squared-error", lambda f, y: ((f - y) ** 2).sum() / 8),
        ("huber", lambda f, y: np.where(abs(f - y) < 1, (f - y) ** 2 / 2, abs(f - y) - 0.5).sum() / 4),
    ],
)
def test_the_loss_that_is_trained_on_is_measured(name, expected):
    asked = with_loss(problem(), name)
    f = np.random.default_rng(1).standard_normal((2, 3, 4, 1)) * 3
    solution = Solution(times=np.arange(3.0), steps=np.arange(3), members_train=f, members_test=f[:, :, :3])
    rows = {(row.split, row.member, row.step): row for row in loss(asked, solution, None)}
    for member in range(2):
        for step in range(3):
            row = rows["train", member, step]
            assert row.value == pytest.approx(expected(f[member, step], asked.y_train), rel=1e-14)
            assert (row.unit, row.goal) == ("cost", "min")


def test_a_network_that_has_stopped_is_compared_until_then():
    """The kernel's training goes on where a network was left as it is."""
    rng = np.random.default_rng(2)
    kernel, f = np.eye(4), rng.standard_normal((2, 4, 4, 1))
    reference = Solution(
        times=np.arange(4.0),
        steps=np.arange(4),
        kernel_train=kernel,
        kernel_test=kernel[:3],
        eigenvalues=np.ones(4),
        eigenvectors=np.eye(4),
    )
    training = Training(learning_rate=1.0, steps=np.arange(4))
    settings = {"times": np.arange(4.0), "steps": np.arange(4), "training": training}
    subject = Solution(members_train=f, members_test=f[:, :, :3], stopped_at=np.array([-1, 1]), **settings)
    rows = [row for row in function_distance(problem(), subject, reference) if row.metric == "function_distance"]
    assert {(row.member, row.step) for row in rows} == {(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)}
