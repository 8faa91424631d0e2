"""The way of training from a study's TOML to the cell, the comparison and the verdict."""

import json

import numpy as np
import pytest
from toy_runs import TOY, session, study

from ntkbench.analysis.estimation.caveats import Caveats
from ntkbench.analysis.series.records import MetricRows
from ntkbench.dynamics import decompose, kernel_dynamics, stable_learning_rate
from ntkbench.errors import DataError, StudyError
from ntkbench.metrics.errors import predictions_from
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.types import Problem, Solution, Training
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

HEAVY = {"optimizer": "heavy-ball", "momentum": 0.9}
NESTEROV = {"optimizer": "nesterov", "momentum": 0.9}


@pytest.fixture
def registry():
    """The toys, as backends that know momentum."""
    found = load_registry([TOY])
    for name, spec in found.backends.specs.items():
        if name.startswith("toy"):
            object.__setattr__(spec, "optimizers", ("gradient-descent", "heavy-ball", "nesterov"))
    yield found
    for name, spec in found.backends.specs.items():
        if name.startswith("toy"):
            object.__setattr__(spec, "optimizers", ("gradient-descent",))


def trained(**training):
    return study(training={**study()["training"], **training})


def test_it_is_part_of_the_cells_and_of_nothing_it_does_not_change(registry):
    def plan(**training):
        return make_plan(resolve_study(trained(**training), registry), registry)

    plain, same = plan(), plan(optimizer="gradient-descent", momentum=0.0)
    assert [c.cell_id for c in plain.cells] == [c.cell_id for c in same.cells]
    assert plain.run_id == same.run_id
    assert all(c.training.momentum == 0 for c in plain.cells)
    plans = [plain, plan(**HEAVY), plan(**NESTEROV), plan(**HEAVY | {"momentum": 0.5})]
    assert len({c.cell_id for p in plans for c in p.cells}) == sum(len(p.cells) for p in plans)
    assert len({p.run_id for p in plans}) == len(plans)
    assert all(c.training.momentum == 0.9 for c in plans[1].cells)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"optimizer": "heavy-ball"}, r"heavy-ball needs a momentum in \[0, 1\)"),
        ({"momentum": 0.9}, "gradient-descent has none"),
        ({"optimizer": "nesterov", "momentum": 1.0}, r"momentum is 1.0; it must be in \[0, 1\)"),
        ({"optimizer": "nesterov", "momentum": -0.1}, r"momentum is -0.1"),
        ({"optimizer": "adam"}, "adam has no stable limit"),
        ({"optimizer": "adam", "learning_rate": 0.01}, r"training.optimizer: the backend .* does not know .adam."),
        ({"optimizer": "rmsprop"}, "training.optimizer"),
    ],
)
def test_mistakes_in_a_study_are_named(registry, training, message):
    with pytest.raises(StudyError, match=message):
        resolve_study(trained(**training), registry)


def test_a_backend_that_does_not_know_it_is_named_before_anything_runs():
    with pytest.raises(StudyError, match=r'training.optimizer: the backend "toy-network" does not know "heavy-ball"'):
        resolve_study(trained(**HEAVY), load_registry([TOY]))


def test_the_stored_row_says_how(tmp_path):
    cells = session(trained(momentum=0.0), tmp_path / "run", executor="inline").results.cells
    assert set(cells["optimizer"]) == {"gradient-descent"}
    assert all(json.loads(text)["momentum"] == 0.0 for text in cells["training_json"])


@pytest.mark.parametrize("how", [HEAVY, NESTEROV, {"optimizer": "gradient-descent", "momentum": 0.0}])
def test_the_rate_is_a_fraction_of_the_optimizers_own_limit(how):
    training = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3), **how).resolved(4.0, 10)
    assert training.learning_rate == 0.5 * stable_learning_rate([4.0], 10, **how)
    np.testing.assert_array_equal(training.times, training.learning_rate * np.arange(3))
    np.testing.assert_allclose(training.flow_times, training.times / (1 - how["momentum"]))


def test_stable_rates_are_the_theorys():
    assert stable_learning_rate([4.0, 1.0], 8, **HEAVY) == pytest.approx(2 * 1.9 * 8 / 4)
    assert stable_learning_rate([4.0, 1.0], 8, 4.0, **NESTEROV) == pytest.approx(2 * 1.9 * 8 / (2.8 * 8))


def test_a_training_with_an_impossible_momentum():
    with pytest.raises(DataError, match=r"training: momentum is 1\.5"):
        Training(learning_rate=0.1, steps=np.arange(2), optimizer="nesterov", momentum=1.5)


@pytest.mark.parametrize("flow", [False, True])
def test_networks_are_compared_with_a_kernel_trained_as_they_were(flow):
    rng = np.random.default_rng(0)
    jacobian = rng.normal(size=(9, 12))
    kernel, y, f0 = jacobian @ jacobian.T, rng.normal(size=(6, 1)), rng.normal(size=(2, 3, 9, 1))
    spectrum, steps = decompose(kernel[:6, :6]), np.array([0, 3, 9])
    problem = Problem(x_train=np.zeros((6, 1)), y_train=y, x_test=np.zeros((3, 1)), y_test=np.zeros((3, 1)))
    shared = {"times": 0.1 * steps, "training": Training(learning_rate=0.1, steps=steps, **NESTEROV)}
    reference = Solution(
        steps=None if flow else steps,
        kernel_train=kernel[:6, :6],
        kernel_test=kernel[6:, :6],
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        **shared,
    )
    subject = Solution(steps=steps, members_train=f0[:, :, :6], members_test=f0[:, :, 6:], **shared)
    when = {"times": steps * 0.1 / (1 - 0.9)} if flow else {"steps": steps, "learning_rate": 0.1, **NESTEROV}
    start = {"f0_train": f0[:, 0, :6], "f0_test": f0[:, 0, 6:]}
    expected = kernel_dynamics(kernel[:6, :6], kernel[6:, :6], y, **start, **when)
    for found, wanted in zip(
        predictions_from(reference, problem, subject), (expected.train, expected.test), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("factor", "unstable"), [(1.9, False), (2.1, True)])
def test_no_verdict_beyond_the_optimizers_own_limit(factor, unstable):
    """At momentum 0.9 heavy-ball bears 1.9 times the rate of gradient descent, and half of 2.1 times that of N = 8."""
    import pandas as pd

    cell = {
        "run_id": "r",
        "n_train": 8,
        "learning_rate": factor * 2 * 8 / 4.0 * 0.999,
        "training_json": json.dumps(HEAVY),
    }
    kernel = {"kernel": "ntk", "ridge": 0.0, "deviations": []}
    cells = pd.DataFrame([cell | {"cell_id": "n", "label": "net"}, cell | kernel | {"cell_id": "k", "label": "ntk"}])
    rows = [
        {"metric": "largest_eigenvalue", "value": 4.0, "run_id": "r", "cell_id": "k", "member": None},
        {"metric": "d", "value": 1.0, "run_id": "r", "cell_id": "n", "reference": "ntk", "reference_cell_id": "k"},
    ]
    caveats = Caveats(cells, MetricRows(pd.DataFrame(rows)))
    said = caveats.of_training("r", ["n"])
    assert (said is not None and "stable limit" in said) == unstable
