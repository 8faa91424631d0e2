"""Read a data set of the collection from where its row says it is, and make sure that it is what it should be."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.errors import DataError

from .text_files import read_file

if TYPE_CHECKING:
    from ntkbench.exchange import Float, Int

    from .collection import Dataset


def read(dataset: Dataset) -> tuple[Float, Float | Int]:
    """Return inputs (rows, features), in their own units, and targets (rows,): int64 labels, or float64 values.

    :raises DataError: if the shape or the content differs from what the collection states, or the data are not here.
    """
    return _scikit_learn(dataset) if dataset.layout is None else read_file(dataset)


def _scikit_learn(dataset: Dataset) -> tuple[Float, Int]:
    from sklearn import datasets

    x, labels = getattr(datasets, dataset.locator)(return_X_y=True)
    x, labels = x.astype(np.float64), labels.astype(np.int64)
    expected = (dataset.rows, dataset.features)
    if x.shape != expected or labels.shape != expected[:1]:
        raise DataError(
            f"uci/{dataset.name} (scikit-learn {dataset.locator}): inputs have shape {x.shape} and labels "
            f"{labels.shape}, expected {expected} and {expected[:1]}"
        )
    if (found := content_hash(x, labels)) != dataset.sha256:
        raise DataError(
            f"uci/{dataset.name} (scikit-learn {dataset.locator}): the data have sha256 {found}, "
            f"expected {dataset.sha256}; these are not the numbers this task is made of"
        )
    return x, labels


def content_hash(x: Float, labels: Int) -> str:
    """Return the sha256 of the shape of ``x``, of ``x`` as little-endian float64 and of ``labels`` as int64."""
    content = sha256(f"{x.shape}".encode())
    content.update(np.ascontiguousarray(x, "<f8").tobytes())
    content.update(np.ascontiguousarray(labels, "<i8").tobytes())
    return content.hexdigest()
