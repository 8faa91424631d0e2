"""A user's own table as a task: numbers, categories, classes, splits, and what is said of a table that will not do."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ntkbench
from ntkbench.errors import DataError
from ntkbench_files.parameters import TableParameters
from ntkbench_files.table import fingerprint, load, read, sizes

FRAME = pd.DataFrame(
    {"size": [1.0, 2, 3, 4, 5, 6, 7, 8], "colour": list("abababac"), "count": range(8), "price": np.arange(8) ** 2.0}
)


@pytest.fixture(params=["csv", "parquet"])
def path(request, tmp_path):
    file = tmp_path / f"own.{request.param}"
    FRAME.to_csv(file, index=False) if request.param == "csv" else FRAME.to_parquet(file)
    return str(file)


def test_all_other_columns_are_features_and_text_is_categories(path):
    found = read(TableParameters(path=path, target="price"))
    expected = np.column_stack([FRAME["size"], *(FRAME["colour"] == letter for letter in "abc"), FRAME["count"]])
    np.testing.assert_array_equal(found.x, expected)
    np.testing.assert_array_equal(found.targets, FRAME["price"])
    assert found.classes is None
    chosen = read(TableParameters(path=path, target="price", features=("count", "size")))
    np.testing.assert_array_equal(chosen.x, FRAME[["count", "size"]])


def test_splits_are_disjoint_complete_and_repeatable(path):
    parameters = TableParameters(path=path, target="price", features=("size",))
    assert sizes(parameters)[:4] == (6, 2, 1, 1)
    problem, again, other = load(parameters, 0, 1), load(parameters, 0, 1), load(parameters, 1, 1)
    rows = np.concatenate([problem.x_train, problem.x_test])[:, 0]
    np.testing.assert_array_equal(np.sort(rows), FRAME["size"])
    np.testing.assert_array_equal(problem.y_train[:, 0], (problem.x_train[:, 0] - 1) ** 2)
    np.testing.assert_array_equal(again.x_train, problem.x_train)
    assert not np.array_equal(other.x_train, problem.x_train)


def test_classes_are_stratified_and_their_targets_centred(tmp_path):
    file = tmp_path / "classes.csv"
    pd.DataFrame({"x": range(12), "kind": ["cat", "dog", "eel"] * 4}).to_csv(file, index=False)
    parameters = TableParameters(path=str(file), target="kind", kind="classification", n_train=6, n_test=3)
    problem = load(parameters, 0, 0)
    assert sizes(parameters).n_outputs == 3
    assert sorted(problem.labels_train) == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(problem.x_train[:, 0] % 3, problem.labels_train)
    np.testing.assert_allclose(problem.y_train.sum(axis=1), 0, atol=1e-15)


def test_another_content_is_another_fingerprint_and_is_read_anew(path):
    parameters = TableParameters(path=path, target="price")
    before = fingerprint(parameters)
    assert before == sha256(Path(path).read_bytes()).hexdigest()
    read(parameters)
    changed = FRAME.assign(price=1.5)
    changed.to_csv(path, index=False) if path.endswith("csv") else changed.to_parquet(path)
    os.utime(path, ns=(1, 1))
    assert fingerprint(parameters) != before
    assert (read(parameters).targets == 1.5).all()
    assert fingerprint(TableParameters(path=f"{path}.gone", target="price")) == ""


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target": "prise"}, 'no column "prise"; did you mean "price"'),
        ({"target": "price", "features": ("sice",)}, 'no column "sice"'),
        ({"target": "colour"}, 'column "colour" holds .*string, not numbers.*classification'),
        ({"target": "price", "n_train": 8}, "8 rows.*do not fit"),
        ({"target": "colour", "kind": "classification", "n_train": 2}, "at least 3 for 3 classes"),
    ],
)
def test_a_table_that_will_not_do_is_refused_by_name(path, keys, message):
    with pytest.raises(DataError, match=message):
        sizes(TableParameters(path=path, **keys))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gap.csv", "x,y\n1,2\n,3\n", 'column "x" has 1 missing values'),
        ("inf.csv", "x,y\n1,2\ninf,3\n", 'column "x", row 2: not a finite number'),
        ("ragged.csv", "x,y\n1,2\n1,2,3\n", "cannot be read"),
        ("empty.csv", "x,y\n", "no rows"),
        ("one.csv", "y\n1\n", "no columns besides the target"),
        ("table.txt", "x,y\n1,2\n", r"expected a \.csv or \.parquet file"),
        ("broken.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_file_that_will_not_do_is_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        read(TableParameters(path=str(tmp_path / name), target="y"))


def test_no_file_and_a_target_among_the_features():
    with pytest.raises(DataError, match=r"no file absent\.csv; its path is relative to"):
        read(TableParameters(path="absent.csv", target="y"))
    with pytest.raises(ValueError, match="cannot be a feature too"):
        TableParameters(path="a.csv", target="y", features=("x", "y"))


def test_a_study_runs_on_it(path, tmp_path):
    study = {
        "schema": 1,
        "name": "own",
        "task": [{"name": "file/table", "path": path, "target": "price"}],
        "architecture": [{"depth": 1}],
        "reference": [{"label": "ntk", "backend": "jax"}],
        "training": {"learning_rate": 0.1, "steps": 3},
    }
    results = ntkbench.run(study, out=tmp_path / "run", executor="inline")
    assert results.cells["status"].tolist() == ["ok"]
    assert (results.cells["n_train"].item(), results.cells["n_features"].item()) == (6, 5)
