"""A user's own files: every way to write a matrix, and every way to get it wrong."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntkbench.errors import DataError, StoreError
from ntkbench_jax.kernel_command.array_files import check_target, read_matrix, write_npz

X = np.array([[1.5, -2.0, 0.1], [3.0, 1e-300, 5e200]])


def text(folder, content, name="x.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "1,2\n3,4",
        '"a,b";c\n1;2\n3;4\n',
        "a;b\n1;2\n3;4\n",
        "1\t2\n3\t4\n",
        "  1   2\n3 4  \n",
        "1 | 2\n3|4\n",
        "\ufeffa,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        "# made by hand\n\na,#b\n1,2 # here\n\n  \n3,4\n",
        '"1","2"\n"3.0",4e0\n',
        "größe,β\n1,2\n3,4\n",
    ],
)
def test_tables_as_people_write_them(tmp_path, content):
    found = read_matrix(text(tmp_path, content))
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 2], [3, 4]]


def test_a_single_column_and_a_single_line(tmp_path):
    assert read_matrix(text(tmp_path, "1\n2\n3\n")).shape == (3, 1)
    assert read_matrix(text(tmp_path, "1,2,3\n")).shape == (1, 3)
    assert read_matrix(text(tmp_path, "name\n2\n")).tolist() == [[2.0]]


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=1))
def test_numbers_are_read_to_the_last_bit(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "exact.csv"
    path.write_text("".join(f"{a!r},{b!r}\n" for a, b in rows))
    assert read_matrix(path, header=False).tobytes() == np.array(rows).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3,abc\n", "line 2, column 2 is 'abc', not a number$"),
        ("a,b\n\n1,2\n3,\n", r'line 4, column 2 \("b"\) is empty'),
        ("a,b\n1,nan\n", r'line 2, column 2 \("b"\) is nan; inputs must be finite'),
        ("1,2\n1,-inf\n", "line 2, column 2 is -inf"),
        ("1e999,2\n", "line 1, column 1 is 1e999"),
        ("1_000,2\n", "'1_000', not a number"),
        ("a;b\n1,5;2,5\n", "'1,5', not a number; a decimal point is expected"),
        ("1,b\n2,3\n", "line 1, column 2 is 'b'"),
        ("1,2\n3\n", r"line 2 has 1 column\(s\), line 1 has 2"),
        ("x y\n1 2 3\n2 4 5\n", r"line 2 has 3 column\(s\), the header has 2"),
        (",0,1\n0,1.5,2.5\n", "first column has no name.*index=False"),
        ('"","x"\n"1",2\n', "first column has no name.*row.names=FALSE"),
        ("0,1,2\n5,6,7\n", "line 1 is 0, 1, 2: say --header or --no-header"),
        ("a,b\n", "a header, line 1, and no rows"),
        ("\n  \n# nothing\n", "holds no rows"),
        ("", "holds no rows"),
        ("1,2\n3,\x004\n", "line 2, column 2 is"),
        (bytes(range(256)), "not a table in a text file in UTF-8"),
        ("1,2\n".encode("utf-16"), "not a table in a text file in UTF-8"),
        ("größe,b\n1,2\n".encode("latin-1"), "not a table in a text file in UTF-8"),
        ("1" * 200_000 + "x,2\n", "field larger"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_matrix(text(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path / "x.csv"))


def test_header_and_delimiter_can_be_said(tmp_path):
    path = text(tmp_path, "0,1\n5,6\n")
    assert read_matrix(path, header=True).tolist() == [[5, 6]]
    assert read_matrix(path, header=False).tolist() == [[0, 1], [5, 6]]
    assert read_matrix(text(tmp_path, "1:2\n3:4\n"), delimiter=":").tolist() == [[1, 2], [3, 4]]
    assert read_matrix(text(tmp_path, "1 \t 2\n"), delimiter=" ").tolist() == [[1, 2]]
    for wrong in ("ab", "", "x", "#"):
        with pytest.raises(DataError, match="expected one character"):
            read_matrix(path, delimiter=wrong)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint64", "bool", ">f8"])
def test_arrays_keep_single_precision_and_are_doubles_otherwise(tmp_path, dtype):
    array = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    found = read_matrix(tmp_path / "x.npy")
    assert found.dtype == (np.float32 if dtype == "float32" else np.float64)
    assert (found == array).all()


def test_the_arrays_of_an_npz(tmp_path):
    np.savez(tmp_path / "one.npz", x=X)
    np.savez(tmp_path / "two.npz", x_train=X, x_test=-X)
    np.savez(tmp_path / "none.npz")
    assert (read_matrix(tmp_path / "one.npz") == X).all()
    assert (read_matrix(tmp_path / "two.npz", array="x_test") == -X).all()
    with pytest.raises(DataError, match=r"holds 2 arrays; choose one with --array: x_train, x_test"):
        read_matrix(tmp_path / "two.npz")
    with pytest.raises(DataError, match='no array "x_tset"; did you mean "x_test"'):
        read_matrix(tmp_path / "two.npz", array="x_tset")
    with pytest.raises(DataError, match="holds no arrays"):
        read_matrix(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (X + 1j, "holds complex128, expected real numbers"),
        (np.array([["a", "b"]]), "expected real numbers"),
        (np.array([{}, 1], dtype=object), "Object arrays cannot be loaded"),
        (X[0], r"has shape \(3,\), expected \(points, features\).*reshape\(-1, 1\)"),
        (X[None], r"has shape \(1, 2, 3\), expected"),
        (X[:0], "no points"),
        (X[:, :0], "no features"),
        (np.where(X == 3, np.nan, X), r"\[1, 0\] is nan"),
    ],
)
def test_arrays_that_are_no_points(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=message):
        read_matrix(tmp_path / "x.npy")


def test_files_that_are_not_what_their_name_says(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "y.npz", x=X)
    for name in ("x.npy", "y.npz"):
        whole = (tmp_path / name).read_bytes()
        for cut in (0, 4, 100, len(whole) - 8):
            with pytest.raises(DataError, match="is not a whole"):
                read_matrix(text(tmp_path, whole[:cut], f"cut{name}"))
    with pytest.raises(DataError, match="there is no such file"):
        read_matrix(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"is not called \.npy"):
        read_matrix(tmp_path / "x.xlsx")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is not a file"):
        read_matrix(tmp_path / "folder.csv")


def test_parquet_compressed_text_and_other_encodings(tmp_path):
    frame = pd.DataFrame(X, columns=["größe", "b", "c"])
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_csv(tmp_path / "x.csv.gz", index=False, float_format="%.17g")
    frame.to_csv(tmp_path / "l.csv", index=False, float_format="%.17g", encoding="latin-1")
    for name, encoding in (("x.parquet", "utf-8"), ("x.csv.gz", "utf-8"), ("l.csv", "latin-1")):
        assert read_matrix(tmp_path / name, encoding=encoding).tobytes() == X.tobytes()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1.0, 2]}, index=[5, 3]), '"__index_level_0__" is no feature.*index=False'),
        (pd.DataFrame({"a": [1.0, None]}), 'row 2, column "a" is missing; inputs must be finite'),
        (pd.DataFrame({"a": [1.0, np.inf]}), 'row 2, column "a" is inf'),
        (pd.DataFrame({"a": ["1", "x"]}), """row 2, column "a" is 'x', not a number"""),
        (pd.DataFrame({"a": [[1.0], [2.0]]}), 'column "a" holds list'),
        (pd.DataFrame({"a": []}), "holds no rows"),
    ],
)
def test_parquet_that_is_no_points(tmp_path, frame, message):
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message):
        read_matrix(tmp_path / "x.parquet")


class TestWriting:
    def test_what_is_written_is_read(self, tmp_path):
        write_npz(tmp_path / "k.npz", {"ntk": X, "architecture": np.array("{}")})
        with np.load(tmp_path / "k.npz") as found:
            assert found["ntk"].tobytes() == X.tobytes()
            assert str(found["architecture"]) == "{}"
        assert list(tmp_path.iterdir()) == [tmp_path / "k.npz"]

    def test_nothing_is_replaced_unasked(self, tmp_path):
        path = text(tmp_path, "mine", "k.npz")
        with pytest.raises(StoreError, match="exists already; --force replaces it"):
            write_npz(path, {"x": X})
        assert path.read_text() == "mine"
        write_npz(path, {"x": X}, force=True)
        assert (read_matrix(path) == X).all()

    def test_all_or_nothing(self, tmp_path, monkeypatch):
        path = text(tmp_path, "mine", "k.npz")

        def full(file, **_):
            file.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(StoreError, match=r"cannot be written \(No space left"):
            write_npz(path, {"x": X}, force=True)
        assert path.read_text() == "mine"
        assert list(tmp_path.iterdir()) == [tmp_path / "k.npz"]

    def test_targets_that_cannot_be(self, tmp_path):
        for name, message in (("k.npy", "must end in .npz"), ("a/k.npz", "there is no folder"), ("d.npz", "a folder")):
            (tmp_path / "d.npz").mkdir(exist_ok=True)
            with pytest.raises(StoreError, match=message):
                check_target(tmp_path / name, force=True)


HEADERS = ["{", "[]", "", "(" * 3000, "'" * 5000, "2**(9**9)", "{'descr': '<f8', 'shape': (2,)}"] + [
    f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"
    for kind in ("'<f8'", "'|O'", "'<U999999999'", "'<f3'", "7")
    for shape in ("(-1, 2)", "(10**12, 2)", "(1000000000000, 2)", "3")
]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_whatever_the_header_of_an_array_says_it_is_one_message(tmp_path, suffix):
    for number, header in enumerate(HEADERS):
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)
        path = tmp_path / f"{number}{suffix}"
        if suffix == ".npy":
            path.write_bytes(content)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("x.npy", content)
        with pytest.raises(DataError) as caught:
            read_matrix(path)
        assert len(str(caught.value).splitlines()) == 1, header


def test_a_column_of_lists_without_a_name_is_said(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0], "": [[], [3]]}).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(DataError, match="column 2 has values but no name"):
        read_matrix(tmp_path / "own.parquet")
