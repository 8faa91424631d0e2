"""Arrays of users for ``ntkbench kernel``: .npy and .npz files of any type and shape, with lies and damage."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_dtypes, array_shapes, arrays, scalar_dtypes

from ntkbench_jax.kernel_command.array_files import read_matrix

from .damage import DAMAGES, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from ntkbench.plugin.registry import Registry

_SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4) | st.just((3, 2))
_NUMBERS = arrays(np.float64, st.just((4, 2))) | arrays(np.float32, st.just((4, 2))) | arrays(np.int8, st.just((3, 1)))
_ARRAYS = _NUMBERS | arrays(scalar_dtypes() | array_dtypes(max_size=2), _SHAPES)
_SHAPES_OF_LIES = ["(10**12, 2)", "(1000000000000, 2)", "(-1, 2)", "(2,)", "3", "(True, 2)"]
_TYPES_OF_LIES = ["'<f8'", "'|O'", "'<U999999999'", "[('a', '<f8')] * 9", "'<f3'", "7"]
_HEADERS = st.sampled_from(
    ["", "{", "[]", "(" * 3000, "'" * 5000, "2**(9**9)", "{'descr': '<f8', 'shape': (2,), }"]
) | (
    st.tuples(st.sampled_from(_TYPES_OF_LIES), st.sampled_from(_SHAPES_OF_LIES)).map(
        lambda lie: f"{{'descr': {lie[0]}, 'fortran_order': False, 'shape': {lie[1]}, }}"
    )
)
_NAMES = st.sampled_from(["x", "arr_0", "", "a/b", "../up", "é", "x.npy", "\x01"])
_FILES = st.tuples(st.dictionaries(_NAMES, _ARRAYS | _HEADERS, max_size=3), st.sampled_from([".npy", ".npz", ".NPZ"]))
ARRAYS = st.tuples(_FILES, DAMAGES, st.none() | _NAMES)


def _npy(content: Any) -> bytes:
    sink = io.BytesIO()
    if isinstance(content, str):
        text = content.encode()[:60_000]
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)
    np.save(sink, content)
    return sink.getvalue()


def _file(contents: dict[str, Any], suffix: str) -> bytes:
    if suffix == ".npy":
        return _npy(next(iter(contents.values()), "{"))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", _npy(content))
    return sink.getvalue()


def load_arrays(given: Any, registry: Registry, folder: Path) -> None:
    """Read a user's array file as ``ntkbench kernel`` does."""
    (contents, suffix), damage, array = given
    path = folder / f"points{suffix}"
    path.write_bytes(damaged(_file(contents, suffix), damage))
    points = read_matrix(path, array=array)
    assert points.ndim == 2
    assert np.isfinite(points).all()
