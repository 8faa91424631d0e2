"""Text files as columns of text: encodings, separators, records, and the line of each mistake."""

import bz2
import csv
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntkbench.errors import DataError
from ntkbench.plugin import TextFormat, open_table, parse_numbers, read_text_table
from ntkbench.plugin.table_files.numbers import looks_like_number, share_a_unit

PLAIN = "a,b\n1,x\n2,y\n"


def written(folder, content, name="x.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(table):
    return [column.to_pylist() for column in table.columns]


@pytest.mark.parametrize(
    ("name", "content", "separator"),
    [
        ("x.csv", PLAIN, ","),
        ("x.CSV", PLAIN, ","),
        ("x.csv.gz", gzip.compress(PLAIN.encode(), mtime=0), ","),
        ("x.csv.bz2", bz2.compress(PLAIN.encode()), ","),
        ("x.TXT.XZ", lzma.compress(PLAIN.encode()), ","),
        ("x.csv", PLAIN.replace(",", ";"), ";"),
        ("x.tsv", PLAIN.replace(",", "\t"), "\t"),
        ("x.csv", PLAIN.replace(",", "|"), "|"),
        ("x.txt", " a  b\n1\tx\n2   y  \n", " "),
        ("x.csv", "\ufeff" + PLAIN.replace("\n", "\r\n"), ","),
        ("x.csv", PLAIN.replace("\n", "\r"), ","),
        ("x.csv", "\n" + PLAIN.replace("\n", "\n \n\n"), ","),
        ("x.csv", '"a" , "b"\n "1", "x"\n2 ,y\n', ","),
        ("x.csv", 'a,b\n"1",x\n2,y', ","),
    ],
)
def test_tables_as_people_write_them(tmp_path, name, content, separator):
    table = read_text_table(written(tmp_path, content, name), TextFormat())
    assert table.layout.names == ("a", "b")
    assert table.layout.separator == separator
    assert cells(table) == [["1", "2"], ["x", "y"]]


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("a;b\n1,5;2,5\n", ";"),
        ("price, EUR;size, m2\n1,5;2,5\n3,5;4,5\n", ";"),
        ("a\tb\n1,000\t2,000\n", "\t"),
        ("a,b\n1;2,3\n", ","),
        ("a;b;c\nx,y;z;w\n", ";"),
        ("one\n1\n", ","),
        ("first name\nAda Lovelace\nAlan Turing\n", " "),
    ],
)
def test_the_separator_is_the_one_that_cuts_records_evenly(tmp_path, content, separator):
    assert read_text_table(written(tmp_path, content), TextFormat()).layout.separator == separator


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\0"), max_size=6)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=8))
def test_what_the_module_csv_writes_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    found = read_text_table(path, TextFormat(separator=","))
    stripped = [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]
    assert [[cell.strip() for cell in column] for column in cells(found)] == stripped


def test_a_row_without_values_is_a_row(tmp_path):
    for separator in (",", ";", "\t"):
        table = read_text_table(written(tmp_path, "a,b\n1,2\n,\n \n3,4\n".replace(",", separator)), TextFormat())
        assert cells(table) == [["1", "", "3"], ["2", "", "4"]]


def test_comments_where_they_are_declared(tmp_path):
    path = written(tmp_path, "# made by hand\na,#b\n1,x # here\n# half\n2,y\n")
    table = read_text_table(path, TextFormat(comment="#"))
    assert (table.layout.names, cells(table)) == (("a", "#b"), [["1", "2"], ["x", "y"]])
    assert table.place(1, 1) == 'line 5, column 2 ("#b")'
    sharp = read_text_table(written(tmp_path, "#,note\n1,C#\n2,F#\n"), TextFormat())
    assert (sharp.layout.names, cells(sharp)) == (("#", "note"), [["1", "2"], ["C#", "F#"]])


def test_places_count_lines_of_the_file(tmp_path):
    table = read_text_table(written(tmp_path, 'a,b\n\n"1\n1",x\n\n2,y\n'), TextFormat())
    assert table.place(0, 0) == 'line 3, column 1 ("a")'
    assert table.place(1, 1) == 'line 6, column 2 ("b")'


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252", "utf-8-sig"])
def test_other_encodings_are_read_where_they_are_declared(tmp_path, encoding):
    path = written(tmp_path, "größe,b\n1,ä\n2,y\n".encode(encoding))
    table = read_text_table(path, TextFormat(encoding=encoding))
    assert table.layout.names == ("größe", "b")
    assert cells(table) == [["1", "2"], ["ä", "y"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "größe,y\n1,2\n".encode("latin-1"),
            r"byte 0xf6 in line 1: gr\\xf6\\xdfe,y; give its encoding, such as latin-1",
        ),
        ("x,y\n1,a\n2,ä\n".encode("latin-1"), r"byte 0xe4 in line 3: 2,\\xe4; give its encoding"),
        (PLAIN.encode("utf-16"), "starts as utf-16 does; give its encoding, utf-16"),
        (b"PAR1\xff", "it is a parquet file"),
        (b"PK\x03\x04\xff", r"a workbook, such as \.xlsx; save the table as \.csv"),
        (gzip.compress(b"a,b\n", mtime=0), r"compressed; its name should end in \.gz"),
        ("", "holds no rows"),
        ("a,b\n\n", "holds a header, line 1, and no rows"),
        ("a,b\n1,2\n3\n", r"line 3 has 1 column\(s\), the header has 2$"),
        ("a,b\n1,2,\n3,4,\n", r"line 2 has 3 column\(s\), the header has 2; it ends in a separator"),
        ('"a" "b"\n"1" 1 2\n"2" 3 4\n', "row names, as R writes them, need a name too"),
        ("a,b\n1,5,2\n2,5,3\n", "the header has 2; decimal commas and commas between thousands need quotation marks"),
        ("sep=;\na;b\n1;2\n", "line 1 is a note for Excel, sep=; remove it"),
        (PLAIN.encode("utf-16-le"), "every second byte is null; give its encoding, such as utf-16-le"),
        ("# mine\na,b\n1,2\n", 'with comment = "#" lines that start so are no header'),
        ('a,b\n"1,2\n3,4\n', "line 2 has 1 column.*a quotation mark there may not be closed"),
        ("a,b\n" + "1" * 200_000 + ",2\n", "field larger"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_text_table(path, TextFormat())
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["x.csv.gz", "x.csv.bz2", "x.csv.xz"])
def test_a_compressed_file_that_is_cut_off_or_none(tmp_path, name):
    whole = {"gz": gzip, "bz2": bz2, "xz": lzma}[name.rpartition(".")[2]].compress(PLAIN.encode() * 100)
    for content in (whole[: len(whole) // 2], PLAIN.encode()):
        with pytest.raises(DataError, match=r"x\.csv\.\w+: (is not a whole|cannot be read)"):
            read_text_table(written(tmp_path, content, name), TextFormat())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": "ab"}, "separator is 'ab', expected one character"),
        ({"separator": "."}, "separator is '.', expected one character"),
        ({"comment": '"'}, "comments start with"),
        ({"decimal": ";"}, "decimal mark is ';', expected '.' or ','"),
        ({"thousands": "."}, "mark of thousands is '.', expected one of ','"),
        ({"encoding": "klingon"}, '"klingon" is no encoding of text'),
        ({"encoding": "base64"}, '"base64" is no encoding of text'),
        ({"encoding": "utf-8\0"}, "is no encoding of text"),
    ],
)
def test_formats_that_cannot_be(options, message):
    with pytest.raises(DataError, match=message):
        TextFormat(**options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,x,y\n1,2,3\n", 'columns 1 and 2 are called "x"; give each its own name'),
        ("x,,y\n1,2,3\n", "column 2 has values but no name"),
    ],
)
def test_names_that_will_not_do(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        open_table(written(tmp_path, content), TextFormat())


def test_row_names_and_empty_columns_are_no_data(tmp_path):
    table = open_table(written(tmp_path, ",x,Unnamed: 0,y,\n0,1,0,2,\n1,3,1,4,\n"), TextFormat())
    assert table.names == ("column 1", "x", "Unnamed: 0", "y", "column 5")
    assert list(table.no_data) == ["column 1", "Unnamed: 0", "column 5"]


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"no file absent\.csv; its path is relative to"):
        open_table(Path("absent.csv"), TextFormat())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is not a file"):
        open_table(tmp_path / "folder.csv", TextFormat())
    with pytest.raises(DataError, match=r"ends in \.csv, \.tsv, \.txt \(or one of these and \.gz.* or \.parquet"):
        open_table(written(tmp_path, PLAIN, "x.xlsx"), TextFormat())


def numbers(texts, **options):
    import pyarrow as pa

    return parse_numbers(pa.array(texts, pa.string()), TextFormat(**options))


@given(st.lists(st.floats(), min_size=1))
def test_numbers_are_read_to_the_last_bit(values):
    found, valid = numbers([repr(value) for value in values])
    assert valid.all()
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("texts", "options", "expected"),
    [
        (["1.", ".5", "+1", "-2e-3", "1E5"], {}, [1, 0.5, 1, -2e-3, 1e5]),
        (["1_000", "1,5", "x", "", "0x10", "1 000", "\u0661"], {}, None),
        (["1,5", "-,5", "2", "1e3"], {"decimal": ","}, [1.5, -0.5, 2, 1000]),
        (["1.5"], {"decimal": ","}, None),
        (["1,234", "-12,345,678.5", "7", "7.5"], {"thousands": ","}, [1234, -12345678.5, 7, 7.5]),
        (["1,23", "1234,567", "12,345,67"], {"thousands": ","}, None),
        (["1.234,5", "2"], {"decimal": ",", "thousands": "."}, [1234.5, 2]),
        (["1 234", "1\u00a0234", "1\u202f234"], {"thousands": " "}, [1234] * 3),
        (["1'234", "1\u2019234"], {"thousands": "'"}, [1234] * 2),
    ],
)
def test_notations_of_numbers(texts, options, expected):
    found, valid = numbers(texts, **options)
    assert valid.tolist() == [expected is not None] * len(texts)
    if expected is not None:
        assert found.tolist() == expected


def test_what_looks_like_a_number():
    assert all(
        map(looks_like_number, ["1", "1,234.5", "1.234,5", "$5", "12 %", "(5)", "1_000", "0x1F", "-1e5", "1.5D+03"])
    )
    assert not any(map(looks_like_number, ["a", "", "?", "10-19", "65+", "<5", "2020-01-01", "10:30", "1st", "A1"]))
    assert share_a_unit(["5 kg", "12.5 kg"])
    assert not share_a_unit(["5 kg", "5 g"])
    assert not share_a_unit(["4th", "5th"])
