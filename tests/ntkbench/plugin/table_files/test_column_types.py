"""Types of columns: declared, of the file, or of all texts; what is refused, and what is noted."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ntkbench.errors import DataError
from ntkbench.plugin import TextFormat, label_column, number_column, open_table, typed_column

ROWS = 60


def text(folder, texts, **options):
    path = folder / "x.csv"
    pd.DataFrame({"row": range(len(texts)), "x": texts}).to_csv(path, index=False)
    return open_table(path, TextFormat(**options))


def parquet(folder, array):
    pq.write_table(pa.table({"x": array}), folder / "x.parquet")
    return open_table(folder / "x.parquet", TextFormat())


@pytest.mark.parametrize(
    ("texts", "type_", "values"),
    [
        (["1", "02", "-3"], "number", [1, 2, -3]),
        (["0x10", "3"], "number", [16, 3]),
        (["1.5", "+2", "1e-3"], "number", [1.5, 2, 1e-3]),
        (["true", "False"], "boolean", [1, 0]),
        (["1970-01-02", "1970-01-11"], "date", [1, 10]),
        (["1970-01-01 00:01", "1970-01-01T00:00:05"], "date", [60, 5]),
        (["1970-01-01 00:00:00.5"], "date", [5e8]),
        (["1970-01-01T00:00:07Z"], "date", [7]),
        (["b", "a", "b"], "category", ["b", "a", "b"]),
        (["10-19", "65+", "<10"], "category", ["10-19", "65+", "<10"]),
        (["1st", "2nd", "3rd"], "category", ["1st", "2nd", "3rd"]),
        (["A", "B", "1"], "category", ["A", "B", "1"]),
    ],
)
def test_the_type_of_text_is_the_one_that_all_texts_have(tmp_path, texts, type_, values):
    found = typed_column(text(tmp_path, texts), "x")
    assert (found.type, found.values.tolist()) == (type_, values)
    assert not found.missing.any()


NUMBERS = [str(k / 7) for k in range(ROWS)]
DAYS = [f"2020-01-{k % 30 + 1:02d}" for k in range(ROWS)]
PLACE = r'x\.csv: line 4, column 2 \("x"\) is '


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([*NUMBERS[:2], "none", *NUMBERS[3:]], PLACE + "'none', not a number; types = "),
        ([*NUMBERS[:2], "-", "-", *NUMBERS[4:]], PLACE + rf"'-', not a number \(and 1 more of {ROWS}\)"),
        (["-"] * 40 + NUMBERS[40:], r"line 2, .* is '-', not a number \(and 39 more"),
        ([f"{k},5" for k in range(ROWS)], "is '0,5', not a number; with decimal = \",\" all are numbers"),
        (
            [f"{k + 1},000" for k in range(ROWS)],
            'is \'1,000\', not a number; with decimal = "," or thousands = "," all are numbers',
        ),
        ([f"{k + 1},000.5" for k in range(ROWS)], 'with thousands = "," all are numbers'),
        ([f"{k + 1}.000,5" for k in range(ROWS)], 'with decimal = "," and thousands = "." all are numbers'),
        ([f"{k + 1} 000" for k in range(ROWS)], 'with thousands = " " all are numbers'),
        ([f"{k}%" for k in range(3)] * 20, "is '0%', not a number"),
        (["$5", "$6"] * 30, r"is '\$5', not a number"),
        ([f"{k / 3:.1f} kg" for k in range(ROWS)], "is '0.0 kg', not a number"),
        ([f"name {k}" for k in range(ROWS)], f"has {ROWS} different texts, such as 'name 0', in {ROWS} rows; types = "),
        ([f"01/{k:02d}/2020" for k in range(ROWS)], "different texts"),
        ([*DAYS[:2], "soon", *DAYS[3:]], PLACE + "'soon', not a date; types = "),
        ([*DAYS[:2], "2020-02-30", *DAYS[3:]], PLACE + "'2020-02-30', not a date"),
        ([*NUMBERS[:2], "inf", *NUMBERS[3:]], PLACE + "inf; numbers must be finite"),
        ([*NUMBERS[:2], "-Infinity", *NUMBERS[3:]], PLACE + "-Infinity; numbers must be finite"),
        ([*NUMBERS[:2], "1.8e308", *NUMBERS[3:]], PLACE + "1.8e308, beyond float64"),
    ],
)
def test_numbers_never_become_categories_by_a_few_texts_or_by_their_notation(tmp_path, texts, message):
    with pytest.raises(DataError, match=message):
        typed_column(text(tmp_path, texts), "x")
    assert typed_column(text(tmp_path, texts), "x", "category").values.tolist() == texts


def test_declared_notations_are_read(tmp_path):
    for texts, options, value in (
        ([f"{k},5" for k in range(ROWS)], {"decimal": ","}, 3.5),
        ([f"{k},000.5" for k in range(ROWS)], {"thousands": ","}, 3000.5),
        ([f"{k}.000,5" for k in range(ROWS)], {"decimal": ",", "thousands": "."}, 3000.5),
    ):
        found = typed_column(text(tmp_path, texts, **options), "x")
        assert (found.type, found.values[3]) == ("number", value)


@pytest.mark.parametrize(
    "options", [{"decimal": ","}, {"thousands": ","}, {"decimal": ",", "thousands": "."}, {"thousands": " "}]
)
def test_a_word_is_the_mistake_in_any_notation(tmp_path, options):
    for texts in (["1", "2", "word"], ["1,5", "2,5", "word"]):
        with pytest.raises(DataError, match="not a number"):
            typed_column(text(tmp_path, texts, **options), "x", "number")


@pytest.mark.parametrize("mark", ["", "?", "NA", "N/A", "nan", "NULL", " ? "])
def test_missing_values_are_known_in_numbers_and_in_text(tmp_path, mark):
    for texts in (["1", mark, "3"], ["a", mark, "b"]):
        found = typed_column(text(tmp_path, texts), "x")
        assert found.missing.tolist() == [False, True, False]
    with pytest.raises(DataError, match='column "x" has no values'):
        typed_column(text(tmp_path, [mark, mark]), "x")


def test_what_counts_as_missing_can_be_declared(tmp_path):
    found = typed_column(text(tmp_path, ["NA", "EU", "-"], missing=("-",)), "x")
    assert found.missing.tolist() == [False, False, True]
    with pytest.raises(DataError, match="is nan; numbers must be finite"):
        typed_column(text(tmp_path, ["1", "nan"], missing=("",)), "x")


@pytest.mark.parametrize(
    ("array", "type_", "values"),
    [
        (pa.array([1, 2], pa.uint8()), "number", [1, 2]),
        (pa.array([1.5, 2], pa.float16()), "number", [1.5, 2]),
        (pa.array([Decimal("1.1"), Decimal("-2.2")]), "number", [1.1, -2.2]),
        (pa.array([True, False]), "boolean", [1, 0]),
        (pa.array([dt.date(1970, 1, 2)]), "date", [1]),
        (pa.array([dt.datetime(1970, 1, 1, 0, 0, 1)], pa.timestamp("us", "UTC")), "date", [1e6]),
        (pa.array([dt.timedelta(seconds=3)], pa.duration("ms")), "date", [3000]),
        (pa.array(["b", "a"], pa.string()), "category", ["b", "a"]),
        (pa.array(["b", "a"], pa.large_string()), "category", ["b", "a"]),
        (pa.array(["b", "a"], pa.string_view()), "category", ["b", "a"]),
        (pa.array(["b", "a"]).dictionary_encode(), "category", ["b", "a"]),
    ],
)
def test_types_of_parquet(tmp_path, array, type_, values):
    found = typed_column(parquet(tmp_path, array), "x")
    assert (found.type, found.values.tolist()) == (type_, values)


def test_a_category_of_pandas_is_read_with_its_missing_value(tmp_path):
    pd.DataFrame({"x": pd.Categorical(["b", None, "a"])}).to_parquet(tmp_path / "x.parquet")
    found = typed_column(open_table(tmp_path / "x.parquet", TextFormat()), "x")
    assert (found.type, found.missing.tolist()) == ("category", [False, True, False])
    assert found.values[[0, 2]].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([[1, 2]]), r'column "x" holds list<\w+: int64>, expected numbers, text, booleans or dates'),
        (pa.array([{"a": 1}]), "holds struct<a: int64>"),
        (pa.array([b"a"]), "holds binary"),
        (pa.array([dt.time(1)]), "holds time64"),
        (pa.array(["1", "2"]), "holds text that reads as numbers; write numbers, or types = "),
        (pa.array(["1", "2", "x"]), r"row 3, column \"x\" is 'x', not a number"),
        (pa.array([1.0, np.inf]), 'row 2, column "x" is inf; numbers must be finite'),
        (pa.nulls(2), 'column "x" has no values'),
    ],
)
def test_what_parquet_holds_and_is_no_feature(tmp_path, array, message):
    with pytest.raises(DataError, match=message):
        typed_column(parquet(tmp_path, array), "x")


def test_missing_values_of_parquet(tmp_path):
    for array in (
        pa.array([1, None, 3]),
        pa.array([1.0, np.nan, 3]),
        pa.array(["a", "NA", "b"]),
        pa.array([True, None, False]),
    ):
        assert typed_column(parquet(tmp_path, array), "x").missing.tolist() == [False, True, False]


def test_names_of_parquet_and_the_index_of_pandas(tmp_path):
    path = tmp_path / "x.parquet"
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    pq.write_table(twice, path)
    with pytest.raises(DataError, match='columns 1 and 2 are called "x"'):
        open_table(path, TextFormat())
    pd.DataFrame({"x": [1.0, 2]}, index=[4, 2]).to_parquet(path)
    assert list(open_table(path, TextFormat()).no_data) == ["__index_level_0__"]
    pd.DataFrame({"x": [1.0, 2]}, index=pd.Index(["b", "a"], name="who")).to_parquet(path)
    assert list(open_table(path, TextFormat()).no_data) == ["who"]
    pd.DataFrame({"x": [1.0, 2]}).to_parquet(path)
    assert not open_table(path, TextFormat()).no_data
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), path)
    with pytest.raises(DataError, match="holds no rows"):
        open_table(path, TextFormat())
    path.write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read"):
        open_table(path, TextFormat())


def test_numbers_alone_and_classes(tmp_path):
    table = text(tmp_path, ["1", "2", "x"])
    with pytest.raises(DataError, match=r"line 4, column 2 \(\"x\"\) is 'x', not a number; say so"):
        number_column(table, "x", "; say so")
    assert label_column(table, "x").values.tolist() == ["1", "2", "x"]
    assert label_column(text(tmp_path, ["2", "10", "1.0"]), "x").values.tolist() == [2, 10, 1]
    large = [2**60, 2**60 + 1]
    for table in (text(tmp_path, large), parquet(tmp_path, pa.array(large))):
        found = label_column(table, "x")
        assert [found.shown(value) for value in found.categories()] == [*map(str, large)]
    assert label_column(text(tmp_path, ["true", "True", "false"]), "x").values.tolist() == [1, 1, 0]
    assert number_column(text(tmp_path, ["true", "false"]), "x").values.tolist() == [1, 0]
    assert number_column(parquet(tmp_path, pa.array(["1", "2"])), "x").values.tolist() == [1, 2]


def test_what_may_be_wrong_with_a_column(tmp_path):
    def column(texts):
        return typed_column(text(tmp_path, texts), "x")

    assert column(["3", "4", "5"]).counts_rows()
    assert not column(["3", "4", "6"]).counts_rows()
    assert column(["1", str(2**53 + 1)]).rounded()
    assert not column(["1", str(2**53 - 1)]).rounded()
    assert column(["1", "-2", "1.7e308"]).outlier() == (1.7e308, 2)
    assert column(["1", "2", "-99999999999"]).outlier() == (-99999999999, 2)
    assert column(["1", "2", "1e9"]).outlier() is None
    assert [column(["1", "2.5"]).shown(value) for value in (1.0, 2.5)] == ["1", "2.5"]
