"""Read a user's matrices from .npy, .npz, .parquet and text files; write arrays as .npz, atomically."""

from __future__ import annotations

import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import TEXT_SUFFIXES as TEXT
from ntkbench.plugin import DataError, StoreError, suggestion, text_suffix

from .text_matrix import read_parquet_matrix, read_text_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32] | NDArray[np.float64]

BINARY = (".npy", ".npz")
PARQUET = ".parquet"
_DAMAGED = (
    *(ValueError, EOFError, NotImplementedError, SyntaxError, OverflowError, RecursionError, TypeError, KeyError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)  # what NumPy and zipfile raise
_NPY = b"\x93NUMPY"


def read_matrix(
    path: Path,
    *,
    array: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
) -> Matrix:
    """Return the points (N, F) of a file, N, F >= 1, all finite; float32 for arrays of float32, else float64.

    :param array: name of an array of an .npz; needed if it holds several.
    :param delimiter: separator of the columns of a text file, ``" "`` for any white space; detected by default.
    :param header: whether a text file's first line holds names; by default, if none of its fields is a number.
    :param encoding: of a text file.
    :raises DataError: for a missing or unreadable file, or other contents, naming the place.
    """
    suffix = path.suffix.lower()
    text = text_suffix(path) is not None
    if not text and suffix not in (*BINARY, PARQUET):
        raise DataError(f"{path}: is not called {', '.join((*BINARY, *TEXT))} or {PARQUET}")
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if not path.is_file():
        raise DataError(f"{path}: is not a file")
    try:
        if text:
            return read_text_matrix(path, delimiter, header, encoding)
        if suffix == PARQUET:
            return read_parquet_matrix(path)
        return _read_binary(path, array)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except MemoryError:
        raise DataError(f"{path}: does not fit into memory") from None


def _read_binary(path: Path, array: str | None) -> Matrix:
    try:
        with path.open("rb") as file:
            if file.read(len(_NPY)) != _NPY and not zipfile.is_zipfile(file):
                raise ValueError("it is cut off, or neither .npy nor .npz")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _points(str(path), loaded)
            with loaded:
                name = _chosen(path, loaded.files, array)
                return _points(f"{path}[{name}]", loaded[name])
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: is not a whole {path.suffix} file of numbers ({reason})") from None


def _chosen(path: Path, names: list[str], array: str | None) -> str:
    if not names:
        raise DataError(f"{path}: holds no arrays")
    held = ", ".join(names)
    if array is not None and array not in names:
        raise DataError(f'{path}: has no array "{array}"{suggestion(array, names)} (it holds {held})')
    if array is None and len(names) != 1:
        raise DataError(f"{path}: holds {len(names)} arrays; choose one with --array: {held}")
    return array if array is not None else names[0]


def _points(where: str, found: Any) -> Matrix:
    """Return the contents of an array file as finite points, or raise an error that names the mistake."""
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
        kind = getattr(found, "dtype", type(found).__name__)
        raise DataError(f"{where}: holds {kind}, expected real numbers")
    if found.ndim != 2:
        advice = "; a single feature is one column: array.reshape(-1, 1)" if found.ndim == 1 else ""
        raise DataError(f"{where}: has shape {found.shape}, expected (points, features){advice}")
    if 0 in found.shape:
        raise DataError(f"{where}: has shape {found.shape}, with no {'points' if not found.shape[0] else 'features'}")
    with np.errstate(over="ignore"):
        single = found.dtype == np.float32
        matrix: Matrix = np.ascontiguousarray(found, np.float32) if single else np.ascontiguousarray(found, np.float64)
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(f"{where}: [{row}, {column}] is {found[row, column]}; inputs must be finite")
    return matrix


def check_target(path: Path, *, force: bool) -> None:
    """Check that :func:`write_npz` can write ``path``, before any work is done.

    :raises StoreError: for a path that does not end in .npz, exists already (unless ``force``), or has no folder.
    """
    if path.suffix.lower() != ".npz":
        raise StoreError(f"{path}: the name of the output file must end in .npz")
    if path.is_dir():
        raise StoreError(f"{path}: is a folder")
    if path.exists() and not force:
        raise StoreError(f"{path}: exists already; --force replaces it")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"{path}: the folder {path.parent} cannot be written to")


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]], *, force: bool = False) -> None:
    """Write named arrays to ``path`` atomically: into a temporary file beside it, which is then renamed.

    :raises StoreError: if :func:`check_target` fails, or the disk is full.
    """
    check_target(path, force=force)
    temporary = path.with_name(f".ntkbench-{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **dict(arrays))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        check_target(path, force=force)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
