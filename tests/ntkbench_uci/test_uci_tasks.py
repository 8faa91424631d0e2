"""The UCI tasks: the right numbers, the right rows, and clear words where either is missing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from ntkbench.errors import DataError
from ntkbench.plugin import centred_targets, stratified_rows
from ntkbench.plugin.specs import import_target
from ntkbench_uci import loading, readers
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.loading import load_random as load
from ntkbench_uci.parameters import RandomSplit
from ntkbench_uci.plugin import ntkbench_register_tasks
from ntkbench_uci.splits import sizes

SPECS = {spec.name.removeprefix("uci/"): spec for spec in ntkbench_register_tasks()}
NAMES = sorted(name for name in SPECS.keys() & COLLECTION.keys() if COLLECTION[name].scikit_learn)


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    """Read the sets of scikit-learn, not files of the same ones."""
    monkeypatch.delenv("NTKBENCH_DATA", raising=False)


def original(name):
    return getattr(datasets, COLLECTION[name].scikit_learn)(return_X_y=True)


def decoded(y):
    return (y[:, 0] > 0).astype(int) if y.shape[1] == 1 else y.argmax(axis=1)


def test_the_sets_inside_scikit_learn_are_tasks():
    assert NAMES == ["breast-cancer-wisc-diag", "optical-digits", "wine"]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_states_what_is_there(name):
    x, labels = readers.read(COLLECTION[name])
    assert np.unique(labels).tolist() == list(range(COLLECTION[name].classes))
    np.testing.assert_array_equal(x, original(name)[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_loads_what_its_sizes_promise(name):
    spec = SPECS[name]
    parameters = import_target(spec.parameters)()
    size = spec.sizes(parameters)
    problem = import_target(spec.target)(parameters, 0, 0)
    assert problem.x_train.shape == (size.n_train, size.n_features)
    assert problem.y_train.shape == (size.n_train, size.n_outputs)
    assert problem.x_test.shape == (size.n_test, size.n_features)
    assert size.n_train == 100
    assert size.n_test == min(200, COLLECTION[name].rows - 100)
    assert spec.fingerprint(parameters) == COLLECTION[name].sha256
    assert spec.standardise_inputs
    assert not spec.standardise_targets
    assert spec.citation and spec.licence and spec.source and spec.install


@pytest.mark.parametrize("name", NAMES)
def test_rows_come_unscaled_with_their_labels(name):
    x, labels = original(name)
    known = {row.tobytes(): label for row, label in zip(x, labels, strict=True)}
    problem = load(COLLECTION[name], RandomSplit(), 0, 0)
    for rows, found in ((problem.x_train, problem.labels_train), (problem.x_test, problem.labels_test)):
        assert [known[row.tobytes()] for row in rows] == found.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_outputs_decode_to_labels(name):
    problem = load(COLLECTION[name], RandomSplit(), 1, 2)
    np.testing.assert_array_equal(decoded(problem.y_train), problem.labels_train)
    np.testing.assert_array_equal(decoded(problem.y_test), problem.labels_test)


def test_two_classes_are_plus_and_minus_one():
    np.testing.assert_array_equal(centred_targets(np.array([0, 1, 1]), 2), [[-1], [1], [1]])


@given(classes=st.integers(3, 20))
@settings(max_examples=10, deadline=None)
def test_many_classes_are_centred_one_hot(classes):
    y = centred_targets(np.arange(classes), classes)
    np.testing.assert_allclose(y.sum(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.sum(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(y.max(axis=1) - y.min(axis=1), 1)


@given(
    shares=st.lists(st.integers(5, 60), min_size=2, max_size=6),
    train=st.floats(0.2, 0.5),
    test=st.floats(0.2, 0.5),
    seed=st.integers(0, 2**64),
)
@settings(max_examples=40, deadline=None)
def test_splits_are_disjoint_and_keep_the_shares_of_classes(shares, train, test, seed):
    labels = np.repeat(np.arange(len(shares)), shares)
    n_train, n_test = (max(len(shares), int(part * len(labels))) for part in (train, test))
    parts = stratified_rows(labels, n_train, n_test, seed, 0)
    assert len(np.unique(np.concatenate(parts))) == n_train + n_test
    assert [len(part) for part in parts] == [n_train, n_test]
    exact = n_train * np.array(shares) / len(labels)
    assert np.abs(np.bincount(labels[parts[0]], minlength=len(shares)) - exact).max() < 1
    left = np.array(shares) - np.bincount(labels[parts[0]], minlength=len(shares))
    exact = n_test * left / left.sum()
    assert np.abs(np.bincount(labels[parts[1]], minlength=len(shares)) - exact).max() < 1


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_can_be_used(name):
    dataset = COLLECTION[name]
    problem = load(dataset, RandomSplit(n_train=100, n_test=dataset.rows - 100), 0, 0)
    rows = np.concatenate([problem.x_train, problem.x_test])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(original(name)[0], axis=0))


def test_splits_repeat_for_the_same_seed_and_differ_for_others():
    labels = original("wine")[1]
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32, 0), (0, 2**31 - 2)]
    draws = [stratified_rows(labels, 100, 78, seed, split)[0].tolist() for seed, split in keys]
    assert len({tuple(draw) for draw in draws}) == len(keys)
    assert stratified_rows(labels, 100, 78, 1, 1)[0].tolist() == draws[3]


def test_overlaps_of_splits_are_those_of_independent_draws():
    """Two independent halves of 569 rows share hypergeometrically many: mean N^2/n, a known variance."""
    labels = original("breast-cancer-wisc-diag")[1]
    n, N, draws = len(labels), 284, 40
    member = np.zeros((draws, n))
    for split in range(draws):
        member[split, stratified_rows(labels, N, n - N, 0, split)[0]] = 1
    overlaps = (member @ member.T)[np.triu_indices(draws, 1)]
    variance = N * (N / n) * (1 - N / n) * (n - N) / (n - 1)  # stratification makes it smaller
    assert abs(overlaps.mean() - N * N / n) < 6 * np.sqrt(variance / overlaps.size) + 1
    assert np.abs(overlaps - N * N / n).max() < 6 * np.sqrt(variance)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_number_is_refused(name, monkeypatch):
    x, labels = original(name)
    x = x.copy()
    x[3, 1] += 1e-9
    monkeypatch.setattr(datasets, COLLECTION[name].scikit_learn, lambda return_X_y: (x, labels))
    with pytest.raises(DataError, match=f"uci/{name}.*sha256.*expected {COLLECTION[name].sha256}"):
        load(COLLECTION[name], RandomSplit(), 0, 0)


def test_a_changed_label_is_refused(monkeypatch):
    x, labels = original("wine")
    swapped = np.where(np.arange(len(labels)) == 0, 2, labels)
    monkeypatch.setattr(datasets, "load_wine", lambda return_X_y: (x, swapped))
    with pytest.raises(DataError, match=r"uci/wine.*sha256"):
        load(COLLECTION["wine"], RandomSplit(), 0, 0)


@pytest.mark.parametrize("cut", [np.s_[1:, :], np.s_[:, 1:]])
def test_a_missing_row_or_column_is_refused(cut, monkeypatch):
    x, labels = original("wine")
    monkeypatch.setattr(datasets, "load_wine", lambda return_X_y: (x[cut], labels[cut[0]]))
    with pytest.raises(DataError, match=r"uci/wine.*shape.*expected \(178, 13\)"):
        load(COLLECTION["wine"], RandomSplit(), 0, 0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"n_train": 500, "n_test": 70}, "uci/breast-cancer-wisc-diag has 569 rows"),
        ({"n_train": 569}, "at most 569"),
        ({"n_train": 1}, "at least 2"),
        ({"n_test": 1}, "2 classes"),
    ],
)
def test_splits_that_do_not_fit_are_refused_before_loading(keys, message):
    with pytest.raises(DataError, match=message):
        sizes(COLLECTION["breast-cancer-wisc-diag"], RandomSplit(**keys))


@pytest.mark.parametrize("keys", [{"n_train": 0}, {"n_test": 0}, {"n_train": 2.5}, {"n_tets": 3}])
def test_senseless_parameters_are_refused(keys):
    with pytest.raises(ValueError, match=next(iter(keys))):
        RandomSplit(**keys)


def test_an_unknown_set_has_no_loader():
    with pytest.raises(AttributeError, match="wien"):
        import_target("ntkbench_uci.loading:wien")
    assert not hasattr(loading, "irises")


def test_describing_the_tasks_imports_nothing_heavy():
    code = """
import sys
from types import SimpleNamespace
from ntkbench_uci.plugin import ntkbench_register_tasks
for spec in ntkbench_register_tasks():
    n_test = None if "component" not in spec.name else 10
    parameters = SimpleNamespace(n_train=20 if "lenses" not in spec.name else 18, n_test=n_test, validation=0.2,
                                 protocol="a19")
    spec.sizes(parameters), spec.fingerprint(parameters), spec.available()
print(sorted({"numpy", "scipy", "pydantic", "sklearn", "jax", "torch", "pandas"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
