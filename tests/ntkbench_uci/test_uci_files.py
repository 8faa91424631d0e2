"""Data sets that come as files: every one loads as published, and none that differs from it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ntkbench.errors import DataError
from ntkbench.execution.data import scaled
from ntkbench.plugin.specs import import_target
from ntkbench_uci import loading, locations, text_files
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.parameters import A19Split, PublishedSplit, RandomSplit
from ntkbench_uci.plugin import ntkbench_register_tasks
from ntkbench_uci.published_splits import published_rows, sizes
from ntkbench_uci.readers import read

SPECS = {spec.name.removeprefix("uci/"): spec for spec in ntkbench_register_tasks()}
FILES = {name: dataset for name, dataset in COLLECTION.items() if not dataset.scikit_learn}
PUBLISHED = [name for name, dataset in FILES.items() if dataset.protocol == "hla"]
A19 = [name for name, dataset in FILES.items() if dataset.protocol == "a19"]


def test_the_collections_are_whole():
    assert len(PUBLISHED) == 9
    assert len(A19) == 90
    assert sum(not FILES[name].redistributable for name in A19) == 5


@pytest.mark.parametrize("name", FILES)
def test_every_set_loads_and_is_what_its_row_states(name, data_folder):
    dataset = FILES[name]
    x, targets = read(dataset)
    assert x.shape == (dataset.rows, dataset.features)
    assert np.isfinite(x).all() and len(targets) == dataset.rows
    if dataset.classes is not None:
        assert np.unique(targets).tolist() == list(range(dataset.classes))
    spec = SPECS[name]
    parameters = import_target(spec.parameters)()
    problem, size = import_target(spec.target)(parameters, 0, 0), spec.sizes(parameters)
    assert problem.x_train.shape == (size.n_train, size.n_features)
    assert problem.y_test.shape == (size.n_test, size.n_outputs)
    assert spec.available() is None


def test_the_table_agrees_with_the_manifest(data_folder):
    manifest = json.loads((data_folder / "manifest.json").read_text())["datasets"]
    described = {entry["data_file"]: entry for entry in manifest}
    for dataset in FILES.values():
        form = dataset.forms[0]
        entry = described[form.path]
        hashes = {file["path"]: file["sha256"] for file in entry["files"]}
        assert dataset.sha256 == form.sha256 == hashes[form.path]
        assert form.layout.rows == entry["rows"]
        assert dataset.uci_id == entry["uci_id"]
        assert dataset.redistributable == entry["redistributable"]
        assert dataset.classes in (entry["classes"], None)
        if "target_column" in entry:
            assert form.layout.target == entry["target_column"]
            column = np.loadtxt(data_folder / form.path, usecols=entry["target_column"])
            np.testing.assert_array_equal(read(dataset)[1], column)
            assert column.mean() == pytest.approx(entry["y_mean"], rel=1e-13)


@pytest.mark.parametrize("name", PUBLISHED)
def test_generated_splits_equal_the_published_files(name, data_folder):
    folder, rows = (data_folder / FILES[name].forms[0].path).parent, FILES[name].rows
    count = int((folder / "n_splits.txt").read_text())
    assert count == FILES[name].splits
    for split in range(count):
        for part, found in zip(("train", "test"), published_rows(rows, split), strict=True):
            stated = np.loadtxt(folder / f"index_{part}_{split}.txt").astype(int)
            np.testing.assert_array_equal(found, stated)


@pytest.mark.parametrize("name", A19)
def test_a_resample_has_the_published_rows_in_the_published_order(name, data_folder):
    dataset = FILES[name]
    x, labels = read(dataset)
    folder = (data_folder / dataset.forms[0].path).parent
    halves, lines = (
        [np.array(line.split(), int) for line in (folder / file).read_text().splitlines() if line.strip()]
        for file in ("conxuntos.dat", "conxuntos_kfold.dat")
    )
    for split in (0, 3):
        problem = loading.load_resample(dataset, A19Split(), split, 0)
        (tuning,) = problem.tuning
        for part, rows in (
            ((problem.x_train, problem.labels_train), lines[2 * split]),
            ((problem.x_test, problem.labels_test), lines[2 * split + 1]),
            ((tuning.x_train, tuning.labels_train), halves[0]),
            ((tuning.x_test, tuning.labels_test), halves[1]),
        ):
            np.testing.assert_array_equal(part[0], x[rows])
            np.testing.assert_array_equal(part[1], labels[rows])


@pytest.mark.parametrize("name", ["a19/zoo", "a19/lenses", "a19/iris"])
def test_nested_folds_leak_nothing(name, data_folder):
    """Test parts partition the rows; what is chosen on lies within the training rows, and is scaled by its own."""
    dataset = FILES[name]
    x, labels = read(dataset)
    marked = np.arange(len(x), dtype=float)
    rows = [import_target("ntkbench_uci.resamples:nested_folds")(labels, 5, split) for split in range(4)]
    tests = np.concatenate([test for (_, test), _ in rows])
    np.testing.assert_array_equal(np.sort(tests), marked)
    for (train, test), inner in rows:
        assert not set(train) & set(test) and len(train) + len(test) == len(x)
        (fit, validation), (other, again) = inner
        assert set(fit) == set(again) and set(validation) == set(other)
        assert set(fit) | set(validation) == set(train)
    problem = loading.load_resample(dataset, A19Split(protocol="nested"), 0, 5)
    for part in (problem, *problem.tuning):
        varying = part.x_train.min(axis=0) < part.x_train.max(axis=0)
        np.testing.assert_allclose(part.x_train.std(axis=0)[varying], 1, rtol=1e-12)


def test_validation_rows_are_training_rows_scaled_by_what_is_left(data_folder):
    problem = loading.load_published(FILES["concrete"], PublishedSplit(validation=0.25), 3, 0)
    (tuning,) = problem.tuning
    np.testing.assert_array_equal(np.concatenate([tuning.x_train, tuning.x_test]), problem.x_train)
    assert len(tuning.x_test) == round(0.25 * 927)
    done = scaled(problem, inputs=True, targets=True)
    np.testing.assert_allclose(done.tuning[0].x_train.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(done.tuning[0].target_mean, tuning.y_train.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(done.target_mean, problem.y_train.mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize(("keys", "message"), [({"n_train": 500}, "455 rows"), ({"n_train": 2}, "leaves a part empty")])
def test_published_splits_that_do_not_fit_are_refused(keys, message):
    with pytest.raises(DataError, match=message):
        sizes(FILES["boston"], PublishedSplit(**keys))


@pytest.fixture
def own_folder(data_folder, tmp_path, monkeypatch):
    """Return what copies a set's files into a folder of its own, made the program's, and returns the data file."""

    def copy(name):
        path = FILES[name].forms[0].path
        target = tmp_path / path
        shutil.copytree((data_folder / path).parent, target.parent)
        monkeypatch.setenv("NTKBENCH_DATA", str(tmp_path))
        loading._table.cache_clear()
        target.chmod(0o644)
        return target

    yield copy
    loading._table.cache_clear()


def without_a_row(lines):
    return lines[:-1]


def with_a_row_twice(lines):
    return [*lines, lines[-1]]


def without_a_column(lines):
    return [line[: max(map(line.rfind, " ,;\t"))].rstrip(" ,;\t") for line in lines]


def with_another_letter(lines):
    last = lines[-1].rstrip('"')
    return [*lines[:-1], last[:-1] + ("1" if last[-1] == "0" else "0") + lines[-1][len(last) :]]


EDITS = [
    (without_a_row, r"rows, expected"),
    (with_a_row_twice, r"rows, expected"),
    (without_a_column, r"line \d+ has \d+ columns, expected"),
    (with_another_letter, r"sha256|inputs have shape|classes in the target"),
]


@pytest.mark.parametrize(("edit", "message"), EDITS)
@pytest.mark.parametrize("name", FILES)
def test_any_set_wrongly_edited_is_refused_with_the_reason(name, edit, message, own_folder):
    file = own_folder(name)
    lines = [line.rstrip() for line in file.read_text().splitlines() if line.strip()]
    file.write_text("\n".join(edit(lines)) + "\n")
    with pytest.raises(DataError, match=f"uci/{name}.*({message})"):
        read(FILES[name])


def test_a_word_among_numbers_is_named_by_row_and_column(own_folder):
    file = own_folder("concrete")
    file.write_text(file.read_text().replace("\t", "\tx", 1))
    with pytest.raises(DataError, match=r"row 1 has 'x.*' in column 1, not a number"):
        read(FILES["concrete"])


@pytest.mark.parametrize("file", ["conxuntos.dat", "conxuntos_kfold.dat"])
def test_other_row_numbers_are_refused(file, own_folder):
    path = own_folder("a19/zoo").with_name(file)
    path.chmod(0o644)
    path.write_text(path.read_text().replace("1 ", "2 ", 1))
    with pytest.raises(DataError, match=f"uci/a19/zoo.*{file}.*sha256"):
        loading.load_resample(FILES["a19/zoo"], A19Split(), 0, 0)


def test_without_the_file_a_task_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("NTKBENCH_DATA", raising=False)
    monkeypatch.setattr(locations, "_package", lambda: None)
    assert "--data-dir" in SPECS["concrete"].available()
    monkeypatch.setenv("NTKBENCH_DATA", str(tmp_path))
    assert f"{tmp_path} has no regression/concrete/data.txt" in SPECS["concrete"].available()
    assert "ntkbench data fetch concrete" in SPECS["concrete"].available()
    with pytest.raises(DataError, match=r"regression/concrete/data\.txt"):
        read(FILES["concrete"])
    assert SPECS["wine"].available() is None


def test_categories_missing_numbers_and_class_names():
    """A table worked out by hand: columns number, category, name, class."""
    content = b"head\n2.5,b,one,yes\n?,a,two,no\n\n-1,?,three,no\n4,b,four,yes\n"
    layout = text_files_layout(columns=4, target=3, drop=(2,), text=(1,), rows=4)
    cells = text_files.cells_of_text(content, layout, "own.data")
    x, labels = text_files.numbers_and_targets(cells, layout, 2, "own.data")
    np.testing.assert_array_equal(x, [[2.5, 0, 1], [-1, 1, 0], [4, 0, 1]])
    np.testing.assert_array_equal(labels, [1, 0, 1])


def text_files_layout(**keys):
    return import_target("ntkbench_uci.dataset:Layout")(separator="comma", header=1, **keys)


def test_random_splits_of_regression_sets_are_disjoint_and_differ(data_folder):
    problems = [
        loading.load_random(FILES["servo"], RandomSplit(n_train=50, n_test=60), split, 3) for split in (0, 0, 1)
    ]
    np.testing.assert_array_equal(problems[0].x_train, problems[1].x_train)
    assert not np.array_equal(problems[0].y_train, problems[2].y_train)
    y = read(FILES["servo"])[1]
    assert len(np.unique(np.concatenate([problems[0].y_train, problems[0].y_test]))) <= len(np.unique(y))
    assert problems[0].labels_train is None
