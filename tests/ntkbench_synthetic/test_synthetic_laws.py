"""What holds for every synthetic task: sizes, seeds, noise, and how light its description is."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ntkbench.plugin.specs import TaskSpec, import_target
from ntkbench_synthetic.plugin import SPLITS, ntkbench_register_tasks
from ntkbench_synthetic.sampling import angle_grid, generator, sphere_points

SPECS = {spec.name: spec for spec in ntkbench_register_tasks()}
NAMES = sorted(SPECS)
NESTED = sorted(set(NAMES) - {"synthetic/gp"})  # a process is drawn jointly at all its points


def model(spec: TaskSpec, **keys):
    return import_target(spec.parameters)(**keys)


def load(name: str, split_index: int = 0, seed: int = 0, **keys):
    if name == "synthetic/gp":
        pytest.importorskip("jax")
    return import_target(SPECS[name].target)(model(SPECS[name], **keys), split_index, seed)


def arrays(problem):
    return [problem.x_train, problem.y_train, problem.x_test, problem.y_test]


def test_the_six_tasks_are_named():
    short = [name.removeprefix("synthetic/") for name in NAMES]
    assert short == ["circle", "gp", "harmonic", "sine", "step", "teacher"]


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_what_is_loaded(name):
    keys = {"outputs": 3} if name == "synthetic/teacher" else {}
    sizes = SPECS[name].sizes(model(SPECS[name], n_train=7, n_test=5, **keys))
    problem = load(name, n_train=7, n_test=5, **keys)
    assert sizes[:2] == (7, 5)
    assert problem.x_train.shape == (7, sizes.n_features)
    assert problem.y_train.shape == (7, sizes.n_outputs)
    assert problem.x_test.shape == (5, sizes.n_features)
    assert sizes.splits == SPLITS


@pytest.mark.parametrize("name", NAMES)
def test_points_stay_where_they_are_and_parameters_say_all(name):
    spec = SPECS[name]
    assert not spec.standardise_inputs
    assert not spec.standardise_targets
    assert spec.fingerprint(model(spec)) == ""
    assert spec.available() is None
    assert spec.summary and spec.source and spec.licence


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_and_split_give_the_same_problem(name):
    first, second = (load(name, 3, 11, noise=0.2) for _ in range(2))
    for a, b in zip(arrays(first), arrays(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", [(1, 0), (0, 1), (SPLITS - 1, 0), (0, 2**63)])
def test_another_seed_or_split_gives_another_problem(name, other):
    first, second = load(name, noise=0.2), load(name, *other, noise=0.2)
    assert not np.isin(first.x_train, second.x_train).any()
    assert not np.isin(first.y_train, second.y_train).any()


def test_streams_of_different_splits_and_seeds_are_uncorrelated():
    n = 20_000
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32, 0), (0, 2**31 - 2)]
    draws = [generator(f"task/{part}", *key).standard_normal(n) for key in keys for part in ("inputs", "noise")]
    correlations = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    bound = stats.norm.isf(1e-6 / correlations.size) / np.sqrt(n)  # a correlation of independent draws: N(0, 1/n)
    assert np.abs(correlations).max() < bound


@pytest.mark.parametrize("name", NESTED)
def test_more_training_points_extend_the_set(name):
    keys = {"angles": "random"} if name == "synthetic/circle" else {}
    small, large = (load(name, n_train=n, noise=0.2, **keys) for n in (10, 30))
    np.testing.assert_array_equal(small.x_train, large.x_train[:10])
    np.testing.assert_array_equal(small.x_test, large.x_test)
    np.testing.assert_allclose(small.y_train, large.y_train[:10], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_gaussian_of_the_stated_size_on_training_targets_alone(name):
    n, noise = (300 if name == "synthetic/gp" else 4000), 0.3
    clean, noisy = (load(name, n_train=n, noise=size) for size in (0.0, noise))
    np.testing.assert_array_equal(clean.x_train, noisy.x_train)
    np.testing.assert_array_equal(clean.y_test, noisy.y_test)
    residuals = (noisy.y_train - clean.y_train).ravel() / noise
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], n)  # the sum of n squared standard normals
    assert low < np.sum(residuals**2) < high
    assert abs(residuals.mean()) < stats.norm.isf(1e-6) / np.sqrt(n)
    assert stats.kstest(residuals, "norm").pvalue > 1e-6


@given(n=st.integers(1, 50), d=st.integers(2, 40), seed=st.integers(0, 2**64))
@settings(max_examples=50, deadline=None)
def test_sphere_points_have_unit_norm(n, d, seed):
    norms = np.linalg.norm(sphere_points(n, d, generator("sphere", seed)), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-14)


def test_sphere_points_have_uniform_projections():
    t = sphere_points(4000, 3, generator("sphere", 0)) @ np.array([0.6, 0.0, 0.8])
    assert stats.kstest(t, stats.uniform(-1, 2).cdf).pvalue > 1e-6  # Archimedes: uniform on [-1, 1] in dimension 3


@given(n=st.integers(1, 200), offset=st.sampled_from([0.0, 0.5]))
@settings(max_examples=30, deadline=None)
def test_angle_grids_are_even(n, offset):
    angles = angle_grid(n, offset)
    assert np.all((angles >= -np.pi) & (angles < np.pi))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / n, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "keys",
    [
        {"n_train": 0},
        {"n_test": -1},
        {"n_train": 1.5},
        {"noise": -0.1},
        {"noise": float("nan")},
        {"noise": float("inf")},
        {"n_trian": 3},
    ],
)
def test_senseless_parameters_are_refused(name, keys):
    with pytest.raises(ValueError, match=next(iter(keys))):
        model(SPECS[name], **keys)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("sine", {"low": 1, "high": 1}, "must be less than high"),
        ("sine", {"frequency": 0}, "frequency"),
        ("sine", {"amplitude": float("inf")}, "amplitude"),
        ("step", {"location": 1.0}, "must lie inside"),
        ("circle", {"angles": "odd"}, "angles"),
        ("teacher", {"activation": "tanh"}, "activation"),
        ("teacher", {"dimension": 0}, "dimension"),
        ("harmonic", {"dimension": 1}, "dimension"),
        ("harmonic", {"degrees": []}, "degrees"),
        ("harmonic", {"degrees": [2, 2]}, "must all be different"),
        ("harmonic", {"degrees": [-1]}, "degrees"),
        ("gp", {"weight_std": float("nan")}, "weight_std"),
    ],
)
def test_senseless_parameters_of_one_task_are_refused(name, keys, message):
    with pytest.raises(ValueError, match=message):
        model(SPECS[f"synthetic/{name}"], **keys)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_survive_json_and_cannot_change(name):
    parameters = model(SPECS[name])
    assert type(parameters).model_validate_json(parameters.model_dump_json()) == parameters
    with pytest.raises(ValueError, match="frozen"):
        parameters.n_train = 3
    assert all(field.description for field in type(parameters).model_fields.values())


def test_describing_the_tasks_imports_nothing_heavy():
    code = """
import sys
from types import SimpleNamespace
from ntkbench_synthetic.plugin import ntkbench_register_tasks
for spec in ntkbench_register_tasks():
    parameters = SimpleNamespace(n_train=2, n_test=3, dimension=4)
    spec.sizes(parameters), spec.fingerprint(parameters), spec.available()
print(sorted({"numpy", "scipy", "pydantic", "sklearn", "jax", "torch", "pandas"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
