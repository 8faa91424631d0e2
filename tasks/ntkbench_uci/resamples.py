"""Splits of the A19 collection: the published resamples, and nested cross-validation without leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import DataError, Sizes

from .locations import check_hash, needed

if TYPE_CHECKING:
    from ntkbench.plugin import Int

    from .dataset import Dataset
    from .parameters import A19Split

SPLITS = 4
TUNING = "conxuntos.dat"
RESAMPLES = "conxuntos_kfold.dat"
_STREAM = 0x613139  # "a19" in ASCII: keeps these draws apart from other users of the same seed
Rows = tuple["Int", "Int"]


def sizes(dataset: Dataset, parameters: A19Split) -> Sizes:
    """Return the sizes of a task under ``A19Split`` parameters (of cross-validation, of its first fold)."""
    if parameters.protocol == "a19":
        assert dataset.split_files is not None
        n_train, n_test = dataset.split_files.n_train, dataset.split_files.n_test
    else:
        n_test = -(-dataset.rows // SPLITS)
        n_train = dataset.rows - n_test
    return Sizes(n_train, n_test, dataset.features, dataset.outputs, SPLITS)


def published_resample(dataset: Dataset, split_index: int) -> tuple[Rows, Rows]:
    """Return (training, test) rows of a published resample, and (fit, validation) rows: two halves of all rows.

    The four resamples are independent 75/25 draws, not a partition. All share the two halves to choose on, which
    overlap the test rows.

    :raises DataError: if the files of row numbers are not the published ones.
    """
    assert dataset.split_files is not None
    halves = _lines(dataset, TUNING, dataset.split_files.tuning_sha256, 2)
    resamples = _lines(dataset, RESAMPLES, dataset.split_files.resamples_sha256, 2 * SPLITS)
    train, test = resamples[2 * split_index : 2 * split_index + 2]
    return (train, test), (halves[0], halves[1])


def _lines(dataset: Dataset, name: str, sha256: str, count: int) -> list[Int]:
    import numpy as np

    where, beside = f"uci/{dataset.name}", needed(dataset).file
    assert beside is not None
    file = beside.with_name(name)
    if not file.is_file():
        raise DataError(f"{where}: no {name} beside {beside}: take a fresh copy of the folder")
    content, where = file.read_bytes(), f"{where} ({file})"
    check_hash(content, sha256, where)
    lines = [np.array(line.split(), dtype=np.int64) for line in content.decode().splitlines() if line.strip()]
    if len(lines) != count:
        raise DataError(f"{where}: {len(lines)} lines of row numbers, expected {count}")
    return lines


def nested_folds(labels: Int, seed: int, split_index: int) -> tuple[Rows, list[Rows]]:
    """Return (training, test) rows of a fold of stratified cross-validation, and two halves of its training rows.

    Each half validates the fit to the other. Classes with fewer rows than folds are missing from some parts.
    """
    folds = _stratified(labels, SPLITS, _state(seed, 0))
    train, test = folds[split_index]
    halves = _stratified(labels[train], 2, _state(seed, split_index + 1))
    return (train, test), [(train[fit], train[validation]) for fit, validation in halves]


def _stratified(labels: Int, count: int, state: object) -> list[Rows]:
    import warnings

    from sklearn.model_selection import StratifiedKFold

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # documented above
        return list(StratifiedKFold(count, shuffle=True, random_state=state).split(labels, labels))


def _state(seed: int, key: int) -> object:
    import numpy as np

    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM, key))))
