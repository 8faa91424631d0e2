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
        ({"target": "price", "types": {"sice": "number"}}, 'no column "sice"'),
        ({"target": "colour"}, """"colour".* is 'a', not a number; for classes set kind = "classification"$"""),
        ({"target": "price", "n_train": 8}, "8 rows: n_train 8 and n_test 0 do not fit; each must be at least 1"),
        ({"target": "price", "n_train": 6, "n_test": 3}, "n_train 6 and n_test 3 do not fit.*their sum at most 8"),
        ({"target": "colour", "kind": "classification"}, 'column "colour" has only one row of class c; a split needs'),
        ({"target": "price", "kind": "classification"}, 'has 8 different values in 8 rows.*kind = "regression"'),
    ],
)
def test_a_table_that_will_not_do_is_refused_by_name(path, keys, message):
    with pytest.raises(DataError, match=message):
        sizes(TableParameters(path=path, **keys))


def test_too_few_rows_for_the_classes_is_no_contradiction(tmp_path):
    file = tmp_path / "classes.csv"
    pd.DataFrame({"x": range(9), "kind": ["cat", "dog", "eel"] * 3}).to_csv(file, index=False)
    parameters = TableParameters(path=str(file), target="kind", kind="classification", n_test=2)
    with pytest.raises(DataError, match='n_test is 2; the 3 classes of "kind" need at least 3 training'):
        sizes(parameters)
    with pytest.raises(DataError, match="n_test is 2 by default; the 3 classes"):
        sizes(TableParameters(path=str(file), target="kind", kind="classification", n_train=7))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gap.csv", "x,y\n1,2\n,3\n", r'line 3, column 1 \("x"\) is empty, a missing value \(1 of 2'),
        ("query.csv", "x,y\n1,2\n?,3\n", r"""line 3, column 1 \("x"\) is '\?', a missing value.*missing = "drop\""""),
        ("inf.csv", "x,y\n1,2\ninf,3\n", r'line 3, column 1 \("x"\) is inf; numbers must be finite'),
        ("ragged.csv", "x,y\n1,2\n1,2,3\n", r"line 3 has 3 column\(s\), the header has 2"),
        ("twice.csv", "x,x,y\n1,2,3\n", 'columns 1 and 2 are called "x"'),
        ("empty.csv", "x,y\n", "no rows"),
        ("one.csv", "y\n1\n", "no columns besides the target"),
        ("index.csv", ",y\n0,1\n", 'no columns besides the target; "column 1" is left out: it has no name'),
        (
            "colon.csv",
            "x:y\n1:2\n",
            r'no column "y"; give the separator of columns \(columns: x:y; columns',
        ),
        ("bare.csv", "1.5,2\n3,4\n", 'no column "y"; its first line holds numbers: has it no header?'),
        ("single.csv", "x,y\n1,2\n", "has 1 row; at least 2 are needed"),
        ("table.doc", "x,y\n1,2\n", r"expected a file that ends in \.csv.* or \.parquet"),
        ("broken.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_file_that_will_not_do_is_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        sizes(TableParameters(path=str(tmp_path / name), target="y"))


def test_no_file_and_a_target_among_the_features():
    with pytest.raises(DataError, match=r"no file absent\.csv; its path is relative to"):
        read(TableParameters(path="absent.csv", target="y"))
    for keys, message in (
        ({"features": ("x", "y")}, "cannot be a feature too"),
        ({"features": ("x", "x")}, '"x" is a feature twice'),
        ({"features": ("x",), "types": {"x": "ignore"}}, '"x" cannot be ignored and used'),
        ({"encoding": "klingon"}, '"klingon" is no encoding of text'),
        ({"separator": ";;"}, "expected one character"),
    ):
        with pytest.raises(ValueError, match=message):
            TableParameters(path="a.csv", target="y", **keys)


@pytest.mark.parametrize(
    ("name", "options", "encoding"),
    [
        ("own.csv", {}, "utf-8"),
        ("OWN.CSV", {}, "utf-8"),
        ("own.csv", {"sep": ";"}, "utf-8"),
        ("own.tsv", {"sep": "\t"}, "utf-8"),
        ("own.csv.gz", {}, "utf-8"),
        ("own.csv", {}, "latin-1"),
        ("own.csv", {}, "utf-16"),
        ("own.csv", {"sep": ";", "decimal": ","}, "utf-8-sig"),
        ("own.csv", {"decimal": ",", "quoting": 1}, "utf-8"),
    ],
)
def test_other_formats_give_the_same_bits(tmp_path, name, options, encoding):
    frame = FRAME.assign(colour=list("äbäbäbäc"))
    frame.to_csv(tmp_path / "plain.csv", index=False)
    frame.to_csv(tmp_path / name, index=False, encoding=encoding, **options)
    expected = read(TableParameters(path=str(tmp_path / "plain.csv"), target="price"))
    keys = {"encoding": encoding, "decimal": options.get("decimal", ".")}
    found = read(TableParameters(path=str(tmp_path / name), target="price", **keys))
    assert found.x.tobytes() == expected.x.tobytes()
    assert found.targets.tobytes() == expected.targets.tobytes()


def test_well_formed_tables_have_the_arrays_of_version_1(path):
    """Numbers, booleans, dates, categories and classes, as the first reader gave them."""
    frame = FRAME.assign(
        yes=[True, False] * 4,
        day=pd.date_range("2001-02-03", periods=8).strftime("%Y-%m-%d"),
        large=[2**60 + k for k in range(8)],
        tiny=[5e-324, 1e300, -0.1, 1 / 3, 2.0, 3.0, 1e22, 123456789.123456789],
    ).drop(columns="day" if path.endswith("parquet") else [])
    frame.to_csv(path, index=False) if path.endswith("csv") else frame.to_parquet(path)
    os.utime(path, ns=(2, 2))
    found = read(TableParameters(path=path, target="price"))
    day = [] if path.endswith("parquet") else [11356.0 + np.arange(8)]
    expected = np.column_stack(
        [frame["size"], *(frame["colour"] == letter for letter in "abc"), frame["count"], frame["yes"], *day,
         frame["large"].astype(float), frame["tiny"]]
    )  # fmt: skip
    assert found.x.tobytes() == expected.astype(float).tobytes()


def test_row_names_are_no_features_unless_asked_for(tmp_path):
    rows = [3, 1, 2, 5, 4, 8, 7, 6]
    frame = FRAME.set_index(pd.Index(rows))
    for file in (tmp_path / "own.csv", tmp_path / "own.parquet"):
        frame.to_csv(file) if file.suffix == ".csv" else frame.to_parquet(file)
        found = read(TableParameters(path=str(file), target="price"))
        assert found.x.shape == (8, 5)
        index = "column 1" if file.suffix == ".csv" else "__index_level_0__"
        asked = read(TableParameters(path=str(file), target="price", features=(index,)))
        assert asked.x[:, 0].tolist() == rows


def test_rows_with_missing_values_are_dropped_where_asked_for(tmp_path):
    frame = FRAME.assign(size=["1", "2", "?", "4", "5", "6", "7", "8"], colour=[*"aba", "", *"abab"], extra=[""] * 8)
    frame.to_csv(tmp_path / "own.csv", index=False)
    keys = {"path": str(tmp_path / "own.csv"), "target": "price", "features": ("size", "colour")}
    with pytest.raises(DataError, match=r"line 4, column 1 .* is '\?', a missing value \(1 of 8"):
        read(TableParameters(**keys))
    found = read(TableParameters(**keys, missing="drop"))
    assert found.x[:, 0].tolist() == [1, 2, 5, 6, 7, 8]
    assert found.targets.tolist() == [0, 1, 16, 25, 36, 49]
    kept = read(TableParameters(**keys, missing="drop", missing_values=("?",)))
    assert kept.x.shape == (7, 4)  # the empty text is a category now
    assert sizes(TableParameters(**keys, missing="drop"))[:2] == (4, 2)
    with pytest.raises(DataError, match='column "extra" has no values'):
        read(TableParameters(path=keys["path"], target="price", missing="drop"))


@pytest.mark.parametrize("mark", ["", "NA"])
def test_a_missing_class_is_no_class(tmp_path, mark):
    frame = pd.DataFrame({"x": range(12), "kind": ["cat", "dog"] * 5 + ["cat", mark]})
    for file in (tmp_path / "own.csv", tmp_path / "own.parquet"):
        frame.to_csv(file, index=False) if file.suffix == ".csv" else frame.to_parquet(file)
        keys = {"path": str(file), "target": "kind", "kind": "classification"}
        with pytest.raises(DataError, match=f'"kind".* is {repr(mark) if mark else "empty"}, a missing value'):
            read(TableParameters(**keys))
        assert read(TableParameters(**keys, missing="drop")).classes == 2


def test_declared_types(tmp_path):
    frame = pd.DataFrame({"zip": ["012", "9", "777"] * 4, "id": [f"n{k}" for k in range(12)], "y": range(12)})
    frame = frame.assign(grade=["1", "2", "3+"] * 4)
    frame.to_csv(tmp_path / "own.csv", index=False)
    keys = {"path": str(tmp_path / "own.csv"), "target": "y"}
    with pytest.raises(DataError, match=r"""\("grade"\) is '3\+', not a number \(and 3 more of 12\); types = """):
        read(TableParameters(**keys))
    found = read(TableParameters(**keys, types={"zip": "category", "grade": "category", "id": "ignore"}))
    assert found.x[:3].tolist() == [[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 1]]
    with pytest.raises(DataError, match="'3\\+', not a number"):
        read(TableParameters(**keys, types={"grade": "number", "id": "ignore"}))


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
