"""The task of one kernel principal component: an eigenvector of the kernel on the very inputs it hands over."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.api.run import Options, plan_study
from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.execution.data import scaled
from ntkbench.plugin.specs import import_target
from ntkbench.plugin.types import Problem
from ntkbench.study.load import Overrides
from ntkbench_jax import analytic_kernels
from ntkbench_uci import loading
from ntkbench_uci.component import load
from ntkbench_uci.parameters import Component, RandomSplit
from ntkbench_uci.plugin import ntkbench_register_tasks

SMALL = {"n_train": 60, "n_test": 20}
SPEC = next(spec for spec in ntkbench_register_tasks() if spec.name == "uci/optical-digits-component")


def ntk(x, x2=None, depth=3, activation="relu", weight_std=1.0, bias_std=0.1):
    keys = {"depth": depth, "activation": activation, "weight_std": weight_std, "bias_std": bias_std}
    return np.array(analytic_kernels(x, x2, architecture=Architecture(**keys)).ntk)


@pytest.mark.parametrize("component", [1, 2, 3, 60])
@pytest.mark.parametrize("keys", [{}, {"depth": 1, "activation": "erf", "weight_std": 1.5, "bias_std": 0.3}])
def test_the_target_is_the_components_eigenvector_on_the_inputs_as_trained_on(component, keys):
    problem = load(Component(**SMALL, component=component, scale=0.5, **keys), 0, 0)
    T, y = ntk(problem.x_train, **keys), problem.y_train[:, 0]
    eigenvalues = np.sort(np.linalg.eigvalsh(T))[::-1]
    np.testing.assert_allclose(T @ y, eigenvalues[component - 1] * y, atol=1e-13 * eigenvalues[0] * 60)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_its_norm_in_p_in_is_the_scale_and_its_largest_entry_is_positive(scale):
    y = load(Component(**SMALL, scale=scale), 0, 0).y_train
    assert np.sqrt(np.mean(y**2)) == pytest.approx(scale, rel=1e-13)
    assert y.max() == np.abs(y).max()


def test_components_are_orthogonal():
    y = np.hstack([load(Component(**SMALL, component=i, scale=1), 0, 0).y_train for i in (1, 2, 3, 4)])
    np.testing.assert_allclose(y.T @ y / 60, np.eye(4), atol=1e-12)


def test_test_targets_are_what_kernel_regression_predicts():
    problem = load(Component(**SMALL), 0, 0)
    regression = ntk(problem.x_test, problem.x_train) @ np.linalg.solve(ntk(problem.x_train), problem.y_train)
    np.testing.assert_allclose(problem.y_test, regression, atol=1e-10)


def test_inputs_are_those_that_the_core_would_have_made_of_the_digits():
    digits = loading.load_random(loading.COLLECTION["optical-digits"], RandomSplit(**SMALL), 3, 7)
    expected = scaled(digits, inputs=True, targets=False)
    found = load(Component(**SMALL), 3, 7)
    np.testing.assert_array_equal(found.x_train, expected.x_train)
    np.testing.assert_array_equal(found.x_test, expected.x_test)
    assert not SPEC.standardise_inputs
    assert not SPEC.standardise_targets


def test_pixels_may_stay_as_they_are():
    digits = loading.load_random(loading.COLLECTION["optical-digits"], RandomSplit(**SMALL), 3, 7)
    found = load(Component(**SMALL, standardise=False), 3, 7)
    np.testing.assert_array_equal(found.x_train, digits.x_train / 16)
    np.testing.assert_array_equal(found.x_test, digits.x_test / 16)
    eigenvalue = np.sort(np.linalg.eigvalsh(ntk(found.x_train)))[-2]
    np.testing.assert_allclose(ntk(found.x_train) @ found.y_train, eigenvalue * found.y_train, atol=1e-12)


def test_it_repeats_for_the_same_seed_and_split_and_differs_for_others():
    def y(split, seed):
        return load(Component(**SMALL), split, seed).y_train

    np.testing.assert_array_equal(y(0, 0), y(0, 0))
    assert not np.allclose(y(0, 0), y(1, 0))
    assert not np.allclose(y(0, 0), y(0, 1))


def test_its_sizes_are_what_is_loaded():
    parameters = import_target(SPEC.parameters)(**SMALL)
    problem = import_target(SPEC.target)(parameters, 0, 0)
    assert isinstance(problem, Problem)
    assert SPEC.sizes(parameters)[:4] == (60, 20, 64, 1)
    assert problem.x_train.shape == (60, 64)
    assert problem.x_test.shape == (20, 64)
    assert problem.y_train.shape == (60, 1)
    assert problem.y_test.shape == (20, 1)


def test_a_component_without_an_eigenvector_of_its_own_is_refused():
    with pytest.raises(DataError, match="eigenvalue 99 of 100 is not simple"):
        load(Component(n_train=100, n_test=10, component=99, depth=0), 0, 0)  # rank 65 at most


@pytest.mark.parametrize("keys", [{"component": 0}, {"component": 61, "n_train": 60}, {"scale": 0}, {"n_train": 9}])
def test_senseless_parameters_are_refused(keys):
    with pytest.raises(ValueError, match=next(iter(keys))):
        Component(**keys)


def test_claim_c15_trains_where_the_kernel_grows():
    """kappa = |y|^2 / (n lambda_2 / N) is 1 at the narrowest width, and 1e-4 for the control (docs/theory.md, C15)."""
    plan, _ = plan_study("claim-c15", Overrides(), Options())
    networks = [cell for cell in plan.cells if cell.role == "subject"]
    assert {(cell.label, *set(cell.hidden_widths)) for cell in networks} == {
        *(("network", n) for n in (50, 100, 200, 400, 800)),
        ("small-target", 50),
    }
    problem = load(Component(**networks[0].task_parameters), 0, 0)
    eigenvalue = np.sort(np.linalg.eigvalsh(ntk(problem.x_train)))[-2]
    kappa = np.mean(problem.y_train**2) / (50 * eigenvalue / len(problem.y_train))
    assert 0.9 < kappa < 1.1
