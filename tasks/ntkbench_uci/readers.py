"""Read a data set of the collection from its first location, and check it against the published data."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import DataError

from .locations import check_hash, needed
from .text_files import cells_of_text, numbers_and_targets
from .workbooks import cells_of_sheet

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Int

    from .dataset import Dataset, FileForm


def read(dataset: Dataset) -> tuple[Float, Float | Int]:
    """Return inputs (rows, features), in their own units, and targets (rows,): int64 labels, or float64 values.

    :raises DataError: if the data were not found, or their shape or content differs from what the collection states.
    """
    source = needed(dataset)
    if source.form is None or source.file is None:
        return _scikit_learn(dataset)
    return read_form(dataset, source.form, source.file.read_bytes(), str(source.file))


def read_form(dataset: Dataset, form: FileForm, content: bytes, path: str = "") -> tuple[Float, Float | Int]:
    """Return inputs and targets, as :func:`read` does, from the content of a file that holds them in this form.

    ``path`` names the file in messages; by default it is the form's.

    :raises DataError: if rows, columns, bytes or numbers are not those of the published file.
    """
    where = f"uci/{dataset.name} ({path or form.path})"
    cells = cells_of_sheet if form.layout.separator == "excel" else cells_of_text
    x, targets = numbers_and_targets(cells(content, form.layout, where), form.layout, dataset.classes, where)
    if x.shape != (dataset.rows, dataset.features):
        raise DataError(
            f"{where}: inputs have shape {x.shape}, expected {(dataset.rows, dataset.features)}: the number of rows "
            "without missing values, or of categories, differs from the published data"
        )
    if form.sha256:
        check_hash(content, form.sha256, where)
    _check_values(dataset, x, targets, where)
    return x, targets


def _scikit_learn(dataset: Dataset) -> tuple[Float, Int]:
    from sklearn import datasets

    where = f"uci/{dataset.name} (scikit-learn {dataset.scikit_learn})"
    x, labels = getattr(datasets, dataset.scikit_learn)(return_X_y=True)
    x, labels = x.astype(np.float64), labels.astype(np.int64)
    expected = (dataset.rows, dataset.features)
    if x.shape != expected or labels.shape != expected[:1]:
        raise DataError(
            f"{where}: inputs have shape {x.shape} and labels {labels.shape}, expected {expected} and {expected[:1]}"
        )
    _check_values(dataset, x, labels, where)
    return x, labels


def _check_values(dataset: Dataset, x: Float, targets: Float | Int, where: str) -> None:
    if (found := content_hash(x, targets)) != dataset.values_sha256:
        raise DataError(
            f"{where}: the numbers have sha256 {found}, expected {dataset.values_sha256}; they differ from the "
            "published data (rounding, order, or version)"
        )


def content_hash(x: Float, targets: Float | Int) -> str:
    """Return the sha256 of the shape of ``x``, of ``x`` as little-endian float64, and of the targets.

    Labels count as int64, other targets as float64; -0.0 counts as 0.0.
    """
    content = sha256(f"{x.shape}".encode())
    content.update(np.ascontiguousarray(x + 0.0, "<f8").tobytes())
    labels = np.issubdtype(targets.dtype, np.integer)
    content.update(np.ascontiguousarray(targets if labels else targets + 0.0, "<i8" if labels else "<f8").tobytes())
    return content.hexdigest()
